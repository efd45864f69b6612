package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// plausible are the errors that man pages and experience name for the calls of
// a start. An op fails with each in turn: whatever the kernel says, a child must
// end and nothing of it may run.
var plausible = []unix.Errno{unix.EPERM, unix.ENOENT, unix.EINTR, unix.EIO, unix.EBADF, unix.EAGAIN, unix.ENOMEM, unix.EACCES, unix.EFAULT,
	unix.EBUSY, unix.ENODEV, unix.EINVAL, unix.ENFILE, unix.EMFILE, unix.ENOSPC, unix.EROFS, unix.ENOSYS, unix.EOPNOTSUPP, unix.EUSERS}

// TestFaults lets each system call of the child fail once with each plausible
// error, and each file and descriptor that the parent needs be bad once. Never
// may a program run that lacks a wall, and never may anything be left.
func TestFaults(t *testing.T) {
	c := sharedClient(t)
	runCode(t, Spec{}, `0`) // it waits until the image is laid out, whose copying has files open
	before, had := settled(t, c), openFiles()
	n, wrong := childFaults(t)
	l := shared.launcher
	l.template.apart.Store(true)
	i, apart := childFaults(t)
	l.template.apart.Store(false)
	n, wrong = n+i, append(wrong, apart...)
	m, more := parentFaults(t)
	k, most := threadFaults(t)
	wrong = append(append(wrong, more...), most...)
	for _, w := range wrong {
		t.Error(w)
	}
	leaked := 0
	if after := settled(t, c); after != before {
		leaked = 1
		t.Errorf("before: %s; after: %s\n%s\n%s", before, after, had, openFiles())
	}
	if o := runCode(t, Spec{}, `console.log("fine")`); o.stdout != "fine\n" {
		t.Errorf("after the faults: %+v", o)
	}
	lastLine = fmt.Sprintf("faults: %d injected, %d half-hardened, leaked %d", n+m+k, len(wrong), leaked)
	t.Log(lastLine)
}

// openFiles names what this process has open.
func openFiles() string {
	entries, _ := os.ReadDir("/proc/self/fd")
	var list []string
	for _, e := range entries {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		list = append(list, e.Name()+" "+to)
	}
	return strings.Join(list, ", ")
}

// settled is what the launcher holds when nothing lives.
func settled(t *testing.T, c *Client) string {
	t.Helper()
	var got, last string
	same := 0 // one more slot may be on its way, so it must stay so for a moment
	eventually(t, 10*time.Second, "slots ready", func() bool {
		s, err := c.Stats(t.Context())
		got = fmt.Sprintf("live %d, descriptors %d, mounts %d, groups %d", s.Live, s.FDs-s.Slots, countMounts(t), countGroups(t))
		if got == last {
			same++
		} else {
			same, last = 0, got
		}
		return err == nil && s.Live == 0 && s.Ready == readySlots && same > 20
	})
	return got
}

// childFaults gives each operation the errors through a filter of its own: a
// child that cannot be told from a failing kernel.
func childFaults(t *testing.T) (n int, wrong []string) {
	l := shared.launcher
	plan, err := NewPlan(Spec{ID: "fault", Argv: []string{"/bin/bun", "-e", "0"}}, l.host)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := 0; ; i++ {
		count := 0
		for _, errno := range plausible {
			p, sl, done := l.draft(t, plan)
			count = len(p.ops)
			if i >= count {
				done()
				break
			}
			o := p.ops[i]
			if key := o.name + errno.Error(); seen[key] || o.rule == orNotThere && errno == unix.ENOSYS {
				done()
				continue
			} else {
				seen[key] = true
			}
			failWith(p, i, errno)
			n++
			_, pidfd, err := l.template.spawn(p, sl.dir)
			switch {
			case err == nil:
				wrong = append(wrong, fmt.Sprintf("%s fails with %v and the container runs", o.name, errno))
				_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
				reap(pidfd)
				unix.Close(pidfd)
			// The container's own filter stands before exec and answers EPERM first.
			case !strings.HasPrefix(err.Error(), o.name+": ") || !errors.Is(err, errno) && i < count-1:
				wrong = append(wrong, fmt.Sprintf("%s fails with %v; the error is %v", o.name, errno, err))
			}
			done()
		}
		if i >= count {
			return n, wrong
		}
	}
}

