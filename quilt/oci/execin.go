package oci

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// execFlags are those of exec.
type execFlags struct {
	console, cwd, user, process, pidFile string
	pidfd                                string
	env, caps, gids, groups              words
	tty, detach, noNewPrivs, paused      bool
	preserve                             int
}

func (e *execFlags) register(set *flag.FlagSet) {
	str := func(p *string, about string, names ...string) {
		for _, n := range names {
			set.StringVar(p, n, "", about)
		}
	}
	list := func(w *words, about string, names ...string) {
		for _, n := range names {
			set.Var(w, n, about)
		}
	}
	str(&e.console, "`path` of a socket that receives the terminal", "console-socket")
	str(&e.cwd, "`folder` to start in", "cwd")
	str(&e.user, "`UID[:GID]`", "user", "u")
	str(&e.process, "`file` with a process as in config.json", "process", "p")
	str(&e.pidFile, "`file` to write the process's number to", "pid-file")
	str(&e.pidfd, "`path` of a socket that receives a descriptor of the process", "pidfd-socket")
	list(&e.env, "`NAME=value`, more than once", "env", "e")
	list(&e.caps, "add a `capability`, more than once", "cap", "c")
	list(&e.gids, "add a `group`, more than once", "additional-gids", "g")
	list(&e.groups, "`path` below the container's control group, or CONTROLLER:path", "cgroup")
	for _, n := range []string{"tty", "t"} {
		set.BoolVar(&e.tty, n, false, "give it a terminal")
	}
	for _, n := range []string{"detach", "d"} {
		set.BoolVar(&e.detach, n, false, "do not wait for the process")
	}
	set.BoolVar(&e.noNewPrivs, "no-new-privs", false, "keep it from gaining privileges")
	set.BoolVar(&e.paused, "ignore-paused", false, "start it in a paused container too")
	set.IntVar(&e.preserve, "preserve-fds", 0, "hand this many descriptors from 3 on to the process")
}

// execIn exits with the code of the process, 255 if there was none.
func (f *front) execIn(set *flag.FlagSet, args []string) (int, error) {
	var e execFlags
	e.register(set)
	if err := set.Parse(args); err != nil {
		return 255, err
	}
	if set.NArg() == 0 || e.process == "" && set.NArg() < 2 {
		return 255, fault.New(fault.Invalid, "exec needs a container's ID and a command, or --process")
	}
	c, err := peek(f.root, set.Arg(0))
	if err != nil {
		return 255, err
	}
	switch s := c.status(); {
	case s == specs.StateStopped:
		return 255, fault.New(fault.Conflict, "cannot exec in a stopped container")
	case s == statePaused && !e.paused:
		return 255, fault.New(fault.Conflict, "cannot exec in a paused container").WithHint("--ignore-paused starts it nevertheless")
	}
	p, err := e.processFor(c, set.Args()[1:])
	if err != nil {
		return 255, err
	}
	var s *screen
	if p.Terminal && e.console == "" && !e.detach {
		if s, err = newScreen(); err != nil {
			return 255, err
		}
		defer s.end()
	}
	if err := checkTerminal(p, e.console, s); err != nil {
		return 255, err
	}
	l, err := f.joinWith(c, p, e, s)
	if err != nil {
		return 255, err
	}
	if e.detach {
		return 0, nil
	}
	if s != nil {
		if err := s.show(); err != nil {
			return 255, err
		}
	}
	return waitFor(l.proc), nil
}

// joinWith starts p in c.
func (f *front) joinWith(c *container, p *specs.Process, e execFlags, s *screen) (*launch, error) {
	l := &launch{front: f, spec: c.Spec, process: p, groups: c.Groups, preserve: e.preserve}
	defer l.closeDoors()
	sub, err := c.Groups.below(e.groups)
	if err != nil {
		return nil, err
	}
	if l.tasks, l.groupDir, err = c.Groups.entrances(sub); err != nil {
		if len(e.groups) > 0 || !errors.Is(err, fs.ErrNotExist) {
			return nil, fault.Wrap(err, fault.NotFound, "error adding pid to cgroups")
		}
		return nil, fault.Wrap(err, fault.NotFound, "the container's control group is gone")
	}
	if err := l.terminal(e.console, s); err != nil {
		return nil, err
	}
	l.order = order{Exec: true, Spec: c.Spec, Process: p, State: c.state(specs.StateRunning), Bundle: c.Bundle, Debug: f.debug}
	f.log.Debug("nsexec container setup")
	if err := f.startOn(p.ExecCPUAffinity); err != nil {
		return nil, err
	}
	if err := l.begin(); err != nil {
		return nil, err
	}
	if err := f.oversee(c, l); err != nil {
		l.abandon()
		return nil, err
	}
	err = sendPidfd(e.pidfd, l.proc.Pid)
	if err == nil {
		err = writePid(e.pidFile, l.proc.Pid)
	}
	if err != nil {
		l.abandon()
		return nil, err
	}
	return l, nil
}

