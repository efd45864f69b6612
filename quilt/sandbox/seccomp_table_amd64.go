package sandbox

import "golang.org/x/sys/unix"

const (
	archName  = "amd64"
	auditArch = unix.AUDIT_ARCH_X86_64
)

// allowed is every system call a container can make, by reason. What is not
// here is EPERM. Absent on purpose: io_uring, userfaultfd, bpf, perf, keys,
// ptrace, process_vm_*, splice family, module, mount, namespace and handle
// calls, System V IPC, scheduling and personality changes.
var allowed = []group{
	{"memory: heap, JIT, stacks", []uint32{
		unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_MUNMAP, unix.SYS_BRK, unix.SYS_MREMAP, unix.SYS_MSYNC,
		unix.SYS_MINCORE, unix.SYS_MADVISE, unix.SYS_MEMBARRIER, unix.SYS_MEMFD_CREATE,
	}},
	{"reading and writing descriptors", []uint32{
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64,
		unix.SYS_PREADV, unix.SYS_PWRITEV, unix.SYS_PREADV2, unix.SYS_PWRITEV2, unix.SYS_LSEEK, unix.SYS_SENDFILE,
		unix.SYS_COPY_FILE_RANGE, unix.SYS_FADVISE64, unix.SYS_FALLOCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC,
		unix.SYS_TRUNCATE, unix.SYS_FTRUNCATE, unix.SYS_FLOCK,
	}},
	{"opening, duplicating and closing descriptors", []uint32{
		unix.SYS_OPEN, unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_CREAT, unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE,
		unix.SYS_DUP, unix.SYS_DUP2, unix.SYS_DUP3, unix.SYS_FCNTL, unix.SYS_PIPE, unix.SYS_PIPE2,
	}},
	{"looking at files", []uint32{
		unix.SYS_STAT, unix.SYS_FSTAT, unix.SYS_LSTAT, unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_STATFS,
		unix.SYS_FSTATFS, unix.SYS_ACCESS, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINK,
		unix.SYS_READLINKAT, unix.SYS_GETDENTS64, unix.SYS_GETCWD, unix.SYS_CHDIR, unix.SYS_FCHDIR,
		unix.SYS_GETXATTR, unix.SYS_LGETXATTR, unix.SYS_FGETXATTR, unix.SYS_LISTXATTR,
	}},
	{"changing files in /tmp", []uint32{
		unix.SYS_RENAME, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_MKDIR, unix.SYS_MKDIRAT, unix.SYS_RMDIR,
		unix.SYS_LINK, unix.SYS_LINKAT, unix.SYS_UNLINK, unix.SYS_UNLINKAT, unix.SYS_SYMLINK, unix.SYS_SYMLINKAT,
		unix.SYS_CHMOD, unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_CHOWN, unix.SYS_FCHOWN,
		unix.SYS_LCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UMASK, unix.SYS_UTIMENSAT,
	}},
	{"waiting for events", []uint32{
		unix.SYS_POLL, unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL,
		unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_EVENTFD2, unix.SYS_SIGNALFD4,
		unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_SETTIME, unix.SYS_TIMERFD_GETTIME, unix.SYS_INOTIFY_INIT1,
		unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_INOTIFY_RM_WATCH,
	}},
	{"sockets that exist already or are AF_UNIX", []uint32{
		unix.SYS_CONNECT, unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_SHUTDOWN,
		unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SENDMSG, unix.SYS_RECVMSG, unix.SYS_SENDMMSG, unix.SYS_RECVMMSG,
		unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_SETSOCKOPT, unix.SYS_GETSOCKOPT,
	}},
	{"threads and locks", []uint32{
		unix.SYS_FUTEX, unix.SYS_FUTEX_WAITV, unix.SYS_SET_ROBUST_LIST, unix.SYS_GET_ROBUST_LIST,
		unix.SYS_SET_TID_ADDRESS, unix.SYS_RSEQ, unix.SYS_ARCH_PRCTL, unix.SYS_GETTID, unix.SYS_SCHED_YIELD,
		unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_SETAFFINITY, unix.SYS_SCHED_GETPARAM,
		unix.SYS_SCHED_GETSCHEDULER, unix.SYS_SCHED_GET_PRIORITY_MAX, unix.SYS_SCHED_GET_PRIORITY_MIN,
		unix.SYS_GETPRIORITY, unix.SYS_GETCPU,
	}},
	{"processes of its own", []uint32{
		unix.SYS_VFORK, unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_WAIT4,
		unix.SYS_WAITID, unix.SYS_KILL, unix.SYS_TGKILL, unix.SYS_PIDFD_OPEN, unix.SYS_SETPGID, unix.SYS_SETSID,
		unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETPGRP, unix.SYS_GETPGID, unix.SYS_GETSID,
	}},
	{"signals", []uint32{
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGPENDING,
		unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_RT_SIGSUSPEND, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
	}},
	{"clocks and sleep", []uint32{
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES,
		unix.SYS_GETTIMEOFDAY, unix.SYS_TIMES,
	}},
	{"who and where am I", []uint32{
		unix.SYS_GETUID, unix.SYS_GETGID, unix.SYS_GETEUID, unix.SYS_GETEGID, unix.SYS_GETGROUPS, unix.SYS_UNAME,
		unix.SYS_SYSINFO, unix.SYS_GETRUSAGE, unix.SYS_GETRLIMIT, unix.SYS_PRLIMIT64, unix.SYS_GETRANDOM,
	}},
}

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

