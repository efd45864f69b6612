package oci

import (
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/signal"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func newDecoder(r io.Reader) *json.Decoder { return json.NewDecoder(r) }

func (f *front) runOne(fs *flag.FlagSet, args []string) (int, error) {
	var o createFlags
	o.register(fs)
	var detach, keep bool
	fs.BoolVar(&detach, "detach", false, "do not wait for the process")
	fs.BoolVar(&detach, "d", false, "do not wait for the process")
	fs.BoolVar(&keep, "keep", false, "leave the container there when the process has ended")
	fs.BoolVar(&o.noSubreaper, "no-subreaper", false, "accepted; there is none to leave out")
	id, err := one(fs, args)
	if err != nil {
		return 1, err
	}
	var s *screen
	if !detach && o.console == "" {
		if s, err = newScreen(); err != nil {
			return 1, err
		}
		defer s.end()
	}
	c, l, err := f.make(id, o, s)
	if err != nil {
		return 1, err
	}
	l.link.file.Close()
	if s != nil && c.Spec.Process != nil && c.Spec.Process.Terminal {
		if err := s.show(); err != nil {
			return 1, f.discard(c, err)
		}
	}
	if err := c.hold(); err != nil {
		return 1, err
	}
	err = f.release(c)
	c.release()
	if err != nil {
		return 1, f.discard(c, err)
	}
	if detach {
		return 0, nil
	}
	code := waitFor(l.proc)
	if keep {
		return code, nil
	}
	return code, f.discard(c, nil)
}

// discard removes a container that came to nothing, or to its end.
func (f *front) discard(c *container, why error) error {
	if err := c.hold(); err != nil {
		return why
	}
	defer c.release()
	if err := f.destroy(c); why == nil {
		return err
	}
	return why
}

// waitFor hands signals on to the process until it ends. The result is its exit
// code, 128 and the signal's number if one ended it.
func waitFor(p *os.Process) int {
	c := make(chan os.Signal, 64)
	signal.Notify(c)
	defer signal.Stop(c)
	go func() {
		for s := range c {
			if n, ok := s.(syscall.Signal); ok && n != unix.SIGCHLD && n != unix.SIGURG && n != unix.SIGPIPE && n != unix.SIGWINCH {
				_ = p.Signal(n)
			}
		}
	}()
	state, err := p.Wait()
	if err != nil {
		return 255
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}

// destroy removes a stopped container: what still runs in its groups, the
// groups, the state, and then runs the hooks that follow.
func (f *front) destroy(c *container) error {
	c.Groups.kill()
	if err := c.Groups.remove(); err != nil {
		return err
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return err
	}
	if h := c.Spec.Hooks; h != nil {
		// As the specification says: a hook that fails is worth a warning, and the
		// others still run.
		for i := range h.Poststop {
			if err := runHooks("poststop", h.Poststop[i:i+1], c.state(specs.StateStopped), nil, ""); err != nil {
				f.log.Warn(err.Error())
			}
		}
	}
	return nil
}
