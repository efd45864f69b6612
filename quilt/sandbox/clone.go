package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The three hooks that package syscall uses around its own fork: all signals
// blocked in between, handlers reset in the child.

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

// cloneArgs is struct clone_args (clone(2)).
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// rule says what an operation's result must be.
type rule uint8

const (
	mustWork rule = iota
	mustBeZero
	orNotThere // ENOSYS is fine: the kernel has nothing to guard here
)

// op is one system call of the child. Pointers are kept alive by the program.
type op struct {
	name string
	nr   uintptr
	args [6]uintptr
	rule rule
}

// program is the life of a child up to exec, its last op.
type program struct {
	ops  []op
	keep []any

	pidfd int32 // written by the kernel in the parent

	// apart gives the child a copy of our memory instead of sharing it.
	apart bool
}

// progress is what the child writes of itself: how far it came, and why no further.
// It always lies in memory that both see.
type progress struct {
	at    int
	errno uintptr
}

// newProgress is freed by drop. A child that shares all our memory takes it from the
// heap.
//
//go:noinline
func newProgress(apart bool) (s *progress, drop func(), err error) {
	if !apart {
		return &progress{}, func() {}, nil
	}
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, nil, fmt.Errorf("clone: shared page: %w", err)
	}
	return (*progress)(unsafe.Pointer(&page[0])), func() { _ = unix.Munmap(page) }, nil
}

// run clones and lets the child go through p. It returns when the child has
// reached exec or is dead. The calling goroutine must be locked to a thread
// that lives as long as the launcher: parent-death signals follow the thread.
//
// Sharing memory until exec (CLONE_VM) takes a stub in assembly, for the child runs
// on the parent's stack. Without a stub the child gets a copy, page by page as it
// writes, and goes through the same list: nothing else differs. It is not done by
// executing this binary again (docs/design/014).
func (p *program) run(flags uint64, cgroupFD int) (pid, pidfd int, err error) {
	apart := p.apart || !haveStub
	said, drop, err := newProgress(apart)
	if err != nil {
		return 0, -1, err
	}
	defer drop()
	// In p, which is on the heap: a stack may move between here and the clone, and
	// the kernel would write to where it was.
	p.pidfd = -1
	args := &cloneArgs{
		flags:      flags | unix.CLONE_VFORK | unix.CLONE_PIDFD,
		pidfd:      uint64(uintptr(unsafe.Pointer(&p.pidfd))),
		exitSignal: uint64(unix.SIGCHLD),
	}
	if !apart {
		args.flags |= unix.CLONE_VM
	}
	if cgroupFD >= 0 {
		args.flags |= unix.CLONE_INTO_CGROUP
		args.cgroup = uint64(cgroupFD)
	}
	r, e := cloneInto(p, said, args, apart)
	afterFork()
	runtime.KeepAlive(p)
	if e != 0 {
		return 0, -1, fmt.Errorf("clone: %w", syscall.Errno(e))
	}
	fd := p.pidfd
	last := len(p.ops) - 1
	if said.errno == 0 && said.at == last {
		return int(r), int(fd), nil
	}
	reap(int(fd))
	unix.Close(int(fd))
	if said.errno == 0 {
		return 0, -1, fmt.Errorf("killed before %s", p.ops[said.at].name)
	}
	return 0, -1, fmt.Errorf("%s: %w", p.ops[said.at].name, syscall.Errno(said.errno))
}

// cloneInto returns in the parent only. Nothing between the clone and exec may
// allocate, grow the stack or call into the scheduler.
//
//go:noinline
//go:norace
//go:nocheckptr
func cloneInto(p *program, said *progress, args *cloneArgs, apart bool) (pid, errno uintptr) {
	var (
		i int
		r uintptr
		e syscall.Errno
		o *op
	)
	ops := p.ops
	beforeFork()
	if apart {
		pid, _, e = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
		errno = uintptr(e)
	} else {
		pid, errno = rawClone(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	}
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	afterForkInChild()
	for i = 0; i < len(ops); i++ {
		o = &ops[i]
		said.at = i
		r, _, e = syscall.RawSyscall6(o.nr, o.args[0], o.args[1], o.args[2], o.args[3], o.args[4], o.args[5])
		if e != 0 && !(e == syscall.ENOSYS && o.rule == orNotThere) {
			said.errno = uintptr(e)
			break
		}
		if r != 0 && o.rule == mustBeZero {
			said.errno = uintptr(syscall.ESRCH)
			break
		}
	}
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 127, 0, 0)
	}
}

// reap collects a child that is dead or about to be.
func reap(pidfd int) {
	for {
		err := unix.Waitid(unix.P_PIDFD, pidfd, nil, unix.WEXITED, nil)
		if err != unix.EINTR {
			return
		}
	}
}

// sleeper is a child in new namespaces that does nothing until it is killed.
// It has a copy of our memory and never touches it.
func sleeper(flags uint64) (pid, pidfd int, err error) {
	bed := newBed()
	args := &cloneArgs{
		flags:      flags | unix.CLONE_PIDFD,
		pidfd:      uint64(uintptr(unsafe.Pointer(&bed.pidfd))),
		exitSignal: uint64(unix.SIGCHLD),
	}
	r, e := cloneSleeper(args, uintptr(os.Getpid()), uintptr(unsafe.Pointer(&bed.nap)))
	afterFork()
	runtime.KeepAlive(bed)
	if e != 0 {
		return 0, -1, fmt.Errorf("clone: %w", syscall.Errno(e))
	}
	if bed.pidfd < 0 {
		return 0, -1, errors.New("clone: no pidfd")
	}
	return int(r), int(bed.pidfd), nil
}

// bed is what a sleeper and the kernel reach by address.
type bed struct {
	pidfd int32
	nap   unix.Timespec
}

// newBed is not inlined, so that its result is on the heap and never moves.
//
//go:noinline
func newBed() *bed { return &bed{pidfd: -1, nap: unix.Timespec{Nsec: 100e6}} }

//go:noinline
//go:norace
//go:nocheckptr
func cloneSleeper(args *cloneArgs, parent, nap uintptr) (pid, errno uintptr) {
	var r uintptr
	var e syscall.Errno
	beforeFork()
	pid, _, e = syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	errno = uintptr(e)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	afterForkInChild()
	syscall.RawSyscall(unix.SYS_CLOSE_RANGE, 0, uintptr(^uint32(0)), 0)
	syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0)
	// The parent may have died before the signal was set, so look from time to time.
	for {
		r, _, _ = syscall.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
		if r != parent {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		// Not ppoll: it writes the time that is left, none, back into nap.
		syscall.RawSyscall(unix.SYS_NANOSLEEP, nap, 0, 0)
	}
}
