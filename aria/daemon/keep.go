package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// child is one daemon that up keeps running.
type child struct {
	name   string
	path   string
	args   []string
	attr   *syscall.SysProcAttr
	sealed bool // can never gain a privilege, whatever it executes
}

const (
	firstPause = 5 * time.Millisecond
	lastPause  = 5 * time.Second
	steady     = 2 * time.Second  // up for so long: start over with the pauses
	stopTime   = 30 * time.Second // after SIGTERM; then SIGKILL
)

// keep starts the child again whenever it ends, until ctx does; then it stops
// the child and waits for it. An error means that trying again is no use: it
// gave up by itself before the pair was ever up, or it cannot be configured so.
func (c child) keep(ctx context.Context, up *atomic.Bool, log *slog.Logger) error {
	pause := firstPause
	for {
		begin := time.Now()
		err := c.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() > 0 && (!up.Load() || exit.ExitCode() == exitUsage) {
			return fault.New(fault.Unavailable, "%s could not start", c.name).WithHint("its own words are above")
		}
		if time.Since(begin) > steady {
			pause = firstPause
		}
		log.Warn("daemon ended, starting it again", "daemon", c.name, "err", err, "took", time.Since(begin), "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, lastPause)
	}
}

// once runs the child to its end. The goroutine keeps its thread: the child's
// parent-death signal is tied to the thread that started it, and so is
// no_new_privs, which must not spread to the other child.
func (c child) once(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		done <- c.run(ctx)
	}()
	return <-done
}

func (c child) run(ctx context.Context) error {
	if c.sealed {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("no_new_privs: %w", err)
		}
	}
	// Executed by descriptor: the child's user need not get to the program's folder.
	prog, err := os.Open(c.path)
	if err != nil {
		return err
	}
	defer prog.Close()
	cmd := exec.CommandContext(ctx, fmt.Sprintf("/proc/self/fd/%d", prog.Fd()), c.args...)
	cmd.Args[0] = c.path
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.Env = environment()
	cmd.Dir = "/"
	cmd.SysProcAttr = c.attr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	return cmd.Run()
}

// environment hands on what is needed and nothing that could be a secret.
func environment() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "LANG", "TZ", "ARIA_BUN", "GOTRACEBACK"} {
		if v, ok := os.LookupEnv(name); ok {
			// The children start in /, so the caller's folder is put in front here.
			if abs, err := filepath.Abs(v); name == "ARIA_BUN" && v != "" && err == nil {
				v = abs
			}
			env = append(env, name+"="+v)
		}
	}
	return env
}
