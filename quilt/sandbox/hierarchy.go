package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/groups"
)

// hierarchy is where the launcher's groups live: below the launcher's own
// group, never beside it. The base group's name proves who owns it:
// NAME.PID.STARTTIME.
type hierarchy struct {
	version int
	own     map[string]string // controller to the launcher's own directory; "" on v2
	base    string            // name of our group in each
	top     string            // v2: the mounted hierarchy's root
	aside   bool              // v2: we were started in groups.Leaf below our own
}

// findHierarchy looks for v2 with the controllers we need, then for v1.
func findHierarchy(mountinfo, selfCgroup, name string) (*hierarchy, error) {
	start, err := startTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	h := &hierarchy{base: fmt.Sprintf("%s.%d.%d", name, os.Getpid(), start)}
	mounts := groups.Mounts(mountinfo)
	paths := groups.Paths(selfCgroup)
	if m, ok := mounts[""]; ok {
		dir := m.Resolve(paths[""])
		if h.aside = filepath.Base(dir) == groups.Leaf; h.aside {
			dir = filepath.Dir(dir)
		}
		if hasControllers(dir) {
			h.version, h.own, h.top = 2, map[string]string{"": dir}, m.Point
			return h, nil
		}
	}
	h.version, h.own = 1, map[string]string{}
	ours := string(filepath.Separator) + h.base + ".launcher" // we may be in it already
	var missing []string
	for _, c := range v1Controllers {
		m, ok := mounts[c]
		if !ok {
			missing = append(missing, c)
			continue
		}
		h.own[c] = strings.TrimSuffix(m.Resolve(paths[c]), ours)
	}
	if len(missing) > 0 {
		return nil, fault.New(fault.Unavailable, "no cgroup controller for %s", strings.Join(missing, ", ")).
			WithHint("mount cgroup2 with memory, pids and cpu delegated to this service (systemd: Delegate=yes), or the v1 controllers below /sys/fs/cgroup")
	}
	return h, nil
}

// hasControllers is true when memory, pids and cpu can be used below dir.
func hasControllers(dir string) bool {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	have := strings.Fields(string(b))
	return err == nil && slices.Contains(have, "memory") && slices.Contains(have, "pids") && slices.Contains(have, "cpu")
}

// baseWeight is what all containers together weigh against one process or group
// beside them when the processors are busy. With 1, the default, a container's
// threads would share what any single thread outside gets, and a start took
// twice as long as outside.
const baseWeight = 4

// open makes the base group in each hierarchy. name is what base begins with.
func (h *hierarchy) open(name string) error {
	if h.version == 2 {
		if err := h.delegate(name); err != nil {
			return err
		}
	}
	for _, dir := range h.dirs() {
		if err := os.Mkdir(filepath.Join(dir, h.base), 0o755); err != nil && !os.IsExist(err) {
			return fault.Wrap(err, fault.Unavailable, "cannot make a cgroup below %s", dir).
				WithHint("start quiltd as root, with its cgroup delegated and writable")
		}
	}
	h.weigh(h.base, baseWeight)
	if h.version == 2 {
		if err := enableControllers(filepath.Join(h.own[""], h.base)); err != nil {
			return err
		}
	}
	h.steady()
	return nil
}

// steady makes a group with a cpu limit and nobody in it. The kernel changes its own
// code, with every processor stopped, when the first group gets such a limit and when
// the last one gives it up (cfs_bandwidth_usage_inc in sched/fair.c). Without this
// group each container that is alone and killed would have it done twice; and QEMU
// 7.2, which emulates more than one processor on threads, sometimes goes on with the
// old code for ever.
func (h *hierarchy) steady() {
	if h.version == 0 {
		return
	}
	g := h.steadyGroup()
	if err := os.Mkdir(g.dirs[0], 0o755); err == nil {
		_ = g.apply([]setting{h.cpuLimit("1000")}) // the least there is, so that it fits below any limit of the host
	}
}

