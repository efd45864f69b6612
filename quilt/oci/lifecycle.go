package oci

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
)

// createFlags are those of create and run.
type createFlags struct {
	bundle, pidFile, console string
	pidfd                    string
	noPivot, noSubreaper     bool
	noKeyring                bool
	preserve                 int
}

func (c *createFlags) register(fs *flag.FlagSet) {
	for _, name := range []string{"bundle", "b"} {
		fs.StringVar(&c.bundle, name, "", "`folder` of the bundle (default: the current one)")
	}
	fs.StringVar(&c.pidFile, "pid-file", "", "`file` to write the process's number to")
	fs.StringVar(&c.console, "console-socket", "", "`path` of a socket that receives the terminal")
	fs.StringVar(&c.pidfd, "pidfd-socket", "", "`path` of a socket that receives a descriptor of the process")
	fs.IntVar(&c.preserve, "preserve-fds", 0, "hand this many descriptors from 3 on to the process")
	fs.BoolVar(&c.noPivot, "no-pivot", false, "not supported")
	fs.BoolVar(&c.noKeyring, "no-new-keyring", false, "not supported")
}

func (c *createFlags) check() error {
	switch {
	case c.noPivot:
		return fault.New(fault.Invalid, "--no-pivot is not supported: the process could get back to the host's files")
	case c.noKeyring:
		return fault.New(fault.Invalid, "--no-new-keyring is not supported: the process would see the caller's keys")
	case c.preserve < 0 || c.preserve > 256:
		return fault.New(fault.Invalid, "--preserve-fds %d is outside 0 to 256", c.preserve)
	}
	bundle, err := filepath.Abs(c.bundle)
	c.bundle = bundle
	return err
}

func (f *front) create(fs *flag.FlagSet, args []string) (int, error) {
	var o createFlags
	o.register(fs)
	id, err := one(fs, args)
	if err != nil {
		return 1, err
	}
	_, l, err := f.make(id, o, nil)
	if l != nil {
		l.link.file.Close()
	}
	return 0, err
}

// make builds a container up to the state "created". A screen is given by who
// stays in front and wants the terminal.
func (f *front) make(id string, o createFlags, s *screen) (c *container, l *launch, err error) {
	if err := o.check(); err != nil {
		return nil, nil, err
	}
	spec, err := readConfig(o.bundle)
	if err != nil {
		return nil, nil, err
	}
	if err := checkTerminal(spec.Process, o.console, s); err != nil {
		return nil, nil, err
	}
	if c, err = newContainer(f.root, id); err != nil {
		return nil, nil, err
	}
	defer c.release()
	c.Version, c.Bundle, c.Rootfs, c.Annotations, c.Spec = specs.Version, o.bundle, rootfs(spec, o.bundle), spec.Annotations, spec
	c.Created, c.Owner = time.Now().UTC(), owner()
	l = &launch{front: f, spec: spec, process: spec.Process, preserve: o.preserve}
	if err = f.build(c, l, o, s); err == nil {
		return c, l, nil
	}
	l.abandon()
	if c.Groups != nil {
		c.Groups.kill()
		_ = c.Groups.remove()
	}
	_ = os.RemoveAll(c.dir)
	return nil, nil, err
}

// build is make without the tidying up.
func (f *front) build(c *container, l *launch, o createFlags, s *screen) error {
	views, err := c.placeGroups(l)
	if err != nil {
		return err
	}
	defer l.closeDoors()
	if err := l.terminal(o.console, s); err != nil {
		return err
	}
	if l.listen, err = c.listen(); err != nil {
		return err
	}
	l.order = order{Spec: l.spec, Process: l.spec.Process, State: c.state(specs.StateCreating), Bundle: o.bundle, Views: views, Debug: f.debug}
	f.log.Debug("nsexec container setup")
	if err := l.begin(); err != nil {
		return err
	}
	c.Pid = l.proc.Pid
	if c.Start, err = sandbox.StartTime(c.Pid); err != nil {
		return err
	}
	if err := l.oomScore(); err != nil {
		return err
	}
	if err := f.follow(c, l); err != nil {
		return err
	}
	if err := c.save(); err != nil {
		return err
	}
	if err := sendPidfd(o.pidfd, c.Pid); err != nil {
		return err
	}
	return writePid(o.pidFile, c.Pid)
}

// follow takes part in what the child does until it is ready.
func (f *front) follow(c *container, l *launch) error {
	for {
		step, err := l.link.hear(f.hear)
		if err != nil {
			return err
		}
		switch step {
		case "":
			return fault.New(fault.Failed, "the container's first process died while it was made").
				WithHint("the memory limit may be too small: %s", "it has to hold the runtime for a moment")
		case "ready":
			return nil
		case "built":
			if h := l.spec.Hooks; h != nil {
				state := c.state(specs.StateCreating)
				if err := runHooks("prestart", h.Prestart, state, nil, ""); err != nil {
					return err
				}
				if err := runHooks("createRuntime", h.CreateRuntime, state, nil, ""); err != nil {
					return err
				}
			}
		case "limits":
			if err := c.allowDevices(); err != nil {
				return err
			}
			if err := c.Groups.set(l.late); err != nil {
				return err
			}
			if err := l.privilege(); err != nil {
				return err
			}
		}
		if err := l.link.say("go", ""); err != nil {
			return fmt.Errorf("child: %w", err)
		}
	}
}

