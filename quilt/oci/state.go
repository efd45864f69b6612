package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
)

// record is what lies about a container in ROOT/ID/state.json.
type record struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"`
	Start       uint64            `json:"start"` // with Pid it names the process for ever
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Owner       string            `json:"owner"`
	Groups      groups            `json:"groups"`
	Spec        *specs.Spec       `json:"spec"` // as it was at `create`; later changes of the bundle count for nothing
}

// container is a record and the folder it lies in.
type container struct {
	record
	dir  string
	lock *os.File
}

const (
	stateName = "state.json"
	startName = "start.sock" // there until the container is started
)

var idForm = regexp.MustCompile(`^[A-Za-z0-9_+.-]+$`)

func checkID(id string) error {
	if !idForm.MatchString(id) || len(id) > 255 || id == "." || id == ".." {
		return fault.New(fault.Invalid, "invalid container ID %.80q", id).WithHint("use letters, digits and _ + - . only")
	}
	return nil
}

// newContainer takes the name, which nobody may have.
func newContainer(root, id string) (*container, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Denied, "the state folder %s cannot be made", root).WithHint("use sudo, or another --root")
	}
	dir := filepath.Join(root, id)
	if err := os.Mkdir(dir, 0o700); errors.Is(err, fs.ErrExist) {
		return nil, fault.New(fault.Conflict, "container with id %s already exists", id)
	} else if err != nil {
		return nil, fault.Wrap(err, fault.Denied, "the state folder %s cannot be made", dir)
	}
	c := &container{dir: dir}
	c.ID = id
	return c, c.hold()
}

// openContainer finds a container and keeps others off it.
func openContainer(root, id string) (*container, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	c := &container{dir: filepath.Join(root, id)}
	if err := c.hold(); err != nil {
		return nil, noContainer(err, id)
	}
	if err := c.load(); err != nil {
		c.release()
		return nil, noContainer(err, id)
	}
	return c, nil
}

func noContainer(err error, id string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "container %s does not exist", id)
	}
	return err
}

// peek is openContainer for those that only look.
func peek(root, id string) (*container, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	c := &container{dir: filepath.Join(root, id)}
	return c, noContainerOrNil(c.load(), id)
}

func noContainerOrNil(err error, id string) error {
	if err == nil {
		return nil
	}
	return noContainer(err, id)
}

func (c *container) hold() error {
	f, err := os.Open(c.dir)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return err
	}
	c.lock = f
	return nil
}

func (c *container) release() {
	if c.lock != nil {
		c.lock.Close()
		c.lock = nil
	}
}

func (c *container) load() error {
	text, err := os.ReadFile(filepath.Join(c.dir, stateName))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &c.record); err != nil {
		return fmt.Errorf("state of %s: %w", filepath.Base(c.dir), err)
	}
	return nil
}

func (c *container) save() error {
	text, err := json.Marshal(c.record)
	if err != nil {
		return err
	}
	tmp := filepath.Join(c.dir, stateName+".new")
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return os.Rename(tmp, filepath.Join(c.dir, stateName))
}

// paused is a state beyond those of the specification, as it allows.
const statePaused specs.ContainerState = "paused"

// status looks at the process; the file says only who it was.
func (c *container) status() specs.ContainerState {
	switch {
	case c.Pid == 0:
		return specs.StateCreating
	case !alive(c.Pid, c.Start):
		return specs.StateStopped
	case c.Groups.frozen():
		return statePaused
	case exists(filepath.Join(c.dir, startName)):
		return specs.StateCreated
	}
	return specs.StateRunning
}

// alive says that the process is there, is the one meant, and is no zombie.
func alive(pid int, start uint64) bool {
	now, err := sandbox.StartTime(pid)
	if err != nil || now != start {
		return false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	s := string(text)
	rest := strings.TrimSpace(s[strings.LastIndexByte(s, ')')+1:])
	return rest != "" && rest[0] != 'Z' && rest[0] != 'X'
}

// state is what the specification shows of a container, and hooks read.
func (c *container) state(status specs.ContainerState) specs.State {
	s := specs.State{Version: specs.Version, ID: c.ID, Status: status, Pid: c.Pid, Bundle: c.Bundle, Annotations: c.Annotations}
	if status == specs.StateStopped {
		s.Pid = 0
	}
	return s
}
