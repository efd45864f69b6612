package oci

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// finish turns the child into the process: it waits for `start` in between.
// The order matters: a filter without no_new_privs needs the privilege that is
// given up after it, one with it comes last, so that it need not allow our calls.
func (c *child) finish() error {
	p := c.Process
	if p == nil {
		p = &specs.Process{Cwd: "/"}
	}
	f, err := compileSeccomp(c.Spec.Linux.Seccomp)
	if err != nil {
		return err
	}
	// A limit of the address space is below what Go has taken already: from here on
	// it must not want more.
	runtime.GC()
	debug.SetGCPercent(-1)
	if err := c.link.say("limits", ""); err != nil {
		return err
	}
	if err := c.link.await(); err != nil {
		return err
	}
	for _, r := range p.Rlimits {
		if r.Type == "RLIMIT_NOFILE" {
			// Set by the parent; this keeps Go from putting back what was before.
			_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: r.Soft, Max: r.Hard})
		}
	}
	if c.Spec.Linux.Seccomp != nil {
		c.debug("seccomp filter flags: %d", f.flags)
	}
	if err := c.become(p, f); err != nil {
		return err
	}
	path := ""
	if c.Process != nil {
		if path, err = lookPath(p); err != nil {
			return err
		}
	}
	c.debug("init: closing the pipe to signal completion")
	if err := c.link.say("ready", ""); err != nil {
		return err
	}
	if c.Listen != 0 {
		c.link.file.Close()
		if err := c.wait(); err != nil {
			return err
		}
	}
	if c.Process == nil {
		return refuse("process is missing in config.json, so there is nothing to start")
	}
	if p.NoNewPrivileges {
		if err := c.install(f); err != nil {
			return err
		}
	}
	if h := c.Spec.Hooks; h != nil && c.Listen != 0 {
		state := c.State
		state.Status = specs.StateCreated
		// They are the container's: under its filter, with its environment.
		if err := runHooks("startContainer", h.StartContainer, state, p.Env, "/"); err != nil {
			return err
		}
	}
	err = syscall.Exec(path, p.Args, p.Env)
	return fault.Wrap(err, fault.Failed, "exec %s", p.Args[0])
}

// wait is the state "created".
func (c *child) wait() error {
	fd, _, err := unix.Accept4(c.Listen, unix.SOCK_CLOEXEC)
	for err == unix.EINTR {
		fd, _, err = unix.Accept4(c.Listen, unix.SOCK_CLOEXEC)
	}
	if err != nil {
		return fmt.Errorf("wait for start: %w", err)
	}
	c.started = os.NewFile(uintptr(fd), "start")
	unix.Close(c.Listen)
	if _, err := c.started.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("wait for start: %w", err)
	}
	return nil
}

// become gives this thread the process's identity and nothing else.
func (c *child) become(p *specs.Process, f *filter) error {
	if err := applyTuning(p); err != nil {
		if r := c.Spec.Linux.Resources; errors.Is(err, unix.EPERM) && r != nil && r.CPU != nil && r.CPU.Cpus != "" {
			return fault.Wrap(err, fault.Invalid, "process scheduler can't be used together with AllowedCPUs: %s needs every processor, linux.resources.cpu.cpus is %s", p.Scheduler.Policy, r.CPU.Cpus)
		}
		return err
	}
	if err := setPersonality(c.Spec.Linux.Personality); err != nil {
		return err
	}
	if err := setMemoryPolicy(c.Spec.Linux.MemoryPolicy); err != nil {
		return err
	}
	if err := ownStreams(p.User); err != nil {
		return err
	}
	// The session keyring would be the caller's.
	if _, err := unix.KeyctlJoinSessionKeyring("_ses." + c.State.ID); err != nil && !errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("session keyring: %w", err)
	}
	if p.NoNewPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("no_new_privs: %w", err)
		}
	}
	unix.Umask(0o022)
	if u := p.User.Umask; u != nil {
		unix.Umask(int(*u))
	}
	if err := c.takeUser(p, f); err != nil {
		return err
	}
	p.Env = cleanEnv(p)
	return nil
}

// takeUser changes user and capabilities. Each call is for this thread alone.
func (c *child) takeUser(p *specs.Process, f *filter) error {
	have, err := held("CapBnd")
	if err != nil {
		return err
	}
	permitted, err := held("CapPrm")
	if err != nil {
		return err
	}
	sets := capabilitiesOf(p.Capabilities)
	for _, name := range unknownCapabilities(p.Capabilities) {
		c.warn(fmt.Sprintf("capability %q is not known and is left out", name))
	}
	if missing := sets.permitted &^ permitted; missing != 0 {
		for n, name := range capabilityNames {
			if missing.has(n) {
				c.warn("capability CAP_" + name + " is not available here and is left out")
			}
		}
		sets.permitted &= permitted
		sets.effective &= permitted
		sets.bounding &= have
		sets.inheritable &= permitted
	}
	if err := sets.dropBounding(have); err != nil {
		return err
	}
	// Before the user changes, if we may; else after it (see below).
	moved := unix.Chdir(p.Cwd) == nil
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep capabilities: %w", err)
	}
	if err := setIDs(p.User); err != nil {
		return err
	}
	if !moved {
		if err := unix.Chdir(p.Cwd); err != nil {
			return fault.Wrap(err, fault.Invalid, "chdir to cwd (%q) set in config.json failed", p.Cwd)
		}
	}
	if err := inside(); err != nil {
		return err
	}
	if !p.NoNewPrivileges {
		if err := c.installPrivileged(f); err != nil {
			return err
		}
	}
	if err := sets.apply(c.warn); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_KEEPCAPS, 0, 0, 0, 0)
}

// inside makes sure that the working directory is below the container's root: a
// descriptor of the host's left open by a caller would lead out.
func inside() error {
	wd, err := syscall.Getwd()
	if err != nil || !filepath.IsAbs(wd) {
		return refuse("current working directory is outside of container mount namespace root -- possible container breakout detected")
	}
	return nil
}

func setIDs(u specs.User) error {
	gids := make([]uint32, len(u.AdditionalGids), len(u.AdditionalGids)+1)
	copy(gids, u.AdditionalGids)
	if e := setgroups(gids); e != 0 {
		// Where a user namespace forbids it, there is nobody to be left out.
		if text, _ := os.ReadFile("/proc/self/setgroups"); len(gids) > 0 || strings.TrimSpace(string(text)) != "deny" {
			return fault.Wrap(e, fault.Invalid, "the additional groups cannot be set")
		}
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(u.GID), uintptr(u.GID), uintptr(u.GID)); e != 0 {
		return fault.Wrap(e, fault.Invalid, "process.user.gid %d cannot be taken", u.GID)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(u.UID), uintptr(u.UID), uintptr(u.UID)); e != 0 {
		return fault.Wrap(e, fault.Invalid, "process.user.uid %d cannot be taken", u.UID)
	}
	return nil
}

// ownStreams gives the three streams to the user, who may have to open them anew.
func ownStreams(u specs.User) error {
	for fd := range 3 {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Uid == u.UID || st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3) {
			continue
		}
		err := unix.Fchown(fd, int(u.UID), int(st.Gid))
		if err != nil && err != unix.EINVAL && err != unix.EPERM && err != unix.EROFS {
			return fmt.Errorf("owner of stream %d: %w", fd, err)
		}
	}
	return nil
}
