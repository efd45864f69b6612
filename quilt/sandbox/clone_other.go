//go:build !amd64 && !arm64

package sandbox

import "syscall"

func rawClone(trap, a1, a2, a3 uintptr) (r1, errno uintptr) {
	return 0, uintptr(syscall.ENOSYS)
}
