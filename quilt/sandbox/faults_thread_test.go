package sandbox

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// parentCalls are the launcher's own system calls on the way to a container, by
// stage. Closing, removing and reaping are left out: they have no way to fail
// that is not a bug of ours.
var parentCalls = []struct {
	stage string
	name  string
	nr    uint32
}{
	{"prepare", "openat", unix.SYS_OPENAT},
	{"prepare", "mkdirat", unix.SYS_MKDIRAT},
	{"prepare", "unshare", unix.SYS_UNSHARE},
	{"prepare", "clone3", unix.SYS_CLONE3},
	{"launch", "openat", unix.SYS_OPENAT},
}

// threadFaults lets each system call of the launcher itself fail with each
// plausible error, through a filter on a thread that is thrown away. A slot must
// be refused with that error, a launch too, and both must give everything back.
func threadFaults(t *testing.T) (n int, wrong []string) {
	l := shared.launcher
	plan, err := NewPlan(Spec{ID: "fault", Argv: []string{"/bin/bun", "-e", "0"}}, l.host)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range parentCalls {
		for _, errno := range plausible {
			// An interrupted call is made again by Go's own library; a file that
			// is not there means a limit that the kernel does not need.
			if errno == unix.EINTR || c.stage == "launch" && errno == unix.ENOENT {
				continue
			}
			n++
			if err := l.faulty(c.stage, c.nr, errno, plan); !errors.Is(err, errno) {
				wrong = append(wrong, fmt.Sprintf("%s: %s fails with %v; the error is %v", c.stage, c.name, errno, err))
			}
		}
	}
	return n, wrong
}

// faulty goes through one stage on a thread where nr fails.
func (l *launcher) faulty(stage string, nr uint32, errno unix.Errno, plan Plan) error {
	var sl *slot
	var fds []int
	if stage == "launch" {
		sl = <-l.slots.ready
		theirs, err := openPipes()
		if err != nil {
			return err
		}
		defer closeAll(theirs)
		fds = slices.Clone(theirs)
	}
	if nr == unix.SYS_CLONE3 { // called for the first user of a range of ids only
		l.slots.mu.Lock()
		free := l.slots.free
		l.slots.free = nil
		l.slots.mu.Unlock()
		defer func() {
			l.slots.mu.Lock()
			l.slots.free = append(l.slots.free, free...)
			l.slots.mu.Unlock()
		}()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		if err := breakCall(nr, errno); err != nil {
			done <- fmt.Errorf("filter: %w", err)
			return
		}
		if stage == "prepare" {
			sl = l.slots.prepare()
			done <- sl.failure
			return
		}
		r, err := l.launch(plan, sl, fds)
		if err == nil {
			l.kill(r)
			waitFor(r.pidfd)
		}
		done <- err
	}()
	err := <-done
	if e := l.slots.discard(sl); e != nil && err == nil {
		err = e
	}
	return err
}

// breakCall makes the kernel answer nr with errno on the calling thread.
func breakCall(nr uint32, errno unix.Errno) error {
	prog := []insn{{opLoad, 0, 0, offNr}, {opJEq, 0, 1, nr}, {opRet, 0, 0, retErr | uint32(errno)}, {opRet, 0, 0, retOK}}
	install := &struct {
		n uint16
		_ [6]byte
		f *insn
	}{n: uint16(len(prog)), f: &prog[0]}
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, 1, 0, uintptr(unsafe.Pointer(install)))
	runtime.KeepAlive(prog)
	if e != 0 {
		return e
	}
	return nil
}