// placeGroups makes the control groups and sets the limits.
func (c *container) placeGroups(l *launch) ([]groupView, error) {
	g, views, err := locate(c.Spec.Linux.CgroupsPath, c.ID)
	if err != nil {
		return nil, err
	}
	list, err := limits(g.v2(), c.Spec.Linux.Resources)
	if err != nil {
		return nil, err
	}
	if _, err := deviceRules(c.Spec.Linux.Resources); err != nil {
		return nil, err
	}
	if r := c.Spec.Linux.Resources; r != nil && r.Memory != nil && r.Memory.Kernel != nil {
		l.front.log.Warn("linux.resources.memory.kernel has no effect: kernels no longer have such a limit")
	}
	if err := g.create(); err != nil {
		return nil, err
	}
	c.Groups = g
	// The number of processes comes when the child is about to be one: until then it
	// is a program of several threads.
	l.late = slices.DeleteFunc(slices.Clone(list), func(s setting) bool { return s.file != "pids.max" })
	list = slices.DeleteFunc(list, func(s setting) bool { return s.file == "pids.max" })
	if err := g.set(list); err != nil {
		return nil, err
	}
	l.groups = g
	l.tasks, l.groupDir, err = g.entrances(nil)
	return views, err
}

// allowDevices comes after the child has made the nodes.
func (c *container) allowDevices() error {
	rules, err := deviceRules(c.Spec.Linux.Resources)
	if err != nil {
		return err
	}
	if !c.Groups.v2() && c.Groups.at("devices", "") == "" {
		return fault.New(fault.Unavailable, "there is no control group for devices, so they cannot be kept from the container")
	}
	return c.Groups.setDevices(rules)
}

// closeDoors closes what only the making needs.
func (l *launch) closeDoors() {
	for _, f := range append(l.tasks, l.groupDir, l.console, l.listen, l.listener) {
		if f != nil {
			f.Close()
		}
	}
	l.tasks, l.groupDir, l.console, l.listen, l.listener = nil, nil, nil, nil, nil
}

// terminal opens the way a terminal will go.
func (l *launch) terminal(socket string, s *screen) (err error) {
	switch {
	case l.process == nil || !l.process.Terminal:
	case socket != "":
		l.console, err = dialConsole(socket)
	case s != nil:
		l.console = s.theirs
	}
	return err
}

// checkTerminal: a terminal and somebody to hold it go together.
func checkTerminal(p *specs.Process, socket string, s *screen) error {
	wants := p != nil && p.Terminal
	switch {
	case wants && socket == "" && s == nil:
		return fault.New(fault.Invalid, "cannot allocate tty if quilt-oci will detach without setting console socket").WithHint("give --console-socket, or set process.terminal to false")
	case !wants && socket != "":
		return fault.New(fault.Invalid, "cannot use console socket if quilt-oci will not detach or allocate tty").WithHint("set process.terminal, or leave --console-socket out")
	}
	return nil
}

// listen opens the socket on which `start` knocks.
func (c *container) listen() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), startName)
	if err := unix.Bind(fd, c.startAddr()); err != nil {
		f.Close()
		return nil, fmt.Errorf("start socket: %w", err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		f.Close()
		return nil, fmt.Errorf("start socket: %w", err)
	}
	return f, nil
}

// startAddr goes through the open folder: a socket's path may be 107 bytes long.
func (c *container) startAddr() *unix.SockaddrUnix {
	return &unix.SockaddrUnix{Name: fdPath(c.lock) + "/" + startName}
}

func (f *front) start(fs *flag.FlagSet, args []string) (int, error) {
	id, err := one(fs, args)
	if err != nil {
		return 1, err
	}
	c, err := openContainer(f.root, id)
	if err != nil {
		return 1, err
	}
	defer c.release()
	switch s := c.status(); {
	case s == specs.StateStopped:
		return 1, fault.New(fault.Conflict, "cannot start a container that has stopped")
	case s != specs.StateCreated:
		return 1, fault.New(fault.Conflict, "cannot start an already running container")
	}
	return 0, f.release(c)
}

// release lets a created container go and runs the hooks that follow.
func (f *front) release(c *container) error {
	if err := c.knock(); err != nil {
		return err
	}
	h := c.Spec.Hooks
	if h == nil {
		return nil
	}
	if err := runHooks("poststart", h.Poststart, c.state(specs.StateRunning), nil, ""); err != nil {
		c.Groups.kill()
		return err
	}
	return nil
}

// knock returns once the program is executed.
func (c *container) knock() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(fd, c.startAddr()); err != nil {
		unix.Close(fd)
		return fault.Wrap(err, fault.Conflict, "the container does not wait to be started")
	}
	file := os.NewFile(uintptr(fd), startName)
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte{1}); err != nil {
		return err
	}
	_ = os.Remove(filepath.Join(c.dir, startName))
	var n note
	err = newDecoder(conn).Decode(&n)
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) {
		return nil // closed by the execve
	}
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return fault.New(fault.Failed, "%s", n.Text).WithHint("%s", n.Hint)
}

func owner() string {
	if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}

// writePid writes the number so that whoever sees the file finds all of it.
func writePid(path string, pid int) error {
	if path == "" {
		return nil
	}
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	err := os.WriteFile(tmp, []byte(strconv.Itoa(pid)), 0o666)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the pid file %s cannot be written", path)
	}
	return nil
}
