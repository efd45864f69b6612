package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// worker is one engine process, as the launcher sees it.
type worker struct {
	conn    *link
	process *os.Process
	stopped chan error    // gets the process's end, once
	gone    chan struct{} // closed when its socket is
	err     error         // set before gone is closed

	serving, standby, left mark

	mu    sync.Mutex // guards the rest: what it leaves behind
	kept  map[uint64][]int
	files []int
}

// mark is something that happens once.
type mark struct {
	once sync.Once
	c    chan struct{}
}

func newMark() mark  { return mark{c: make(chan struct{})} }
func (f *mark) set() { f.once.Do(func() { close(f.c) }) }
func (f *mark) isSet() bool {
	select {
	case <-f.c:
		return true
	default:
		return false
	}
}

// hire starts an engine, which waits for our greeting.
func hire(cfg LauncherConfig, later bool) (*worker, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("launcher: %w", err)
	}
	defer theirs.Close()
	conn, err := newLink(ours)
	ours.Close()
	if err != nil {
		return nil, err
	}
	w := newWorker(conn)
	binary, err := engineProgram(cfg, later)
	if err != nil {
		conn.close()
		return nil, err
	}
	defer binary.Close()
	cmd := engineCommand(cfg, theirs, binary, later)
	if err := startEngine(cmd, cfg.CgroupName, w.stopped); err != nil {
		conn.close()
		return nil, fault.Wrap(err, fault.Unavailable, "the engine could not be started as user %d", cfg.EngineUID).
			WithHint("the quiltd binary must be executable for that user (chmod o+x)")
	}
	w.process = cmd.Process
	return w, nil
}

func newWorker(conn *link) *worker {
	return &worker{conn: conn, stopped: make(chan error, 1), gone: make(chan struct{}), kept: map[uint64][]int{},
		serving: newMark(), standby: newMark(), left: newMark()}
}

// fire ends an engine for good and waits for that.
func (w *worker) fire() {
	_ = w.process.Kill()
	<-w.stopped
	w.conn.close()
	w.drop()
}

// says notes what an engine says of itself. It owns fds.
func (w *worker) says(m message, fds []int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case m.short:
		closeAll(fds)
		return errors.New("no descriptor is left for what the engine leaves")
	case m.Op == "leave" && len(fds) == leftFDs(m):
		w.kept[m.N] = fds
		return nil
	case m.Op == "left":
		w.files = fds
		w.left.set()
		return nil
	}
	closeAll(fds)
	switch m.Op {
	case "serving":
		w.serving.set()
	case "standby":
		w.standby.set()
	default:
		return fmt.Errorf("%s with %d descriptors", m.Op, len(fds))
	}
	return nil
}

// drop closes what it left and nobody took.
func (w *worker) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fds := range w.kept {
		closeAll(fds)
	}
	closeAll(w.files)
	w.kept, w.files = nil, nil
}

func socketPair() (a, b *os.File, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(p[0]), "launcher"), os.NewFile(uintptr(p[1]), "engine"), nil
}

// startEngine starts cmd from a thread of its own, which gives up what the
// engine must not have, for good, and lives until the engine ends: the
// engine's parent-death signal follows this thread.
func startEngine(cmd *exec.Cmd, name string, stopped chan<- error) error {
	ready := make(chan error)
	ownThread(func() {
		preferThread(name)
		err := dropForEngine()
		if err == nil {
			err = cmd.Start()
		}
		ready <- err
		if err == nil {
			stopped <- cmd.Wait()
		}
	})
	return <-ready
}

// dropForEngine acts on the calling thread; exec by another user then leaves no
// capability at all, and no set-user-id file can bring one back.
func dropForEngine() error {
	last, err := lastCap()
	if err != nil {
		return err
	}
	for c := range last + 1 {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	return nil
}
