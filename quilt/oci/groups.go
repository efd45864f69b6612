package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
)

// groups are a container's control groups: a folder by v1 controller, or one
// under "" on version 2. Where version 2 is mounted beside version 1 (the hybrid
// layout) its folder, which has no controller, is under hybrid.
type groups map[string]string

const hybrid = "unified"

func (g groups) v2() bool { _, ok := g[""]; return ok }

// at is the path of a controller's file; "" if the controller is not mounted.
func (g groups) at(controller, file string) string {
	if g.v2() {
		controller = ""
	}
	if dir, ok := g[controller]; ok {
		return filepath.Join(dir, file)
	}
	return ""
}

// dirs are the distinct folders: cpu and cpuacct are often one.
func (g groups) dirs() []string {
	var out []string
	for _, d := range g {
		out = append(out, d)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// locate says where a container's groups will be, and how the host has the
// hierarchies mounted. An absolute path begins where a hierarchy is mounted, as
// the specification wants it; a relative or missing one below our own group, on
// version 2 beside it.
func locate(path, id string) (groups, []groupView, error) {
	found, err := sandbox.FindGroups()
	if err != nil {
		return nil, nil, err
	}
	g, v1 := groups{}, len(found.Top) > 1 || found.Top[""] == ""
	byMount := map[string]*groupView{}
	var order []string
	for name, own := range found.Own {
		if name == "" && !v1 && own != found.Top[name] {
			// Where we are there are processes: on version 2 such a group gives no
			// controllers to those below it. So beside it.
			own = filepath.Dir(own)
		}
		base := own
		if filepath.IsAbs(path) {
			base = found.Top[name]
		}
		dir := filepath.Join(base, path)
		if path == "" {
			dir = filepath.Join(own, id)
		}
		if v1 && name == "" {
			g[hybrid] = dir // nothing to be seen there: the container gets no view of it
			continue
		}
		g[name] = dir
		top := found.Top[name]
		if byMount[top] == nil {
			byMount[top] = &groupView{Mount: top, Own: dir}
			order = append(order, top)
		}
		if name != "" {
			byMount[top].Names = append(byMount[top].Names, name)
		}
	}
	if len(g) == 0 {
		return nil, nil, fault.New(fault.Unavailable, "no control groups are mounted").WithHint("mount cgroup2 on /sys/fs/cgroup")
	}
	slices.Sort(order)
	var views []groupView
	for _, top := range order {
		slices.Sort(byMount[top].Names)
		views = append(views, *byMount[top])
	}
	return g, views, nil
}

// create makes the folders. A group in which something runs already is not
// taken over.
func (g groups) create() error {
	if g.frozen() {
		// Whoever joins it stops there.
		return fault.New(fault.Conflict, "container's cgroup unexpectedly frozen: %s", g.at("freezer", ""))
	}
	for name, dir := range g {
		if procs, err := processes(dir); err == nil && len(procs) > 0 {
			return fault.New(fault.Conflict, "container's cgroup is not empty: %s", dir)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fault.Wrap(err, fault.Denied, "the control group %s cannot be made", dir)
		}
		if name == "cpuset" {
			if err := inheritSet(dir); err != nil {
				return fmt.Errorf("control group %s: %w", dir, err)
			}
		}
		if name == "" {
			delegate(dir)
		}
	}
	return nil
}

// inheritSet gives a cpuset of version 1, which begins empty, what the one above
// it has.
func inheritSet(dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || strings.TrimSpace(string(text)) != "" {
			return err
		}
		parent := filepath.Dir(dir)
		if err := inheritSet(parent); err != nil {
			return err
		}
		if text, err = os.ReadFile(filepath.Join(parent, file)); err != nil {
			return err
		}
		if err := write(filepath.Join(dir, file), strings.TrimSpace(string(text))); err != nil {
			return err
		}
	}
	return nil
}

// delegate turns the controllers on along the way down to a group of version 2.
// What could not be turned on is missed when a limit needs it.
func delegate(dir string) {
	parent := filepath.Dir(dir)
	text, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers"))
	if err != nil {
		return
	}
	if len(strings.Fields(string(text))) == 0 {
		delegate(parent)
		text, _ = os.ReadFile(filepath.Join(parent, "cgroup.controllers"))
	}
	for c := range strings.FieldsSeq(string(text)) {
		_ = write(filepath.Join(parent, "cgroup.subtree_control"), "+"+c)
	}
}

// entrances opens what a thread needs to get in: tasks files on version 1, the
// folder on version 2 (beside version 1 both). sub is a folder below, by controller ("": every one).
func (g groups) entrances(sub map[string]string) (tasks []*os.File, dir *os.File, err error) {
	if g.v2() {
		dir, err = os.Open(filepath.Join(g[""], sub[""]))
		return nil, dir, err
	}
	for name, d := range g {
		more, ok := sub[name]
		if !ok {
			more = sub[""]
		}
		if name == hybrid {
			if dir, err = os.Open(filepath.Join(d, more)); err != nil {
				return nil, nil, err
			}
			continue
		}
		f, err := os.OpenFile(filepath.Join(d, more, "tasks"), os.O_WRONLY, 0)
		if err != nil {
			return nil, nil, err
		}
		tasks = append(tasks, f)
	}
	return tasks, dir, nil
}

// processes lists who is in a group or below it.
func processes(dir string) ([]int, error) {
	var out []int
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "cgroup.procs" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for f := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(f); err == nil {
				out = append(out, n)
			}
		}
		return nil
	})
	slices.Sort(out)
	return slices.Compact(out), err
}