func (h *hierarchy) steadyGroup() *cgroup {
	own := h.own[""]
	if h.version == 1 {
		own = h.own["cpu"]
	}
	dir := filepath.Join(own, h.base, "steady")
	return &cgroup{version: h.version, dirs: []string{dir}, dir: map[string]string{"": dir, "cpu": dir}}
}

// cpuLimit is microseconds of each cpuPeriod, or the kernel's word for no limit.
func (h *hierarchy) cpuLimit(quota string) setting {
	if h.version == 2 {
		return setting{file: "cpu.max", value: quota}
	}
	return setting{controller: "cpu", file: "cpu.cfs_quota_us", value: quota}
}

// weigh gives one of our groups its weight, in that of single processes. Not every
// host lets a group weigh more; it is a matter of speed only.
func (h *hierarchy) weigh(group string, weight int) {
	if h.version == 0 {
		return
	}
	if h.version == 2 {
		_ = writeFile(filepath.Join(h.own[""], group, "cpu.weight"), strconv.Itoa(weight*100))
		return
	}
	_ = writeFile(filepath.Join(h.own["cpu"], group, "cpu.shares"), strconv.Itoa(weight*1024))
}

const (
	// daemonWeight is what launcher and engine weigh: what hundreds of containers wait
	// for comes first. It is the most that cgroup v2 knows.
	daemonWeight = 100
	// dyingWeight is what containers weigh that are to die after a crash: before all
	// other work, after the daemon that comes up beside them.
	dyingWeight = 25
)

// Prefer lets this process, and all that it starts from now on, weigh as a daemon:
// after a crash the containers of the launcher before are still dying, and whoever
// starts should not wait for them. Call it early. An empty name is the usual one. It
// is a matter of speed only.
func Prefer(name string) {
	preferThread(name) // before the runtime makes the thread that makes others
	// Then a goroutine each, all at once, for the threads that are there.
	var all, moved sync.WaitGroup
	moved.Add(earlyThreads)
	for range earlyThreads {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			preferThread(name)
			moved.Done()
			moved.Wait()
		})
	}
	all.Wait()
}

// earlyThreads is how many threads may have stood before Prefer, and run Go.
const earlyThreads = 4

// preferThread moves the calling thread, and what it will start. A thread that moves
// itself takes no lock. To move a process is to stop every fork and every exit on the
// machine until the kernel has seen all processors pass by (cgroup_threadgroup_rwsem),
// which takes longest when hundreds of processes exit.
//
// On v2 delegate moves the launcher, and nobody may move it beside that: where
// delegate has to take the group for daemons back, it would stay for ever.
func preferThread(name string) {
	if name == "" {
		name = defaultCgroup
	}
	if h, err := ownHierarchy(name); err == nil && h.version == 1 {
		_ = os.Mkdir(h.daemons(), 0o755)
		h.weigh(filepath.Base(h.daemons()), daemonWeight)
		_ = writeFile(filepath.Join(h.daemons(), "tasks"), "0")
	}
}

// ownHierarchy is where our groups are, or will be.
func ownHierarchy(name string) (*hierarchy, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("cgroups: %w", err)
	}
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("cgroups: %w", err)
	}
	return findHierarchy(string(mounts), string(self), name)
}

// prefer moves whole processes to the group of the daemons. On v2 it is there only where
// delegate made it.
func (h *hierarchy) prefer(pids ...int) {
	if h.version == 0 {
		return
	}
	h.weigh(filepath.Base(h.daemons()), daemonWeight)
	for _, pid := range pids {
		_ = writeFile(filepath.Join(h.daemons(), "cgroup.procs"), strconv.Itoa(pid))
	}
}

// daemons is the group of launcher and engines, beside the base group and with a name
// that a sweep knows; or the one to which whoever started us has stepped aside.
func (h *hierarchy) daemons() string {
	if h.version == 2 && h.aside {
		return filepath.Join(h.own[""], groups.Leaf)
	}
	return filepath.Join(h.own[map[int]string{1: "cpu"}[h.version]], h.base+".launcher")
}

