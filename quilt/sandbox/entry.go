package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Entry starts a program inside namespaces that stand. It is the way in for
// quilt/oci; our own containers are never entered.
type Entry struct {
	Program   *os.File // executed by its descriptor
	Argv, Env []string
	Files     []*os.File // the program's descriptors from 0 on
	Tasks     []*os.File // tasks files of control groups to join, version 1
	Group     *os.File   // folder of the control group, version 2
	PidNS     *os.File   // nil: ours
	Spaces    []Space    // in the order in which they are entered; the user namespace last
}

// Space is a namespace and its CLONE_NEW* bit.
type Space struct {
	File *os.File
	Flag int
}

// Start returns once the program runs. Errors name the step that failed. The
// caller is its parent.
func (e Entry) Start() (pid int, err error) {
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // its pid namespace is spoilt: the thread ends with the goroutine
		if e.PidNS != nil {
			if err := unix.Setns(int(e.PidNS.Fd()), unix.CLONE_NEWPID); err != nil {
				ready <- fmt.Errorf("enter the pid namespace: %w", err)
				return
			}
		}
		var pidfd int
		pid, pidfd, err = e.run()
		if err == nil {
			unix.Close(pidfd)
		}
		ready <- err
	}()
	err = <-ready
	return pid, err
}

func (e Entry) run() (pid, pidfd int, err error) {
	c := &program{}
	zero := c.str("0")
	for _, t := range e.Tasks {
		c.add("adding pid to cgroup", unix.SYS_WRITE, t.Fd(), zero, 1)
	}
	user := false
	for _, s := range e.Spaces {
		c.add("enter namespace "+s.File.Name(), unix.SYS_SETNS, s.File.Fd(), uintptr(s.Flag))
		user = user || s.Flag == unix.CLONE_NEWUSER
	}
	if user {
		// Who executes something without being the namespace's root loses what it
		// may do there.
		c.add("become root", unix.SYS_SETRESGID, 0, 0, 0)
		c.add("become root", unix.SYS_SETRESUID, 0, 0, 0)
	}
	high, err := e.aside()
	defer closeAll(high)
	if err != nil {
		return 0, -1, err
	}
	for to, from := range high[1:] {
		c.add("place descriptor", unix.SYS_DUP3, uintptr(from), uintptr(to), 0)
	}
	c.add("exec", unix.SYS_EXECVEAT, uintptr(high[0]), c.str(""), c.strs(e.Argv), c.strs(e.Env), unix.AT_EMPTY_PATH)
	group := -1
	if e.Group != nil {
		group = int(e.Group.Fd())
	}
	pid, pidfd, err = c.run(0, group)
	runtime.KeepAlive(e)
	return pid, pidfd, err
}

// aside copies the program and the files to numbers above all that will be
// placed.
func (e Entry) aside() ([]int, error) {
	var out []int
	for _, f := range append([]*os.File{e.Program}, e.Files...) {
		if f == nil {
			return out, errors.New("entry: a file is missing")
		}
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 64+len(e.Files))
		if err != nil {
			return out, fmt.Errorf("entry: %w", err)
		}
		out = append(out, fd)
	}
	return out, nil
}
