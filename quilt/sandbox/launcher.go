package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// LauncherConfig is what the root side needs.
type LauncherConfig struct {
	EngineArgv  []string   // arguments of the engine: this same binary, re-executed; EngineArgv[0] is its name
	EnginePath  string     // where the binary for a restarted engine lies; empty: this same one
	EngineEnv   []string   // nil: the launcher's own
	EngineFiles []*os.File // for every engine, from descriptor 4 on; after the last comes its program, which opens nothing (O_PATH)
	EngineUID   int        // the engine's user; never 0
	EngineGID   int
	ImageDir    string // verified image, made by package image
	ImageDigest string
	// ImageInPlace uses ImageDir as it is instead of a copy in memory. Refused
	// unless it lies on a read-only file system.
	ImageInPlace bool
	CgroupName   string // empty: "aria-quilt"
	GroupsNote   string // file that will say where the groups are, for Sweep; empty: none
	UIDBase      int    // first host id of the containers' ranges; 0: 200000
	// Rootless: this process is root of a user namespace that has IDs more ids from 1
	// on, for containers. EngineUID is 0 then, without any capability.
	Rootless      bool
	IDs           int
	AllowDegraded []string // of Degradable: what it may do without
	Log           *slog.Logger
}

const defaultCgroup = "aria-quilt"

func (c LauncherConfig) withDefaults() LauncherConfig {
	if c.CgroupName == "" {
		c.CgroupName = defaultCgroup
	}
	if c.UIDBase == 0 {
		c.UIDBase = 200000
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// launcher holds every container. It is made once per process: its template
// thread lives until the process ends.
type launcher struct {
	log      *slog.Logger
	host     Host
	tree     *hierarchy
	template *template
	slots    *slotPool
	null     int
	lastCap  int

	mu        sync.Mutex // guards the rest
	engine    *worker    // who hears of exits
	moving    bool       // from one engine to the next: exits are kept in backlog
	backlog   []message
	era       uint64        // rises when containers lose their engine
	rush      chan struct{} // an engine crashed; closed once the next one serves; nil: calm
	brooms    chan struct{} // one for each orphan that is being removed
	dying     int           // how many of live are doomed and not over
	weight    int           // of all containers together; 0: baseWeight, as open set it
	last      uint64        // highest number seen
	closed    bool
	started   uint64
	born      uint64
	live      map[uint64]*running
	leftovers int
	idle      sync.WaitGroup // one per container that is not wholly removed
}

// running is one container on the launcher's side.
type running struct {
	id    string
	pid   int
	pidfd *os.File
	slot  *slot
	spec  Spec // with its defaults
	gate  int  // the gate's listener until it is handed over; else -1
	born  bool // in its group, by CLONE_INTO_CGROUP

	claim  sync.Once
	doomed bool         // by kill; guarded by launcher.mu
	over   atomic.Bool  // its last process is dead
	orphan atomic.Bool  // its engine is gone
	watch  *memoryWatch // where there are no control groups
}

// newLauncher probes the host, sweeps, and makes template and pools. On an
// error nothing is left.
func newLauncher(cfg LauncherConfig) (*launcher, error) {
	host, err := probe()
	if err != nil {
		return nil, err
	}
	l := &launcher{log: cfg.Log, host: host, live: map[uint64]*running{}, brooms: make(chan struct{}, brooms)}
	if l.lastCap, err = lastCap(); err != nil {
		return nil, err
	}
	l.host.Rootless = cfg.Rootless
	if cfg.Rootless && cfg.IDs == 0 {
		if err := l.degrade(cfg, WithoutIDs, "this user has no ids for containers", "install uidmap and give it a range in /etc/subuid and /etc/subgid"); err != nil {
			return nil, err
		}
	}
	if err := checkImage(cfg.ImageDir); err != nil {
		return nil, err
	}
	if l.null, err = unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("open /dev/null: %w", err)
	}
	l.null = highFD(l.null)
	if err := l.groups(cfg); err != nil {
		unix.Close(l.null)
		return nil, err
	}
	if l.template, err = newTemplate(cfg.ImageDir, cfg.ImageInPlace, cfg.Rootless); err != nil {
		unix.Close(l.null)
		_ = l.tree.close()
		return nil, err
	}
	l.host.CgroupVersion = l.tree.version
	l.host.ImageDigest = cfg.ImageDigest
	l.host.Disks = l.tree.disks()
	l.host.HugeImage = l.template.huge
	l.host.Isolation = l.host.isolation()
	l.slots = newSlots(l.tree, cfg.ids())
	return l, nil
}

func (l *launcher) openTree(cfg LauncherConfig) (err error) {
	if l.tree, err = ownHierarchy(cfg.CgroupName); err != nil {
		return err
	}
	dead, err := l.tree.strike(cfg.CgroupName)
	if err != nil {
		return err
	}
	if len(dead) > 0 {
		go l.sweep(dead)
	}
	if err := l.tree.open(cfg.CgroupName); err != nil {
		_ = l.tree.close()
		return err
	}
	if cfg.GroupsNote != "" {
		if err := l.tree.note(cfg.GroupsNote); err != nil {
			l.log.Warn("not noted where the groups are; quiltd gc will look below its own", "err", err)
		}
	}
	return nil
}

// sweep removes what a dead launcher left, beside the work: groups go when their
// last process has, and nobody has to wait for that.
func (l *launcher) sweep(dead []string) {
	if err := l.tree.clear(dead); err != nil {
		l.log.Error("groups of a dead launcher not removed; quiltd gc tries again", "err", err)
		return
	}
	l.log.Warn("removed groups of a dead launcher", "count", len(dead))
}

// checkImage gives the common mistakes their own sentence, before anything is made.
// The copying, which is done beside the work, looks again.
func checkImage(dir string) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fault.New(fault.Unavailable, "the container image %q is not there", dir).
			WithHint("quiltd builds it at start; check the data folder and its free space")
	}
	for _, need := range []string{"/bin/bun", "/dev", "/proc", "/tmp"} {
		if _, err := os.Lstat(dir + need); err != nil {
			return fault.New(fault.Unavailable, "the container image has no %s", need).
				WithHint("remove %s; quiltd builds it again at the next start", dir)
		}
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type().IsRegular() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		return notOfImages(rel)
	})
}