// delegate turns the controllers on below the launcher's own v2 group. A group
// that hands out controllers may hold no process (except the real root), so
// the launcher moves to a leaf first. Where others share its group (a login
// session, a supervisor), the groups live at the hierarchy's root instead.
func (h *hierarchy) delegate(name string) error {
	dir := h.own[""]
	if enableControllers(dir) == nil {
		return nil
	}
	leaf := h.daemons()
	if err := os.Mkdir(leaf, 0o755); err != nil && !os.IsExist(err) {
		return fault.Wrap(err, fault.Unavailable, "cannot make a cgroup below %s", dir).
			WithHint("run quiltd with its cgroup delegated (systemd: Delegate=yes)")
	}
	if err := writeFile(filepath.Join(leaf, "cgroup.procs"), "0"); err != nil {
		return fmt.Errorf("move the launcher to its leaf: %w", err)
	}
	err := enableControllers(dir)
	if err == nil {
		return nil
	}
	_ = writeFile(filepath.Join(dir, "cgroup.procs"), "0") // back to the others
	_ = unix.Rmdir(leaf)
	if h.top == dir || enableControllers(h.top) != nil {
		return fault.Wrap(err, fault.Unavailable, "cannot hand cgroup controllers on below %s", dir).
			WithHint("quiltd needs a cgroup of its own with no other process in it (systemd: a service with Delegate=yes)")
	}
	h.own[""] = h.top
	_, err = h.sweep(name)
	return err
}

// enableControllers turns on what every container needs, and io where it was
// handed on: what is missing then is seen in Host.Disks.
func enableControllers(dir string) error {
	file := filepath.Join(dir, "cgroup.subtree_control")
	if err := writeFile(file, "+memory +pids +cpu"); err != nil {
		return err
	}
	_ = writeFile(file, "+io")
	return nil
}

// dirs are the distinct own directories: cpu and cpuacct are often one mount.
func (h *hierarchy) dirs() []string {
	var out []string
	for _, d := range h.own {
		out = append(out, d)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// create makes a fresh group with the settings that never vary.
func (h *hierarchy) create(name string) (*cgroup, error) {
	g := &cgroup{version: h.version, dir: map[string]string{}}
	for c, own := range h.own {
		g.dir[c] = filepath.Join(own, h.base, name)
	}
	for _, own := range h.dirs() {
		d := filepath.Join(own, h.base, name)
		if err := os.Mkdir(d, 0o755); err != nil {
			_ = g.remove()
			return nil, fmt.Errorf("make cgroup: %w", err)
		}
		g.dirs = append(g.dirs, d)
	}
	if err := g.apply(fixedSettings(h.version)); err != nil {
		_ = g.remove()
		return nil, err
	}
	return g, nil
}

// close removes the base group, which must be empty but for the steady one.
func (h *hierarchy) close() error {
	if h.version == 0 {
		return nil
	}
	// A group that is removed with its limit is counted for ever.
	steady := h.steadyGroup()
	_ = steady.apply([]setting{h.cpuLimit(map[int]string{1: "-1", 2: "max"}[h.version])})
	if err := steady.remove(); err != nil {
		return err
	}
	if h.version == 1 {
		_ = writeFile(filepath.Join(h.own["cpu"], "cgroup.procs"), "0")
		_ = unix.Rmdir(h.daemons())
	}
	g := &cgroup{version: h.version}
	for _, d := range h.dirs() {
		g.dirs = append(g.dirs, filepath.Join(d, h.base))
	}
	return g.remove()
}

// startTime is when a process began, in clock ticks since boot: with the pid it
// names a process for ever.
func startTime(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The command name can hold anything but its closing bracket is the last.
	s := string(b)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat is short", pid)
	}
	return strconv.ParseUint(f[19], 10, 64)
}
