package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/idle"
)

// RunLauncher is the main of the root side: it prepares the image and the
// pools, starts the engine without privilege, serves it, and returns when the
// engine is gone and nothing of its containers is left. The error is the
// engine's end if that was not clean (*exec.ExitError), or why it could not
// start. Call it once per process, from main.
func RunLauncher(cfg LauncherConfig) error {
	cfg = cfg.withDefaults()
	if cfg.EngineUID <= 0 || cfg.EngineGID <= 0 {
		return fault.New(fault.Invalid, "the engine's user and group must not be root").
			WithHint("create a user for quiltd, or leave the setting out for the default")
	}
	// Nobody of the engine's user may look into this process.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("launcher: %w", err)
	}
	debug.SetGCPercent(50)
	l, err := newLauncher(cfg)
	if err != nil {
		return err
	}
	defer l.close()
	ours, theirs, err := socketPair()
	if err != nil {
		return fmt.Errorf("launcher: %w", err)
	}
	conn, err := newLink(ours)
	ours.Close()
	if err != nil {
		theirs.Close()
		return err
	}
	cmd := engineCommand(cfg, theirs)
	stopped := make(chan error, 1)
	if err := startEngine(cmd, stopped); err != nil {
		theirs.Close()
		return fault.Wrap(err, fault.Unavailable, "the engine could not be started as user %d", cfg.EngineUID).
			WithHint("the quiltd binary must be readable and executable for that user")
	}
	theirs.Close()
	defer forwardSignals(cmd.Process)()
	cfg.Log.Info("launcher ready", "isolation", l.host.Isolation, "kernel", l.host.Kernel, "landlock", l.host.LandlockABI, "hugeImage", l.host.HugeImage)
	idle.Release() // most launchers wait for most of their life
	err = l.serve(conn)
	conn.close()
	if err != nil {
		l.log.Error("engine's socket broke", "err", err)
		_ = cmd.Process.Kill()
	}
	return <-stopped
}

func socketPair() (a, b *os.File, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(p[0]), "launcher"), os.NewFile(uintptr(p[1]), "engine"), nil
}

func engineCommand(cfg LauncherConfig, socket *os.File) *exec.Cmd {
	return &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       slices.Clone(cfg.EngineArgv),
		Env:        cfg.EngineEnv,
		Stdout:     os.Stdout,
		Stderr:     os.Stderr,
		ExtraFiles: []*os.File{socket}, // descriptor 3
		SysProcAttr: &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: uint32(cfg.EngineUID), Gid: uint32(cfg.EngineGID)},
			Pdeathsig:  syscall.SIGKILL,
		},
	}
}

// startEngine starts cmd from a thread of its own, which gives up what the
// engine must not have, for good, and lives until the engine ends: the
// engine's parent-death signal follows this thread.
func startEngine(cmd *exec.Cmd, stopped chan<- error) error {
	ready := make(chan error)
	ownThread(func() {
		err := dropForEngine()
		if err == nil {
			err = cmd.Start()
		}
		ready <- err
		if err == nil {
			stopped <- cmd.Wait()
		}
		select {} // the thread must outlive the engine
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

// forwardSignals hands the polite signals on; the launcher ends when the
// engine does. The result undoes it.
func forwardSignals(engine *os.Process) (stop func()) {
	c := make(chan os.Signal, 4)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		for s := range c {
			_ = engine.Signal(s)
		}
	}()
	return func() { signal.Stop(c); close(c) }
}

// serve answers the engine until its end of the socket closes.
func (l *launcher) serve(conn *link) error {
	host := l.host
	if err := conn.send(message{Op: "hello", Host: &host}); err != nil {
		return err
	}
	for {
		m, fds, err := conn.recv()
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case m.Op == "start" && m.short:
			err = conn.send(message{Op: "failed", N: m.N, Fault: toWire(errNoFiles)})
		case m.Op == "start" && m.Spec != nil:
			go l.serveStart(conn, m, fds)
			continue
		case m.Op == "claim" && m.Spec != nil:
			go l.serveClaim(conn, m)
		case m.Op == "kill":
			if r := l.find(m.N); r != nil {
				go l.kill(r)
			}
		case m.Op == "stats":
			s := l.stats()
			err = conn.send(message{Op: "stats", N: m.N, Stats: &s})
		default:
			err = fmt.Errorf("unknown request %q", m.Op)
		}
		closeAll(fds)
		if err != nil {
			return err
		}
	}
}

// serveStart starts a container, follows it to its end and reports both.
func (l *launcher) serveStart(conn *link, m message, fds []int) {
	r, err := l.start(m.N, *m.Spec, m.Plan, fds)
	if err != nil {
		l.log.Warn("container not started", "execution", m.Spec.ID, "err", err)
		_ = conn.send(message{Op: "failed", N: m.N, Fault: toWire(err)})
		return
	}
	raw, err := r.pidfd.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { _ = conn.send(message{Op: "started", N: m.N}, r.handOver(int(fd))...) })
	}
	closeAll([]int{r.gate})
	if err != nil {
		l.kill(r)
	}
	exit := l.finish(m.N, r)
	_ = conn.send(message{Op: "exit", N: m.N, Exit: &exit})
}

func (l *launcher) stats() Stats {
	s := Stats{Ready: len(l.slots.ready), Slots: l.slots.count()}
	l.mu.Lock()
	s.Live, s.Started = len(l.live), l.started
	l.mu.Unlock()
	if e, err := os.ReadDir("/proc/self/fd"); err == nil {
		s.FDs = len(e) - 1 // the listing's own
	}
	if e, err := os.ReadDir("/proc/self/task"); err == nil {
		s.Threads = len(e)
	}
	s.RSSBytes = readCount("/proc/self/status", "VmRSS:") << 10
	return s
}
