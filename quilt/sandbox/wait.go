package sandbox

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tryReap collects the process if it has ended.
func tryReap(pidfd int) (endStatus, bool) {
	// struct siginfo for SIGCHLD (sigaction(2)): signo, errno, code, then, after
	// padding to 8 bytes on 64-bit, pid, uid, status.
	var info struct {
		signo, errno, code, _ int32
		pid                   int32
		uid                   uint32
		status                int32
		_                     [100]byte
	}
	var used unix.Rusage
	for {
		err := unix.Waitid(unix.P_PIDFD, pidfd, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG, &used)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN, err == nil && info.pid == 0:
			return endStatus{}, false
		case err != nil:
			return endStatus{code: -1}, true
		}
		break
	}
	s := endStatus{code: int(info.status), cpu: time.Duration(used.Utime.Nano() + used.Stime.Nano()), peak: used.Maxrss << 10}
	const exited = 1 // CLD_EXITED
	if info.code != exited {
		s.code, s.signal = 128+int(info.status), int(info.status)
	}
	return s, true
}

// endStatus is how a process ended. cpu and peak are its own and of those of its
// children that it waited for.
type endStatus struct {
	code, signal int
	cpu          time.Duration
	peak         int64 // resident, bytes
}

// waitFor blocks a goroutine, not a thread, until the process behind f ends,
// and reaps it.
func waitFor(f *os.File) (s endStatus) {
	raw, err := f.SyscallConn()
	if err != nil {
		return endStatus{code: -1}
	}
	err = raw.Read(func(fd uintptr) bool {
		var ended bool
		s, ended = tryReap(int(fd))
		return ended
	})
	if err != nil {
		return endStatus{code: -1}
	}
	return s
}
