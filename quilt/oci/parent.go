package oci

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
)

// launch is the making of one process, seen from outside: a container's first
// one, or one that joins.
type launch struct {
	front    *front
	spec     *specs.Spec
	process  *specs.Process
	order    order
	groups   groups
	late     []setting  // limits that are set at the end
	tasks    []*os.File // entrances of the groups: version 1
	groupDir *os.File   // version 2
	console  *os.File   // where a terminal is to be sent
	listen   *os.File
	listener *os.File // who decides about calls that the filter leaves open
	preserve int

	link *link
	proc *os.Process
}

// begin starts the child and tells it what to do.
func (l *launch) begin() error {
	self, err := sealedSelf()
	if err != nil {
		return err
	}
	defer self.Close()
	ours, theirs, err := streamPair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	l.link = newLink(ours)
	if err := l.dialListener(); err != nil {
		ours.Close()
		return err
	}
	files, err := l.files(theirs)
	if err != nil {
		return err
	}
	arg := strconv.Itoa(3 + l.preserve)
	if l.order.Exec {
		err = l.join(self, files, arg)
	} else {
		err = l.start(self, files, arg)
	}
	if err != nil {
		ours.Close()
		return err
	}
	l.order.Pid = l.proc.Pid
	return l.link.out.Encode(l.order)
}

// files are the child's descriptors from 3 on: those to keep, the link, then
// what the order names.
func (l *launch) files(theirs *os.File) ([]*os.File, error) {
	var out []*os.File
	for i := range l.preserve {
		if _, err := unix.FcntlInt(uintptr(3+i), unix.F_GETFD, 0); err != nil {
			return nil, fault.New(fault.Invalid, "--preserve-fds: descriptor %d is not open", 3+i)
		}
		out = append(out, os.NewFile(uintptr(3+i), "kept"))
	}
	add := func(f *os.File) int {
		if f == nil {
			return 0
		}
		out = append(out, f)
		return 2 + len(out)
	}
	add(theirs)
	l.order.Preserve = l.preserve
	l.order.Listen, l.order.Console, l.order.Listener = add(l.listen), add(l.console), add(l.listener)
	trees, err := l.trees()
	if err != nil {
		return nil, err
	}
	for i, t := range trees {
		if l.order.Trees == nil {
			l.order.Trees = map[int]int{}
		}
		l.order.Trees[i] = add(t)
	}
	return out, nil
}

// start makes the namespaces and the child in them. It has a thread of its own,
// which joins control groups and namespaces first, hands them on to the child,
// and is not used again.
func (l *launch) start(self *os.File, files []*os.File, arg string) error {
	enter, user, err := joined(l.spec)
	if err != nil {
		return err
	}
	if user != nil {
		return refuse("linux.namespaces: joining a user namespace by path is not supported")
	}
	cmd := &exec.Cmd{
		Path: fdPath(self), Args: []string{"quilt-oci", "child", arg}, Env: []string{"GOMAXPROCS=1"},
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, ExtraFiles: files, Dir: "/",
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: newFlags(l.spec)},
	}
	if l.groupDir != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(l.groupDir.Fd())
	}
	l.mapUsers(cmd.SysProcAttr)
	failed := make(chan error)
	go func() {
		runtime.LockOSThread()
		failed <- func() error {
			for _, t := range l.tasks {
				if _, err := t.WriteString("0"); err != nil {
					return fmt.Errorf("join the control group: %w", err)
				}
			}
			for _, e := range enter {
				if err := unix.Setns(int(e.file.Fd()), e.flag); err != nil {
					return fault.Wrap(err, fault.Invalid, "the namespace %s cannot be joined", e.file.Name())
				}
			}
			return cmd.Start()
		}()
	}()
	if err := <-failed; err != nil {
		return err
	}
	l.proc = cmd.Process
	return nil
}

func (l *launch) mapUsers(a *syscall.SysProcAttr) {
	if !private(l.spec, specs.UserNamespace) {
		return
	}
	zero := false
	for _, m := range l.spec.Linux.UIDMappings {
		a.UidMappings = append(a.UidMappings, syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)})
		zero = zero || m.ContainerID == 0
	}
	for _, m := range l.spec.Linux.GIDMappings {
		a.GidMappings = append(a.GidMappings, syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)})
	}
	a.GidMappingsEnableSetgroups = true
	if zero {
		a.Credential = &syscall.Credential{Uid: 0, Gid: 0}
	}
}

// join starts the child inside a container that stands.
func (l *launch) join(self *os.File, files []*os.File, arg string) error {
	spaces, pidns, err := spacesOf(l.order.State.Pid)
	if err != nil {
		return err
	}
	e := sandbox.Entry{Program: self, Argv: []string{"quilt-oci", "child", arg}, Env: []string{"GOMAXPROCS=1"},
		Files: append([]*os.File{os.Stdin, os.Stdout, os.Stderr}, files...), Tasks: l.tasks, Group: l.groupDir, PidNS: pidns}
	for _, s := range spaces {
		e.Spaces = append(e.Spaces, sandbox.Space{File: s.file, Flag: s.flag})
	}
	pid, err := e.Start()
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the container cannot be entered")
	}
	l.proc, err = os.FindProcess(pid)
	return err
}

// spacesOf opens the namespaces of a process that are not ours.
func spacesOf(pid int) (list []entry, pidns *os.File, err error) {
	order := []specs.LinuxNamespaceType{specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace,
		specs.CgroupNamespace, specs.TimeNamespace, specs.MountNamespace, specs.UserNamespace}
	for _, kind := range order {
		path := fmt.Sprintf("/proc/%d/ns/%s", pid, namespaceFiles[kind])
		if kind == specs.TimeNamespace || sameNamespace(path, kind) {
			continue // clocks: see ownClocks
		}
		e, err := openNamespace(path, kind)
		if err != nil {
			return nil, nil, err
		}
		if kind == specs.PIDNamespace {
			pidns = e.file
			continue
		}
		list = append(list, e)
	}
	return list, pidns, nil
}

// privilege sets what only we may set: it is called when the child has built
// its root and is still ours.
func (l *launch) privilege() error {
	p := l.process
	if p == nil {
		return nil
	}
	for _, r := range p.Rlimits {
		lim := &unix.Rlimit{Cur: r.Soft, Max: r.Hard}
		if err := unix.Prlimit(l.proc.Pid, rlimitNumbers[r.Type], lim, nil); err != nil {
			return fault.Wrap(err, fault.Invalid, "process.rlimits: %s cannot be set to %d, %d", r.Type, r.Soft, r.Hard)
		}
	}
	return nil
}

// oomScore is set early, before the child has anything.
func (l *launch) oomScore() error {
	if l.process == nil || l.process.OOMScoreAdj == nil {
		return nil
	}
	err := write(fmt.Sprintf("/proc/%d/oom_score_adj", l.proc.Pid), strconv.Itoa(*l.process.OOMScoreAdj))
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "process.oomScoreAdj cannot be set to %d", *l.process.OOMScoreAdj)
	}
	return nil
}

// abandon ends a child that has not become anything.
func (l *launch) abandon() {
	if l.proc != nil {
		_ = l.proc.Kill()
		_, _ = l.proc.Wait()
	}
}

func streamPair() (a, b *os.File, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(p[0]), "child"), os.NewFile(uintptr(p[1]), "runtime"), nil
}
