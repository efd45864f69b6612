package sandbox

import (
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

type deniedCall struct {
	no   int
	name string
	nr   uintptr
	args []uintptr
	want string // empty: EPERM
}

func joinSorted(list []string) string { sort.Strings(list); return strings.Join(list, " ") }

var namespaceFlags = map[string]uintptr{
	"mnt": unix.CLONE_NEWNS, "cgroup": unix.CLONE_NEWCGROUP, "uts": unix.CLONE_NEWUTS, "ipc": unix.CLONE_NEWIPC,
	"user": unix.CLONE_NEWUSER, "pid": unix.CLONE_NEWPID, "net": unix.CLONE_NEWNET,
}

// deniedCalls are made without a C library in between. mem is 4 KiB of zeros.
func deniedCalls(mem uintptr) []deniedCall {
	var out []deniedCall
	a := func(args ...uintptr) []uintptr { return args }
	for ns, flag := range namespaceFlags {
		out = append(out,
			deniedCall{1, "unshare " + ns, unix.SYS_UNSHARE, a(flag), ""},
			deniedCall{2, "clone " + ns, unix.SYS_CLONE, a(flag | uintptr(unix.SIGCHLD)), ""})
	}
	cwd := ^uintptr(99) // AT_FDCWD
	none := at("none")
	for _, family := range []struct {
		name string
		n    uintptr
	}{{"INET", unix.AF_INET}, {"INET6", unix.AF_INET6}, {"NETLINK", unix.AF_NETLINK}, {"PACKET", unix.AF_PACKET}, {"VSOCK", unix.AF_VSOCK},
		{"ALG", unix.AF_ALG}, {"RXRPC", unix.AF_RXRPC}, {"TIPC", unix.AF_TIPC}, {"XDP", unix.AF_XDP}, {"BLUETOOTH", unix.AF_BLUETOOTH}} {
		out = append(out, deniedCall{11, "socket " + family.name, unix.SYS_SOCKET, a(family.n, unix.SOCK_RAW), "EAFNOSUPPORT"},
			deniedCall{11, "socketpair " + family.name, unix.SYS_SOCKETPAIR, a(family.n, unix.SOCK_STREAM, 0, mem), "EAFNOSUPPORT"})
	}
	return append(out,
		deniedCall{3, "clone3", unix.SYS_CLONE3, a(mem, 88), "ENOSYS"},
		deniedCall{4, "setns", unix.SYS_SETNS, a(0, 0), ""},
		deniedCall{5, "mount", unix.SYS_MOUNT, a(none, at("/tmp"), at("tmpfs")), ""},
		deniedCall{5, "umount", unix.SYS_UMOUNT2, a(at("/proc"), 2), ""},
		deniedCall{5, "pivot_root", unix.SYS_PIVOT_ROOT, a(at("/"), at("/")), ""},
		deniedCall{5, "chroot", unix.SYS_CHROOT, a(at("/tmp")), ""},
		deniedCall{6, "fsopen", unix.SYS_FSOPEN, a(at("tmpfs")), ""},
		deniedCall{6, "fsmount", unix.SYS_FSMOUNT, a(0), ""},
		deniedCall{6, "open_tree", unix.SYS_OPEN_TREE, a(cwd, at("/"), 1), ""},
		deniedCall{6, "move_mount", unix.SYS_MOVE_MOUNT, a(cwd, at("/tmp"), cwd, at("/proc")), ""},
		deniedCall{6, "mount_setattr", unix.SYS_MOUNT_SETATTR, a(cwd, at("/"), 0, mem, 32), ""},
		deniedCall{7, "ptrace", unix.SYS_PTRACE, a(unix.PTRACE_PEEKDATA, 1), ""},
		deniedCall{7, "process_vm_readv", unix.SYS_PROCESS_VM_READV, a(1, mem, 1, mem, 1), ""},
		deniedCall{7, "kcmp", unix.SYS_KCMP, a(1, 1), ""},
		deniedCall{7, "pidfd_getfd", unix.SYS_PIDFD_GETFD, a(0), ""},
		deniedCall{8, "bpf", unix.SYS_BPF, a(0, mem, 64), ""},
		deniedCall{8, "perf_event_open", unix.SYS_PERF_EVENT_OPEN, a(mem, 0, ^uintptr(0), ^uintptr(0)), ""},
		deniedCall{8, "userfaultfd", unix.SYS_USERFAULTFD, nil, ""},
		deniedCall{8, "io_uring_setup", unix.SYS_IO_URING_SETUP, a(8, mem), ""},
		deniedCall{9, "keyctl", unix.SYS_KEYCTL, a(0, ^uintptr(2)), ""},
		deniedCall{9, "add_key", unix.SYS_ADD_KEY, a(at("user"), at("a"), mem, 1, ^uintptr(2)), ""},
		deniedCall{10, "splice", unix.SYS_SPLICE, a(0, 0, 1, 0, 1), ""},
		deniedCall{10, "vmsplice", unix.SYS_VMSPLICE, a(1, mem), ""},
		deniedCall{10, "tee", unix.SYS_TEE, a(0, 1, 1), ""},
		deniedCall{12, "init_module", unix.SYS_INIT_MODULE, a(mem), ""},
		deniedCall{12, "swapon", unix.SYS_SWAPON, a(at("/x")), ""},
		deniedCall{12, "settimeofday", unix.SYS_SETTIMEOFDAY, a(mem), ""},
		deniedCall{12, "sethostname", unix.SYS_SETHOSTNAME, a(at("x"), 1), ""},
		deniedCall{13, "open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, a(cwd, mem), ""},
		deniedCall{13, "name_to_handle_at", unix.SYS_NAME_TO_HANDLE_AT, a(cwd, at("/"), mem, mem), ""},
		deniedCall{14, "personality", unix.SYS_PERSONALITY, a(0x40000), ""},
		deniedCall{15, "x32 getpid", 0x40000000 + unix.SYS_GETPID, nil, ""},
		deniedCall{15, "call number 9999", 9999, nil, ""},
		deniedCall{16, "seccomp", unix.SYS_SECCOMP, a(1, 0, mem), ""},
		deniedCall{16, "prctl ambient", unix.SYS_PRCTL, a(unix.PR_CAP_AMBIENT, 2, 1), "EINVAL"},
		deniedCall{16, "prctl mdwe", unix.SYS_PRCTL, a(unix.PR_SET_MDWE, 0), "EINVAL"},
		deniedCall{16, "prctl pdeathsig", unix.SYS_PRCTL, a(unix.PR_SET_PDEATHSIG, 9), "EINVAL"},
		deniedCall{16, "landlock", unix.SYS_LANDLOCK_CREATE_RULESET, a(0, 0, 1), ""},
		deniedCall{16, "TIOCSTI", unix.SYS_IOCTL, a(0, unix.TIOCSTI, mem), "ENOTTY"},
		deniedCall{16, "ioctl of a socket", unix.SYS_IOCTL, a(3, unix.SIOCGIFCONF, mem), "ENOTTY"},
		deniedCall{18, "setuid", unix.SYS_SETUID, a(0), ""},
		deniedCall{18, "setgroups", unix.SYS_SETGROUPS, a(0, 0), ""},
		deniedCall{18, "capset", unix.SYS_CAPSET, a(mem, mem), ""},
		deniedCall{46, "setpriority", unix.SYS_SETPRIORITY, a(0, 0, ^uintptr(18)), ""},
		deniedCall{46, "sched_setscheduler", unix.SYS_SCHED_SETSCHEDULER, a(0, 1, mem), ""},
		deniedCall{46, "ioprio_set", unix.SYS_IOPRIO_SET, a(1, 0, 0x2000), ""},
		deniedCall{48, "shmget", unix.SYS_SHMGET, a(1, 4096, 0o1600), ""},
		deniedCall{48, "mq_open", unix.SYS_MQ_OPEN, a(at("q"), 0o102, 0o600), ""},
	)
}
