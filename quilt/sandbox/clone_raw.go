//go:build amd64 || arm64

package sandbox

const haveStub = true

// rawClone makes one clone system call; it returns twice. errno is 0 in both
// returns of a call that worked; r1 is 0 in the child.
func rawClone(trap, a1, a2, a3 uintptr) (r1, errno uintptr)
