package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/idle"
)

// RunLauncher is the main of the root side: it prepares the image and the
// pools, starts the engine without privilege, serves it, and returns when the
// engine has ended in order and nothing of its containers is left. An engine
// that crashes loses its containers and is started again; one that is to be
// replaced (SIGUSR2) hands them to the next. The error is the engine's end if
// that was not clean (*exec.ExitError), or why it could not start. Call it once
// per process, from main.
func RunLauncher(cfg LauncherConfig) error {
	cfg = cfg.withDefaults()
	if !cfg.Rootless && (cfg.EngineUID <= 0 || cfg.EngineGID <= 0) {
		return fault.New(fault.Invalid, "the engine's user and group must not be root").
			WithHint("create a user for quiltd, or leave the setting out for the default")
	}
	// Nobody of the engine's user may look into this process.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("launcher: %w", err)
	}
	debug.SetGCPercent(50)
	// The first engine boots while we look around: it waits for our greeting.
	first, err := hire(cfg, false)
	if err != nil {
		return err
	}
	l, err := newLauncher(cfg)
	if err != nil {
		first.fire()
		return err
	}
	defer l.close()
	if l.tree.version == 2 {
		go l.tree.prefer(first.process.Pid) // on v1 it was born there; delegate moved us
	}
	cfg.Log.Info("launcher ready", "isolation", l.host.Isolation, "kernel", l.host.Kernel, "landlock", l.host.LandlockABI, "hugeImage", l.host.HugeImage, "ioLimitedOn", l.host.Disks)
	return (&office{l: l, cfg: cfg}).keep(first)
}

// serve answers the engine until its end of the socket closes.
func (l *launcher) serve(e *worker) error {
	for {
		m, fds, err := e.conn.recv()
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := l.answer(e, m, fds); err != nil {
			return err
		}
	}
}

// answer does what one message asks. It owns fds.
func (l *launcher) answer(e *worker, m message, fds []int) (err error) {
	keep := false
	switch {
	case m.Op == "start" && m.short:
		err = e.conn.send(message{Op: "failed", N: m.N, Fault: toWire(errNoFiles)})
	case m.Op == "start" && m.Spec != nil:
		keep = true
		go l.serveStart(e, m, l.reserve(m.N), fds)
	case m.Op == "claim" && m.Spec != nil:
		go l.serveClaim(e.conn, m)
	case m.Op == "kill":
		if r := l.find(m.N); r != nil {
			go l.kill(r)
		}
	case m.Op == "end":
		if r := l.find(m.N); r != nil {
			r.signal(unix.SIGKILL)
		}
	case m.Op == "stats":
		s := l.stats()
		err = e.conn.send(message{Op: "stats", N: m.N, Stats: &s})
	case m.Op == "serving", m.Op == "standby", m.Op == "leave", m.Op == "left":
		keep = true
		err = e.says(m, fds)
		if m.Op == "serving" {
			l.template.begin()
			time.AfterFunc(calmTime, l.calm)
			time.AfterFunc(time.Second, idle.Release) // most launchers wait for most of their life
		}
	default:
		err = fmt.Errorf("unknown request %q", m.Op)
	}
	if !keep {
		closeAll(fds)
	}
	return err
}

// serveStart starts a container, follows it to its end and reports both.
func (l *launcher) serveStart(e *worker, m message, era uint64, fds []int) {
	r, err := l.start(m.N, era, *m.Spec, m.Plan, fds)
	if err != nil {
		l.log.Warn("container not started", "execution", m.Spec.ID, "err", err)
		_ = e.conn.send(message{Op: "failed", N: m.N, Fault: toWire(err)})
		return
	}
	if err := r.with(func(pidfd int) { _ = e.conn.send(message{Op: "started", N: m.N}, r.handOver(pidfd)...) }); err != nil {
		l.kill(r)
	}
	closeAll([]int{r.gate}) // the engine has its own
	exit := l.ended(r)
	l.report(message{Op: "exit", N: m.N, Exit: &exit})
	l.discard(m.N, r)
}

func (l *launcher) stats() Stats {
	s := Stats{Ready: len(l.slots.ready), Slots: l.slots.count()}
	l.mu.Lock()
	s.Live, s.Started, s.Born, s.Leftover = len(l.live), l.started, l.born, l.leftovers
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
