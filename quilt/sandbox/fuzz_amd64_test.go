package sandbox

import "golang.org/x/sys/unix"

// seldomHere are those that newer architectures do not have.
var seldomHere = []uintptr{unix.SYS_POLL, unix.SYS_VFORK, unix.SYS_FORK, unix.SYS_PAUSE, unix.SYS_ARCH_PRCTL}
