package sandbox

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// A planned restart, on the engine's side. The old one, when Yield is closed,
// stops to read and to start, calls Leave for each container and Left at last,
// and ends. The new one was told at its greeting that it comes Later; it calls
// Standby once it has booted, and gets all that was left from Take.

// Later says that another engine serves until this one is on standby.
func (c *Client) Later() bool { return c.later }

// Yield is closed when another engine waits to take over.
func (c *Client) Yield() <-chan struct{} { return c.yield }

// Serving tells the launcher that this engine is worth starting again.
func (c *Client) Serving() error { return c.say(message{Op: "serving"}) }

// Standby tells the launcher that this engine has booted.
func (c *Client) Standby() error { return c.say(message{Op: "standby"}) }

func (c *Client) say(m message, fds ...int) error {
	if err := c.link.send(m, fds...); err != nil {
		return errGone
	}
	return nil
}

// N names the container for the engine that comes after this one.
func (k *Container) N() uint64 { return k.n }

// Ended is closed when the container has.
func (k *Container) Ended() <-chan struct{} { return k.gone }

// Leave gives the container to the next engine. Nothing may be read from it or
// written to it after this; Close closes our descriptors.
func (k *Container) Leave() error {
	files := []*os.File{k.Control, k.Stdout, k.Stderr}
	if k.Gate != nil {
		files = append(files, k.Gate)
	}
	return lend(files, func(fds []int) error {
		return k.client.say(message{Op: "leave", N: k.n, Gate: k.Gate != nil}, fds...)
	})
}

// Left says that all was left; files (at most 4) go to the next engine.
func (c *Client) Left(files ...*os.File) error {
	return lend(files, func(fds []int) error { return c.say(message{Op: "left"}, fds...) })
}

// lend calls do with the descriptors of files, which stay open meanwhile.
func lend(files []*os.File, do func(fds []int) error) error {
	var fds []int
	var next func(i int) error
	next = func(i int) error {
		if i == len(files) {
			return do(fds)
		}
		raw, err := files[i].SyscallConn()
		if err != nil {
			return err
		}
		var inner error
		err = raw.Control(func(fd uintptr) {
			fds = append(fds, int(fd))
			inner = next(i + 1)
		})
		if err == nil {
			err = inner
		}
		return err
	}
	return next(0)
}

// Take waits until the engine before has left. Its containers come by number;
// files are those it gave to Left, none if it crashed and nothing is left.
func (c *Client) Take(ctx context.Context) (map[uint64]*Container, []*os.File, error) {
	select {
	case <-c.taken:
	case <-c.done:
		return nil, nil, errGone
	case <-ctx.Done():
		return nil, nil, fault.Wrap(ctx.Err(), fault.Timeout, "the engine before this one did not leave")
	}
	kept := map[uint64]*Container{}
	for _, k := range c.kept {
		kept[k.n] = k
	}
	files := c.files
	c.kept, c.files = nil, nil
	return kept, files, nil
}

// moved handles what the launcher says of a restart. It is called by read alone.
func (c *Client) moved(m message, fds []int) {
	switch {
	case m.Op == "yield":
		closeAll(fds)
		select {
		case <-c.yield:
		default:
			close(c.yield)
		}
	case m.Op == "take" && (len(fds) == leftFDs(m) || len(fds) == leftFDs(m)+1):
		k := &Container{client: c, n: m.N, gone: make(chan struct{}),
			Control: stream(fds[0], "control"), Stdout: stream(fds[1], "stdout"), Stderr: stream(fds[2], "stderr")}
		if m.Gate {
			k.Gate = os.NewFile(uintptr(fds[3]), "gate")
		}
		if n := leftFDs(m); len(fds) > n {
			k.Pidfd = os.NewFile(uintptr(fds[n]), "pidfd")
		}
		c.mu.Lock()
		c.live[m.N] = k
		c.mu.Unlock()
		c.kept = append(c.kept, k)
	case m.Op == "taken":
		for _, fd := range fds {
			c.files = append(c.files, os.NewFile(uintptr(fd), "left"))
		}
		c.mu.Lock()
		c.last = max(c.last, m.Base)
		c.mu.Unlock()
		close(c.taken)
	default:
		closeAll(fds)
	}
}

// leftFDs is how many descriptors an engine leaves of a container.
func leftFDs(m message) int {
	if m.Gate {
		return 4
	}
	return 3
}

func stream(fd int, name string) *os.File {
	_ = unix.SetNonblock(fd, true) // or it would have no deadlines
	return os.NewFile(uintptr(fd), name)
}