// all lists the container's processes, by our own numbers.
func (g groups) all() []int {
	dir := g.at("pids", "")
	if dir == "" {
		dir = g.dirs()[0]
	}
	list, _ := processes(dir)
	// A thread of ours may be there for a moment, on its way to make a child.
	return slices.DeleteFunc(list, func(pid int) bool { return pid == os.Getpid() })
}

// kill sends SIGKILL to everything inside until nothing is left.
func (g groups) kill() {
	for range 100 {
		list := g.all()
		if len(list) == 0 {
			return
		}
		for _, pid := range list {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		_ = g.freeze(false) // what is frozen cannot die
		time.Sleep(10 * time.Millisecond)
	}
}

// remove takes the groups away, with those that were made below them.
func (g groups) remove() error {
	for _, dir := range g.dirs() {
		if err := removeGroup(dir); err != nil {
			return err
		}
	}
	return nil
}

func removeGroup(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeGroup(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for wait := time.Millisecond; ; wait *= 2 {
		err := unix.Rmdir(dir)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		if err != unix.EBUSY || wait > time.Second {
			return fault.Wrap(err, fault.Unavailable, "the control group %s cannot be removed", dir)
		}
		time.Sleep(wait)
	}
}

// freeze stops every process inside, or lets them go on.
func (g groups) freeze(on bool) error {
	file, value := g.at("freezer", "freezer.state"), map[bool]string{true: "FROZEN", false: "THAWED"}[on]
	if g.v2() {
		file, value = g.at("", "cgroup.freeze"), map[bool]string{true: "1", false: "0"}[on]
	}
	if file == "" {
		return fault.New(fault.Unavailable, "there is no freezer among the control groups")
	}
	for range 500 {
		if err := write(file, value); err != nil {
			return err
		}
		if g.v2() {
			if readKey(g.at("", "cgroup.events"), "frozen") == value {
				return nil
			}
		} else if text, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(text)) == value {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
	return fault.New(fault.Timeout, "the container could not be frozen")
}

func (g groups) frozen() bool {
	if g.v2() {
		return readKey(g.at("", "cgroup.events"), "frozen") == "1"
	}
	text, err := os.ReadFile(g.at("freezer", "freezer.state"))
	return err == nil && strings.TrimSpace(string(text)) != "THAWED"
}

// readKey finds "key value" in a file.
func readKey(path, key string) string {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && k == key {
			return v
		}
	}
	return ""
}

// write never creates: on a control group a missing file is a missing feature.
func write(path, value string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(value)); err != nil {
		return fmt.Errorf("failed to write %q: %w", value, &fs.PathError{Op: "write", Path: path, Err: err})
	}
	return nil
}
