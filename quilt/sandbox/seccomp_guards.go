package sandbox

import "golang.org/x/sys/unix"

// newNamespace is every CLONE_NEW* bit that clone(2) takes; CLONE_NEWTIME
// shares its bit with the exit signal and is ignored there.
const newNamespace = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// asm-generic/ioctls.h
const (
	fionread = 0x541b
	fionbio  = 0x5421
	fionclex = 0x5450
	fioclex  = 0x5451
)

var guardList = []guarded{
	{why: "threads and processes, but no namespaces", on: call{"clone", 56, 220}, arg: 0, mask: newNamespace, refuse: errPerm},
	{why: "its flags lie in memory, out of a filter's sight; glibc falls back to clone", on: call{"clone3", 435, 435}, refuse: uint32(unix.ENOSYS)},
	{why: "no protocol but local ones: the kernel's network code is out of reach", on: call{"socket", 41, 198}, arg: 0,
		oneOf: []uint32{unix.AF_UNIX}, refuse: uint32(unix.EAFNOSUPPORT)},
	{why: "the same", on: call{"socketpair", 53, 199}, arg: 0, oneOf: []uint32{unix.AF_UNIX}, refuse: uint32(unix.EAFNOSUPPORT)},
	{why: "terminal queries and descriptor flags; no TIOCSTI, no driver", on: call{"ioctl", 16, 29}, arg: 1,
		oneOf: []uint32{unix.TCGETS, unix.TCSETS, unix.TCSETSW, unix.TCSETSF, unix.TIOCGWINSZ, unix.TIOCSWINSZ,
			unix.TIOCGPGRP, fionread, fionbio, fioclex, fionclex}, refuse: uint32(unix.ENOTTY)},
	// PR_SET_PDEATHSIG is not among them: a container must not outlive the launcher.
	{why: "names and queries of its own threads", on: call{"prctl", 157, 167}, arg: 0,
		oneOf: []uint32{unix.PR_GET_PDEATHSIG, unix.PR_GET_DUMPABLE, unix.PR_SET_NAME, unix.PR_GET_NAME,
			unix.PR_SET_TIMERSLACK, unix.PR_GET_TIMERSLACK, unix.PR_SET_NO_NEW_PRIVS, unix.PR_GET_NO_NEW_PRIVS,
			unix.PR_SET_VMA}, refuse: uint32(unix.EINVAL)},
}

// streamTypes are SOCK_STREAM with either flag; a datagram or raw socket has no
// use on a loopback with one listener.
var streamTypes = []uint32{unix.SOCK_STREAM, unix.SOCK_STREAM | unix.SOCK_CLOEXEC, unix.SOCK_STREAM | unix.SOCK_NONBLOCK,
	unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK}

// netGuardList are those of a container with a gate. Its network namespace holds
// nothing but the loopback; what they keep small is the kernel's own surface.
var netGuardList = []guarded{
	{why: "local ones, and TCP over IPv4 for the gate: no UDP, raw, MPTCP or other protocol", on: call{"socket", 41, 198}, arg: 0,
		oneOf: []uint32{unix.AF_UNIX}, refuse: uint32(unix.EAFNOSUPPORT),
		or: &also{is: unix.AF_INET, then: []oneOf{{1, streamTypes}, {2, []uint32{0, unix.IPPROTO_TCP}}}}},
	{why: "socket options; of TCP those that clients set: no upper-layer protocol, no repair, nothing of IP", on: call{"setsockopt", 54, 208}, arg: 1,
		oneOf: []uint32{unix.SOL_SOCKET}, refuse: uint32(unix.ENOPROTOOPT),
		or: &also{is: unix.IPPROTO_TCP, then: []oneOf{{2, []uint32{unix.TCP_NODELAY, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL,
			unix.TCP_KEEPCNT, unix.TCP_QUICKACK, unix.TCP_USER_TIMEOUT, unix.TCP_CORK, unix.TCP_LINGER2}}}}},
}

// codeGuardList are those of a container without JIT. Code comes from files of the
// image, whose pages nothing can write: libraries are mapped so.
var codeGuardList = []guarded{
	{why: "memory that can be executed comes from files and cannot be written", on: call{"mmap", 9, 222}, arg: 2, mask: unix.PROT_EXEC,
		and: []bits{{2, unix.PROT_WRITE}, {3, unix.MAP_ANONYMOUS}}, refuse: errPerm},
	{why: "and nothing becomes code later", on: call{"mprotect", 10, 226}, arg: 2, mask: unix.PROT_EXEC, refuse: errPerm},
	{why: "a file in memory could be written and then mapped as code", on: call{"memfd_create", 319, 279}, refuse: errPerm},
}