var guards = []guarded{
	{why: "threads and processes, but no namespaces", call: unix.SYS_CLONE, arg: 0, mask: newNamespace, refuse: errPerm},
	{why: "its flags lie in memory, out of a filter's sight; glibc falls back to clone", call: unix.SYS_CLONE3, refuse: uint32(unix.ENOSYS)},
	{why: "no protocol but local ones: the kernel's network code is out of reach", call: unix.SYS_SOCKET, arg: 0,
		oneOf: []uint32{unix.AF_UNIX}, refuse: uint32(unix.EAFNOSUPPORT)},
	{why: "the same", call: unix.SYS_SOCKETPAIR, arg: 0, oneOf: []uint32{unix.AF_UNIX}, refuse: uint32(unix.EAFNOSUPPORT)},
	{why: "terminal queries and descriptor flags; no TIOCSTI, no driver", call: unix.SYS_IOCTL, arg: 1,
		oneOf: []uint32{unix.TCGETS, unix.TCSETS, unix.TCSETSW, unix.TCSETSF, unix.TIOCGWINSZ, unix.TIOCSWINSZ,
			unix.TIOCGPGRP, fionread, fionbio, fioclex, fionclex}, refuse: uint32(unix.ENOTTY)},
	// PR_SET_PDEATHSIG is not among them: a container must not outlive the launcher.
	{why: "names and queries of its own threads", call: unix.SYS_PRCTL, arg: 0,
		oneOf: []uint32{unix.PR_GET_PDEATHSIG, unix.PR_GET_DUMPABLE, unix.PR_SET_NAME, unix.PR_GET_NAME,
			unix.PR_SET_TIMERSLACK, unix.PR_GET_TIMERSLACK, unix.PR_SET_NO_NEW_PRIVS, unix.PR_GET_NO_NEW_PRIVS,
			unix.PR_SET_VMA}, refuse: uint32(unix.EINVAL)},
}

// streamTypes are SOCK_STREAM with either flag; a datagram or raw socket has no
// use on a loopback with one listener.
var streamTypes = []uint32{unix.SOCK_STREAM, unix.SOCK_STREAM | unix.SOCK_CLOEXEC, unix.SOCK_STREAM | unix.SOCK_NONBLOCK,
	unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK}

// netGuards are those of a container with a gate. Its network namespace holds
// nothing but the loopback; what they keep small is the kernel's own surface.
var netGuards = []guarded{
	{why: "local ones, and TCP over IPv4 for the gate: no UDP, raw, MPTCP or other protocol", call: unix.SYS_SOCKET, arg: 0,
		oneOf: []uint32{unix.AF_UNIX}, refuse: uint32(unix.EAFNOSUPPORT),
		or: &also{is: unix.AF_INET, then: []oneOf{{1, streamTypes}, {2, []uint32{0, unix.IPPROTO_TCP}}}}},
	{why: "socket options; of TCP those that clients set: no upper-layer protocol, no repair, nothing of IP", call: unix.SYS_SETSOCKOPT, arg: 1,
		oneOf: []uint32{unix.SOL_SOCKET}, refuse: uint32(unix.ENOPROTOOPT),
		or: &also{is: unix.IPPROTO_TCP, then: []oneOf{{2, []uint32{unix.TCP_NODELAY, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL,
			unix.TCP_KEEPCNT, unix.TCP_QUICKACK, unix.TCP_USER_TIMEOUT, unix.TCP_CORK, unix.TCP_LINGER2}}}}},
}

// codeGuards are those of a container without JIT. Code comes from files of the
// image, whose pages nothing can write: libraries are mapped so.
var codeGuards = []guarded{
	{why: "memory that can be executed comes from files and cannot be written", call: unix.SYS_MMAP, arg: 2, mask: unix.PROT_EXEC,
		and: []bits{{2, unix.PROT_WRITE}, {3, unix.MAP_ANONYMOUS}}, refuse: errPerm},
	{why: "and nothing becomes code later", call: unix.SYS_MPROTECT, arg: 2, mask: unix.PROT_EXEC, refuse: errPerm},
	{why: "a file in memory could be written and then mapped as code", call: unix.SYS_MEMFD_CREATE, refuse: errPerm},
}
