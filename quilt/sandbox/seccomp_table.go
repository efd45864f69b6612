package sandbox

import (
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// call is a system call with its number on amd64 and on arm64
// (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
type call struct {
	name         string
	amd64, arm64 int
}

// none: the architecture never had the call. arm64 came after open, stat, fork and
// the others that newer calls have replaced.
const none = -1

// callTable is what the profile of one architecture has of its own. The calls of all
// come from the list below.
type callTable struct {
	arch  string // GOARCH
	audit uint32 // AUDIT_ARCH_*: calls of any other kill
	// loader is what may be executed beside /bin: the ABI's dynamic loader, or a folder
	// of nothing else.
	loader string

	allowed []group
	guards  []guarded

	netGuards  []guarded
	codeGuards []guarded
}

// ownTable is this machine's; without an arch where there is none.
var ownTable = tableFor(runtime.GOARCH)

// tableFor gives the zero table for an architecture that has none.
func tableFor(arch string) callTable {
	t := callTable{arch: arch}
	var number func(call) int
	switch arch {
	case "amd64":
		t.audit, t.loader, number = unix.AUDIT_ARCH_X86_64, "/lib64", func(c call) int { return c.amd64 }
	case "arm64":
		t.audit, t.loader, number = unix.AUDIT_ARCH_AARCH64, "/lib/ld-linux-aarch64.so.1", func(c call) int { return c.arm64 }
	default:
		return callTable{}
	}
	for _, r := range permitted {
		g := group{why: r.why}
		for _, c := range r.calls {
			if n := number(c); n != none {
				g.calls = append(g.calls, uint32(n))
			}
		}
		t.allowed = append(t.allowed, g)
	}
	numbered := func(list []guarded) []guarded {
		out := slices.Clone(list)
		for i, g := range out {
			out[i].call = uint32(number(g.on))
		}
		return out
	}
	t.guards, t.netGuards, t.codeGuards = numbered(guardList), numbered(netGuardList), numbered(codeGuardList)
	return t
}

// permission is one reason with its calls.
type permission struct {
	why   string
	calls []call
}

// permitted is every system call a container can make, by reason. What is not
// here is EPERM. Absent on purpose: io_uring, userfaultfd, bpf, perf, keys,
// ptrace, process_vm_*, splice family, module, mount, namespace and handle
// calls, System V IPC, scheduling and personality changes.
var permitted = []permission{
	{"memory: heap, JIT, stacks", []call{
		{"mmap", 9, 222}, {"mprotect", 10, 226}, {"munmap", 11, 215}, {"brk", 12, 214}, {"mremap", 25, 216},
		{"msync", 26, 227}, {"mincore", 27, 232}, {"madvise", 28, 233}, {"membarrier", 324, 283},
		{"memfd_create", 319, 279},
	}},
	{"reading and writing descriptors", []call{
		{"read", 0, 63}, {"write", 1, 64}, {"readv", 19, 65}, {"writev", 20, 66}, {"pread64", 17, 67},
		{"pwrite64", 18, 68}, {"preadv", 295, 69}, {"pwritev", 296, 70}, {"preadv2", 327, 286},
		{"pwritev2", 328, 287}, {"lseek", 8, 62}, {"sendfile", 40, 71}, {"copy_file_range", 326, 285},
		{"fadvise64", 221, 223}, {"fallocate", 285, 47}, {"fsync", 74, 82}, {"fdatasync", 75, 83},
		{"truncate", 76, 45}, {"ftruncate", 77, 46}, {"flock", 73, 32},
	}},
	{"opening, duplicating and closing descriptors", []call{
		{"openat", 257, 56}, {"openat2", 437, 437}, {"close", 3, 57}, {"close_range", 436, 436},
		{"dup", 32, 23}, {"dup3", 292, 24}, {"fcntl", 72, 25}, {"pipe2", 293, 59}, {"open", 2, none},
		{"creat", 85, none}, {"dup2", 33, none}, {"pipe", 22, none},
	}},
	{"looking at files", []call{
		{"fstat", 5, 80}, {"newfstatat", 262, 79}, {"statx", 332, 291}, {"statfs", 137, 43},
		{"fstatfs", 138, 44}, {"faccessat", 269, 48}, {"faccessat2", 439, 439}, {"readlinkat", 267, 78},
		{"getdents64", 217, 61}, {"getcwd", 79, 17}, {"chdir", 80, 49}, {"fchdir", 81, 50},
		{"getxattr", 191, 8}, {"lgetxattr", 192, 9}, {"fgetxattr", 193, 10}, {"listxattr", 194, 11},
		{"stat", 4, none}, {"lstat", 6, none}, {"access", 21, none}, {"readlink", 89, none},
	}},
	{"changing files in /tmp", []call{
		{"renameat", 264, 38}, {"renameat2", 316, 276}, {"mkdirat", 258, 34}, {"linkat", 265, 37},
		{"unlinkat", 263, 35}, {"symlinkat", 266, 36}, {"fchmod", 91, 52}, {"fchmodat", 268, 53},
		{"fchmodat2", 452, 452}, {"fchown", 93, 55}, {"fchownat", 260, 54}, {"umask", 95, 166},
		{"utimensat", 280, 88}, {"rename", 82, none}, {"mkdir", 83, none}, {"rmdir", 84, none},
		{"link", 86, none}, {"unlink", 87, none}, {"symlink", 88, none}, {"chmod", 90, none},
		{"chown", 92, none}, {"lchown", 94, none},
	}},
	{"waiting for events", []call{
		{"ppoll", 271, 73}, {"pselect6", 270, 72}, {"epoll_create1", 291, 20}, {"epoll_ctl", 233, 21},
		{"epoll_pwait", 281, 22}, {"epoll_pwait2", 441, 441}, {"eventfd2", 290, 19}, {"signalfd4", 289, 74},
		{"timerfd_create", 283, 85}, {"timerfd_settime", 286, 86}, {"timerfd_gettime", 287, 87},
		{"inotify_init1", 294, 26}, {"inotify_add_watch", 254, 27}, {"inotify_rm_watch", 255, 28},
		{"poll", 7, none}, {"epoll_wait", 232, none},
	}},
	{"sockets that exist already or are AF_UNIX", []call{
		{"connect", 42, 203}, {"accept", 43, 202}, {"accept4", 288, 242}, {"bind", 49, 200},
		{"listen", 50, 201}, {"shutdown", 48, 210}, {"sendto", 44, 206}, {"recvfrom", 45, 207},
		{"sendmsg", 46, 211}, {"recvmsg", 47, 212}, {"sendmmsg", 307, 269}, {"recvmmsg", 299, 243},
		{"getsockname", 51, 204}, {"getpeername", 52, 205}, {"setsockopt", 54, 208}, {"getsockopt", 55, 209},
	}},
	{"threads and locks", []call{
		{"futex", 202, 98}, {"futex_waitv", 449, 449}, {"set_robust_list", 273, 99},
		{"get_robust_list", 274, 100}, {"set_tid_address", 218, 96}, {"rseq", 334, 293},
		{"gettid", 186, 178}, {"sched_yield", 24, 124}, {"sched_getaffinity", 204, 123},
		{"sched_setaffinity", 203, 122}, {"sched_getparam", 143, 121}, {"sched_getscheduler", 145, 120},
		{"sched_get_priority_max", 146, 125}, {"sched_get_priority_min", 147, 126},
		{"getpriority", 140, 141}, {"getcpu", 309, 168}, {"arch_prctl", 158, none},
	}},
	{"processes of its own", []call{
		{"execve", 59, 221}, {"execveat", 322, 281}, {"exit", 60, 93}, {"exit_group", 231, 94},
		{"wait4", 61, 260}, {"waitid", 247, 95}, {"kill", 62, 129}, {"tgkill", 234, 131},
		{"pidfd_open", 434, 434}, {"setpgid", 109, 154}, {"setsid", 112, 157}, {"getpid", 39, 172},
		{"getppid", 110, 173}, {"getpgid", 121, 155}, {"getsid", 124, 156}, {"vfork", 58, none},
		{"getpgrp", 111, none},
	}},
	{"signals", []call{
		{"rt_sigaction", 13, 134}, {"rt_sigprocmask", 14, 135}, {"rt_sigreturn", 15, 139},
		{"rt_sigpending", 127, 136}, {"rt_sigtimedwait", 128, 137}, {"rt_sigsuspend", 130, 133},
		{"sigaltstack", 131, 132}, {"restart_syscall", 219, 128},
	}},
	{"clocks and sleep", []call{
		{"nanosleep", 35, 101}, {"clock_nanosleep", 230, 115}, {"clock_gettime", 228, 113},
		{"clock_getres", 229, 114}, {"gettimeofday", 96, 169}, {"times", 100, 153},
	}},
	{"who and where am I", []call{
		{"getuid", 102, 174}, {"getgid", 104, 176}, {"geteuid", 107, 175}, {"getegid", 108, 177},
		{"getgroups", 115, 158}, {"uname", 63, 160}, {"sysinfo", 99, 179}, {"getrusage", 98, 165},
		{"getrlimit", 97, 163}, {"prlimit64", 302, 261}, {"getrandom", 318, 278},
	}},
}