// notOfImages refuses what no image may hold: links, devices, sockets, pipes.
func notOfImages(rel string) error {
	return fault.New(fault.Unavailable, "%s is neither a folder nor a regular file", rel).
		WithHint("the container image holds nothing else; quiltd image build makes one")
}

// start applies the plan for spec. It owns fds (stdout, stderr, control).
func (l *launcher) start(n, era uint64, spec Spec, digest string, fds []int) (*running, error) {
	for i := range fds {
		fds[i] = highFD(fds[i])
	}
	defer closeAll(fds)
	plan, err := NewPlan(spec, l.host)
	if err != nil {
		return nil, err
	}
	if plan.Digest() != digest {
		return nil, fault.New(fault.Denied, "container %s: the plan is not the one its spec gives", spec.ID).
			WithHint("pass what NewPlan returned, unchanged")
	}
	if len(fds) != 3 {
		return nil, fault.New(fault.Invalid, "container %s: %d descriptors instead of 3", spec.ID, len(fds))
	}
	if err := l.enlist(n, era); err != nil {
		return nil, err
	}
	sl := <-l.slots.ready
	r, err := l.launch(plan, sl, fds)
	if err != nil {
		_ = l.slots.discard(sl)
		l.idle.Done()
		if shortage(err) {
			return nil, fault.Wrap(err, fault.Exhausted, "container %s could not be started: the host is short of descriptors or memory", spec.ID).
				WithHint("try again when others have ended; raise the limit of open files if it happens often")
		}
		return nil, fault.Wrap(err, fault.Unavailable, "container %s could not be started", spec.ID).
			WithHint("the host ran out of something or lacks a feature; the cause is in quiltd's log")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || era != l.era {
		// The engine left while this one was being made; nobody will ask for it.
		go l.kill(r)
	}
	l.live[n] = r
	l.started++
	if r.born {
		l.born++
	}
	return r, nil
}

var errNoFiles = fault.New(fault.Exhausted, "the container launcher has no descriptor left").
	WithHint("try again when others have ended; raise the limit of open files if it happens often")

// shortage is what passes by itself once other containers have ended.
func shortage(err error) bool {
	for _, e := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EAGAIN, unix.ENOSPC} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// reserve notes a number in the order in which engines ask, and in whose time it
// was. An engine that is started after a crash is told to begin above all that
// were asked for, although some of those starts are still on their way.
func (l *launcher) reserve(n uint64) (era uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = max(l.last, n)
	return l.era
}

// enlist refuses new containers once the launcher is closing, and those of an
// engine that crashed meanwhile.
func (l *launcher) enlist(n, era uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || era != l.era {
		return errGone
	}
	if _, taken := l.live[n]; taken {
		return fault.New(fault.Invalid, "container number %d is taken", n)
	}
	l.idle.Add(1)
	return nil
}

func (l *launcher) launch(plan Plan, sl *slot, fds []int) (*running, error) {
	if sl.failure != nil {
		return nil, sl.failure
	}
	if err := sl.group.apply(limitSettings(l.tree.version, plan.Cgroup)); err != nil {
		return nil, err
	}
	p := compile(plan, held{tasks: sl.tasks, netns: sl.netns, userns: sl.users.fd,
		null: l.null, stdout: fds[0], stderr: fds[1], control: fds[2],
		creator: l.template.creator, id: sl.users.id, keepGroups: l.host.Rootless && l.host.without(WithoutIDs), revealed: l.host.Rootless, lastCap: l.lastCap, landlockABI: l.host.LandlockABI})
	gate := -1
	if plan.Spec.Net {
		if err := openGate(sl.gate); err != nil {
			return nil, err
		}
		gate, sl.gate = sl.gate, -1
	}
	born := sl.dir >= 0
	pid, pidfd, err := l.template.spawn(p, sl.dir)
	sl.closeDoors()
	if err != nil {
		unix.Close(gate)
		return nil, err
	}
	// Not blocking, so that the runtime's poller can wait on it.
	_ = unix.SetNonblock(pidfd, true)
	r := &running{id: plan.Spec.ID, pid: pid, pidfd: os.NewFile(uintptr(pidfd), "pidfd"), slot: sl, spec: plan.Spec, gate: gate, born: born}
	if l.tree.version == 0 {
		r.watch = l.watchOver(r)
	}
	return r, nil
}

// ended waits for r's end and says how it was. The first process of a pid
// namespace is the last to go, so nothing of r runs after this.
func (l *launcher) ended(r *running) Exit {
	status := waitFor(r.pidfd)
	l.passed(r)
	r.watch.end()
	if r.orphan.Load() {
		return Exit{Code: status.code, Signal: status.signal} // nobody asks what it used
	}
	exit := r.slot.group.usage()
	if l.tree.version == 0 {
		exit = r.watch.usage(status)
	}
	exit.Code, exit.Signal = status.code, status.signal
	return exit
}

// discard takes away everything that r had.
func (l *launcher) discard(n uint64, r *running) {
	r.pidfd.Close()
	if r.orphan.Load() {
		defer l.patient()()
	}
	err := l.slots.discard(r.slot)
	if err != nil {
		l.log.Error("container left something behind", "execution", r.id, "err", err)
	}
	l.mu.Lock()
	delete(l.live, n)
	if err != nil {
		l.leftovers++
	}
	l.mu.Unlock()
	l.idle.Done()
}

// kill ends the first process: the kernel takes the rest of a pid namespace with
// it and lets nothing new begin in it. Freezing the group first, so that a fork
// bomb stands still, takes four times as long: its processes have to run to get
// to where they stop, and again to die.
func (l *launcher) kill(r *running) {
	l.condemn(r)
	r.slot.group.hasten()
	r.signal(unix.SIGKILL)
}

func (r *running) signal(sig unix.Signal) {
	_ = r.with(func(pidfd int) { _ = unix.PidfdSendSignal(pidfd, sig, nil, 0) })
}

// with lends f the pidfd; an error says that it is closed.
func (r *running) with(f func(pidfd int)) error {
	raw, err := r.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}

func (l *launcher) find(n uint64) *running {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live[n]
}

// close kills every container and removes all groups. The template thread stays.
func (l *launcher) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.calm()
	l.orphan()
	done := make(chan struct{})
	go func() { l.idle.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		l.log.Error("containers did not end; the next start sweeps their groups")
	}
	l.slots.close()
	if err := l.tree.close(); err != nil {
		l.log.Error("cgroups not removed; the next start sweeps them", "err", err)
	}
	unix.Close(l.null)
}

// highFD moves a descriptor out of 0 to 3, which a child overwrites.
func highFD(fd int) int {
	if fd > 3 {
		return fd
	}
	up, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 4)
	if err != nil {
		return fd // and the child's dup3 refuses it
	}
	unix.Close(fd)
	return up
}
