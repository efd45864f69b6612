package sandbox

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// ownThread runs f on an operating system thread that no other goroutine will
// ever use, and that is not the process's first: /proc/self shows the first
// thread's namespaces, and it must go on showing the host's. If f returns, the
// thread ends.
func ownThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return
		}
		// This is the first thread. While we hold it, f gets another.
		locked := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(locked)
			f()
		}()
		<-locked
		runtime.UnlockOSThread()
	}()
}
