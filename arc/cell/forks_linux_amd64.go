package cell

import "golang.org/x/sys/unix"

// forks start a process.
var forks = []uint32{unix.SYS_FORK, unix.SYS_VFORK}
