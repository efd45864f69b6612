package oci

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// childMain is the process that becomes the container's first: it runs in the
// namespaces made for it, builds the root and gives up what it is not to have.
// What the kernel keeps per thread holds for this thread, which is the one that
// executes the program at the end.
func childMain(arg string) int {
	runtime.LockOSThread()
	fd, err := strconv.Atoi(arg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "quilt-oci: child is not a command")
		return 1
	}
	unix.CloseOnExec(fd)
	l := newLink(os.NewFile(uintptr(fd), "runtime"))
	var o order
	if err := l.in.Decode(&o); err != nil {
		return 1 // the parent is gone
	}
	c := &child{order: o, link: l}
	if err := c.run(); err != nil {
		c.report(err)
	}
	return 1
}

type child struct {
	order
	link    *link
	started *os.File // who waits for `start` to have worked
	console *pty
}

// report says to whoever waits why nothing came of it.
func (c *child) report(err error) {
	if c.started != nil {
		newLink(c.started).fail(err)
		return
	}
	c.link.fail(err)
}

func (c *child) warn(text string) { _ = c.link.say("warn", text) }

func (c *child) debug(format string, args ...any) {
	if c.Debug {
		_ = c.link.say("debug", fmt.Sprintf(format, args...))
	}
}

func (c *child) run() error {
	// Nobody may look into this process while it has more than the container.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("set not dumpable: %w", err)
	}
	if err := unix.CloseRange(uint(3+c.Preserve), ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close_range: %w", err)
	}
	if _, err := unix.Setsid(); err != nil {
		return fmt.Errorf("setsid: %w", err)
	}
	if err := c.ownProcessors(); err != nil {
		return err
	}
	c.debug("child process in init()")
	if c.Exec {
		return c.exec()
	}
	if err := c.build(); err != nil {
		return err
	}
	return c.finish()
}

// build makes the container's own world.
func (c *child) build() error {
	if err := c.ownNames(); err != nil {
		return err
	}
	b := &builder{spec: c.Spec, bundle: c.Bundle, trees: c.Trees, groups: c.Views, inUserns: namespace(c.Spec, specs.UserNamespace) != nil}
	if err := b.open(); err != nil {
		return err
	}
	if err := b.fill(); err != nil {
		return err
	}
	if c.Process != nil && c.Process.Terminal {
		var err error
		if c.console, err = openPty(b.root); err != nil {
			return err
		}
		if err := b.bindConsole(c.console); err != nil {
			return err
		}
	}
	// The runtime's hooks run now, in its own namespaces; then the container's.
	if err := c.link.say("built", ""); err != nil {
		return err
	}
	if err := c.link.await(); err != nil {
		return err
	}
	if h := c.Spec.Hooks; h != nil {
		// They see the host's tree still, and start in the root, as authors expect.
		if err := runHooks("createContainer", h.CreateContainer, c.State, nil, fdPath(b.root.file)); err != nil {
			return err
		}
	}
	if err := b.seal(); err != nil {
		return err
	}
	if err := b.enter(); err != nil {
		return err
	}
	return c.useConsole()
}

// ownNames sets what belongs to the namespaces and not to files.
func (c *child) ownNames() error {
	if private(c.Spec, specs.CgroupNamespace) {
		// By now the process is in its group, which so becomes the root.
		if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
			return fmt.Errorf("cgroup namespace: %w", err)
		}
	}
	if err := newTime(c.Spec); err != nil {
		return err
	}
	if private(c.Spec, specs.NetworkNamespace) {
		if err := loopbackUp(); err != nil {
			return err
		}
	}
	if c.Spec.Hostname != "" {
		if err := unix.Sethostname([]byte(c.Spec.Hostname)); err != nil {
			return fmt.Errorf("hostname: %w", err)
		}
	}
	if c.Spec.Domainname != "" {
		if err := unix.Setdomainname([]byte(c.Spec.Domainname)); err != nil {
			return fmt.Errorf("domainname: %w", err)
		}
	}
	return nil
}

// loopbackUp sets the flag of the one device that a new network namespace has.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return nil
}

// useConsole makes the terminal the process's.
func (c *child) useConsole() error {
	if c.console == nil {
		return nil
	}
	if err := unix.Fchown(int(c.console.slave.Fd()), int(c.Process.User.UID), -1); err != nil {
		return fmt.Errorf("terminal: owner: %w", err)
	}
	if err := c.console.hand(c.Console, c.Process.ConsoleSize); err != nil {
		return err
	}
	return c.console.adopt()
}

// ownClocks: a time namespace can be entered only by who shares no memory with
// anybody, which we never are. So the process gets one of its own, in which the
// parent sets the clocks as the container has them.
func (c *child) ownClocks() error {
	if namespace(c.Spec, specs.TimeNamespace) == nil {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return fmt.Errorf("time namespace: %w", err)
	}
	if err := c.link.say("clocks", ""); err != nil {
		return err
	}
	return c.link.await()
}

// exec is for a process that joins: it is inside already.
func (c *child) exec() error {
	if err := c.ownClocks(); err != nil {
		return err
	}
	if c.Process.Terminal {
		r, err := openRoot("/")
		if err != nil {
			return err
		}
		if c.console, err = openPty(r); err != nil {
			return err
		}
		r.file.Close()
		if err := c.useConsole(); err != nil {
			return err
		}
	}
	c.debug("setns_init: about to exec")
	return c.finish()
}