// failWith replaces operation i by one that the kernel itself answers with
// errno: a filter installed before it says so for that call number.
func failWith(p *program, i int, errno unix.Errno) {
	// The filter looks at a call number that nothing else here uses, so only this
	// operation is hit: the number is exchanged for one the kernel does not have.
	const unused = 471
	prog := []insn{{opLoad, 0, 0, offNr}, {opJEq, 0, 1, unused}, {opRet, 0, 0, retErr | uint32(errno)}, {opRet, 0, 0, retOK}}
	install := &struct {
		n uint16
		_ [6]byte
		f *insn
	}{n: uint16(len(prog)), f: &prog[0]}
	p.keep = append(p.keep, prog, install)
	p.ops[i].nr = unused
	p.add("inject", unix.SYS_SECCOMP, 1, 0, uintptr(unsafe.Pointer(install)))
	last := p.ops[len(p.ops)-1]
	p.ops = append([]op{last}, p.ops[:len(p.ops)-1]...)
}

// draft is a program for plan on a fresh slot. done gives everything back.
func (l *launcher) draft(t *testing.T, plan Plan) (*program, *slot, func()) {
	t.Helper()
	sl := <-l.slots.ready
	if sl.failure != nil {
		t.Fatal(sl.failure)
	}
	null := highFD(must(unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)))
	p := compile(plan, held{tasks: sl.tasks, netns: sl.netns, userns: sl.users.fd, null: null, stdout: null, stderr: null, control: null,
		creator: l.template.creator, id: sl.users.id, lastCap: l.lastCap})
	return p, sl, func() {
		unix.Close(null)
		if err := l.slots.discard(sl); err != nil {
			t.Error(err)
		}
	}
}

// parentFaults breaks, one at a time, what the parent has at hand when it
// starts a container. The real start must refuse, and give everything back.
func parentFaults(t *testing.T) (n int, wrong []string) {
	l := shared.launcher
	plan, err := NewPlan(Spec{ID: "fault", Argv: []string{"/bin/bun", "-e", "0"}}, l.host)
	if err != nil {
		t.Fatal(err)
	}
	hole := func(fd *int) func() {
		old := *fd
		*fd = 1 << 19 // never open
		return func() { *fd = old }
	}
	faults := map[string]func(sl *slot, fds []int) func(){
		"network namespace": func(sl *slot, _ []int) func() { return hole(&sl.netns) },
		"user namespace":    func(sl *slot, _ []int) func() { return hole(&sl.users.fd) },
		"stdout":            func(_ *slot, fds []int) func() { return hole(&fds[0]) },
		"stderr":            func(_ *slot, fds []int) func() { return hole(&fds[1]) },
		"control":           func(_ *slot, fds []int) func() { return hole(&fds[2]) },
		"prepared slot": func(sl *slot, _ []int) func() {
			sl.failure = fmt.Errorf("namespace: %w", unix.ENOSPC)
			return func() {}
		},
		"group gone": func(sl *slot, _ []int) func() { _ = sl.group.remove(); return func() {} },
		"clone without memory": func(sl *slot, _ []int) func() { // CLONE_INTO_CGROUP of nothing: clone itself fails
			old := sl.dir
			sl.dir = 1 << 19
			return func() {
				if sl.dir = -1; old >= 0 {
					unix.Close(old) // the launcher forgets its doors
				}
			}
		},
	}
	for i := range l.tree.dirs() {
		if l.tree.version == 1 {
			faults[fmt.Sprint("tasks file ", i)] = func(sl *slot, _ []int) func() {
				old := sl.tasks[i]
				sl.tasks[i] = 1 << 19
				return func() { unix.Close(old) } // the launcher forgets its doors
			}
		}
	}
	names := make([]string, 0, len(faults))
	for name := range faults {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		n++
		sl := <-l.slots.ready
		theirs, err := openPipes()
		if err != nil {
			t.Fatal(err)
		}
		fds := slices.Clone(theirs)
		undo := faults[name](sl, fds)
		r, err := l.launch(plan, sl, fds)
		if err == nil {
			wrong = append(wrong, name+" is bad and the container runs")
			l.kill(r)
			waitFor(r.pidfd)
		}
		undo()
		closeAll(theirs)
		_ = l.slots.discard(sl)
	}
	return n, wrong
}

// openPipes gives the container's ends only.
func openPipes() ([]int, error) {
	ours, theirs, err := pipes()
	for _, f := range ours {
		f.Close()
	}
	for i := range theirs {
		theirs[i] = highFD(theirs[i])
	}
	return theirs, err
}
