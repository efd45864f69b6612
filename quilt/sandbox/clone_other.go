//go:build !amd64 && !arm64

package sandbox

import "syscall"

// haveStub: without rawClone a child is always apart (program.run).
const haveStub = false

func rawClone(trap, a1, a2, a3 uintptr) (r1, errno uintptr) {
	return 0, uintptr(syscall.ENOSYS)
}