// oversee goes with the child until it has executed its program: the link is
// closed by that.
func (f *front) oversee(c *container, l *launch) error {
	if err := l.oomScore(); err != nil {
		return err
	}
	ready := false
	for {
		step, err := l.link.hear(f.hear)
		switch {
		case err != nil:
			return err
		case step == "" && ready:
			return nil
		case step == "":
			return fault.New(fault.Failed, "the process died before it was started")
		case step == "ready":
			ready = true
		case step == "limits" || step == "clocks":
			set := l.privilege
			if step == "clocks" {
				set = func() error { return copyClocks(c.Pid, l.proc.Pid) }
			}
			if err := set(); err != nil {
				return err
			}
			if err := l.link.say("go", ""); err != nil {
				return err
			}
		}
	}
}

// processFor is what to start: from a file, or the container's own with changes.
func (e *execFlags) processFor(c *container, argv []string) (*specs.Process, error) {
	p := &specs.Process{}
	if e.process != "" {
		text, err := os.ReadFile(e.process)
		if err == nil {
			err = json.Unmarshal(text, p)
		}
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "the process %s cannot be read", e.process)
		}
		if e.tty {
			p.Terminal = true
		}
		return p, checkProc(p)
	}
	if c.Spec.Process != nil {
		copied := *c.Spec.Process
		p = &copied
	} else {
		p.Cwd = "/"
	}
	p.Args, p.Terminal = argv, e.tty
	p.Env = slices.Concat(p.Env, e.env)
	if e.cwd != "" {
		p.Cwd = e.cwd
	}
	p.NoNewPrivileges = p.NoNewPrivileges || e.noNewPrivs
	if err := e.addCapabilities(p); err != nil {
		return nil, err
	}
	if err := e.setUser(p); err != nil {
		return nil, err
	}
	return p, checkProc(p)
}

// addCapabilities: ambient ones only where the container has inheritable ones.
func (e *execFlags) addCapabilities(p *specs.Process) error {
	if len(e.caps) == 0 {
		return nil
	}
	c := specs.LinuxCapabilities{}
	if p.Capabilities != nil {
		c = *p.Capabilities
	}
	for _, name := range e.caps {
		name = capability(name)
		c.Bounding, c.Effective, c.Permitted = append(slices.Clone(c.Bounding), name), append(slices.Clone(c.Effective), name), append(slices.Clone(c.Permitted), name)
		if len(c.Inheritable) > 0 {
			c.Inheritable, c.Ambient = append(slices.Clone(c.Inheritable), name), append(slices.Clone(c.Ambient), name)
		}
	}
	p.Capabilities = &c
	return nil
}

func (e *execFlags) setUser(p *specs.Process) error {
	number := func(s string) (uint32, error) {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return 0, fault.New(fault.Invalid, "%q is not the number of a user or group", s)
		}
		return uint32(n), nil
	}
	if e.user != "" {
		uid, gid, both := strings.Cut(e.user, ":")
		n, err := number(uid)
		if err != nil {
			return err
		}
		p.User.UID = n
		if both {
			if p.User.GID, err = number(gid); err != nil {
				return err
			}
		}
	}
	for _, g := range e.gids {
		n, err := number(g)
		if err != nil {
			return err
		}
		p.User.AdditionalGids = append(slices.Clone(p.User.AdditionalGids), n)
	}
	return nil
}

// below reads --cgroup: folders below the container's group, by controller, ""
// for every one.
func (g groups) below(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, entry := range list {
		names, sub, by := strings.Cut(entry, ":")
		if !by {
			names, sub = "", entry
		}
		if clean := path.Clean(sub); strings.HasPrefix(clean, "..") || strings.Contains(sub, "/../") {
			return nil, fault.New(fault.Invalid, "bad sub cgroup path %q", sub)
		}
		for name := range strings.SplitSeq(names, ",") {
			if _, ok := g[name]; !ok && name != "" {
				return nil, fault.New(fault.Invalid, "unknown controller %s in --cgroup", name)
			}
			out[name] = filepath.Clean("/" + sub)
		}
	}
	return out, nil
}
