package sandbox

import (
	"encoding/binary"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

// evaluate interprets the program as the kernel would, for the opcodes it has.
func evaluate(t *testing.T, prog []insn, arch, nr uint32, args ...uint64) uint32 {
	t.Helper()
	var data [64]byte // struct seccomp_data
	binary.LittleEndian.PutUint32(data[0:], nr)
	binary.LittleEndian.PutUint32(data[4:], arch)
	for i, a := range args {
		binary.LittleEndian.PutUint64(data[16+8*i:], a)
	}
	var acc uint32
	for pc := 0; pc < len(prog); pc++ {
		i := prog[pc]
		jump := func(yes bool) {
			if yes {
				pc += int(i.jt)
			} else {
				pc += int(i.jf)
			}
		}
		switch i.code {
		case opLoad:
			acc = binary.LittleEndian.Uint32(data[i.k:])
		case opJump:
			pc += int(i.k)
		case opJEq:
			jump(acc == i.k)
		case opJGe:
			jump(acc >= i.k)
		case opJSet:
			jump(acc&i.k != 0)
		case opRet:
			return i.k
		default:
			t.Fatalf("unknown opcode %#x at %d", i.code, pc)
		}
	}
	t.Fatal("the program runs off its end")
	return 0
}

func errnoResult(e syscall.Errno) uint32 { return retErr | uint32(e) }

// abi is an architecture whose filter is tried here: the program is data, so any
// machine can. Its numbers come from another list than ours.
type abi struct {
	callTable
	numbers   map[string]int
	allowed   int // calls with guards: as many as are promised
	withouts  []string
	digest    string
	otherArch uint32
}

var abis = []abi{
	{callTable: tableFor("amd64"), numbers: arch.X86_64.SyscallNames, allowed: 181, digest: "2c3aef13d4cdfa61", otherArch: unix.AUDIT_ARCH_I386},
	{callTable: tableFor("arm64"), numbers: arch.AARCH64.SyscallNames, allowed: 159, digest: "2797f27eb64a9154", otherArch: unix.AUDIT_ARCH_ARM,
		withouts: []string{"open", "creat", "stat", "lstat", "access", "readlink", "rename", "mkdir", "rmdir", "link", "unlink", "symlink",
			"chmod", "chown", "lchown", "dup2", "pipe", "poll", "epoll_wait", "vfork", "getpgrp", "arch_prctl"}},
}

func eachABI(t *testing.T, f func(t *testing.T, a abi)) {
	for _, a := range abis {
		t.Run(a.arch, func(t *testing.T) { f(t, a) })
	}
}

// number is that of a call by its name.
func (a abi) number(t *testing.T, name string) uint32 {
	t.Helper()
	if name == "newfstatat" && a.arch == "arm64" {
		name = "fstatat" // so that list names the same call
	}
	n, ok := a.numbers[name]
	if !ok {
		t.Fatalf("%s has no call %s", a.arch, name)
	}
	return uint32(n)
}

// TestTableNumbers compares every number with the other list, and what an
// architecture lacks with what is known of it.
func TestTableNumbers(t *testing.T) {
	eachABI(t, func(t *testing.T, a abi) {
		var missing []string
		check := func(c call) {
			ours := c.amd64
			if a.arch == "arm64" {
				ours = c.arm64
			}
			if _, ok := a.numbers[c.name]; ours == none && !ok {
				missing = append(missing, c.name)
			} else if theirs := a.number(t, c.name); ours != int(theirs) {
				t.Errorf("%s is %d, not %d", c.name, theirs, ours)
			}
		}
		for _, r := range permitted {
			for _, c := range r.calls {
				check(c)
			}
		}
		for _, g := range slices.Concat(guardList, netGuardList, codeGuardList) {
			check(g.on)
			if g.why == "" || int(g.on.amd64) < 0 || int(g.on.arm64) < 0 {
				t.Errorf("the guard of %s has no reason or no number", g.on.name)
			}
		}
		slices.Sort(missing)
		want := slices.Sorted(slices.Values(a.withouts))
		if d := cmp.Diff(want, missing, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("calls that it lacks (-want +got):\n%s", d)
		}
	})
	if unsupported := tableFor("riscv64"); unsupported.arch != "" || len(unsupported.allowed) > 0 {
		t.Errorf("riscv64 has a table: %+v", unsupported)
	}
}

// TestFilterIsTheTable checks every number up to 1100 against the table.
func TestFilterIsTheTable(t *testing.T) { eachABI(t, filterIsTheTable) }

func filterIsTheTable(t *testing.T, a abi) {
	want := map[uint32]uint32{}
	n := 0
	for _, g := range a.callTable.allowed {
		if g.why == "" {
			t.Error("a group without a reason")
		}
		for _, c := range g.calls {
			if _, twice := want[c]; twice {
				t.Errorf("call %d stands in two groups", c)
			}
			want[c] = retOK
			n++
		}
	}
	guarded := map[uint32]bool{}
	for _, g := range a.guards {
		guarded[g.call] = true
		if _, twice := want[g.call]; twice {
			t.Errorf("call %d is allowed and guarded", g.call)
		}
	}
	prog := a.compile(variant{})
	for nr := range uint32(1100) {
		if guarded[nr] {
			continue
		}
		expect, ok := want[nr]
		if !ok {
			expect = errnoResult(unix.EPERM)
		}
		if got := evaluate(t, prog, a.audit, nr); got != expect {
			t.Errorf("call %d: %#x, want %#x", nr, got, expect)
		}
	}
	if n += len(a.guards); n != a.allowed {
		t.Errorf("%d calls are reachable; %d are promised", n, a.allowed)
	}
	if got := filterDigest(prog); got != a.digest {
		t.Errorf("the program's digest is %s, not %s", got, a.digest)
	}
	t.Logf("%d calls, %d guarded, %d instructions, %s", n, len(a.guards), len(prog), filterDigest(prog))
}

// TestFilterVariants: each has what it is for, and no more.
func TestFilterVariants(t *testing.T) {
	eachABI(t, func(t *testing.T, a abi) {
		names := map[string]bool{}
		for v, f := range a.filters() {
			names[f.name] = true
			if got := evaluate(t, f.prog, a.audit, a.number(t, "mprotect"), 0, 4096, unix.PROT_EXEC); (got == retOK) == v.noJIT {
				t.Errorf("%s answers mprotect for code with %#x", f.name, got)
			}
			if got := evaluate(t, f.prog, a.audit, a.number(t, "memfd_create")); (got == retOK) == v.noJIT {
				t.Errorf("%s answers memfd_create with %#x", f.name, got)
			}
			if got := evaluate(t, f.prog, a.audit, a.number(t, "socket"), unix.AF_INET, unix.SOCK_STREAM, 0); (got == retOK) != v.net {
				t.Errorf("%s answers TCP with %#x", f.name, got)
			}
		}
		if len(names) != 4 {
			t.Errorf("the filters' names are %v", names)
		}
	})
}

func TestFilterArguments(t *testing.T) { eachABI(t, filterArguments) }

func filterArguments(t *testing.T, a abi) {
	const ok = retOK
	eperm, enosys, enotty, einval, eaf := errnoResult(unix.EPERM), errnoResult(unix.ENOSYS), errnoResult(unix.ENOTTY), errnoResult(unix.EINVAL), errnoResult(unix.EAFNOSUPPORT)
	thread := uint64(unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID)
	type row struct {
		what string
		call string
		args []uint64
		want uint32
	}
	rows := []row{
		{"a thread", "clone", []uint64{thread}, ok},
		{"a process", "clone", []uint64{uint64(unix.SIGCHLD)}, ok},
		{"clone3", "clone3", []uint64{0, 88}, enosys},
		{"unix socket", "socket", []uint64{unix.AF_UNIX, 1, 0}, ok},
		{"family with high bits set", "socket", []uint64{1<<32 | unix.AF_INET, 1, 0}, eaf},
		{"unix pair", "socketpair", []uint64{unix.AF_UNIX, 1, 0}, ok},
		{"inet pair", "socketpair", []uint64{unix.AF_INET, 1, 0}, eaf},
		{"is it a terminal", "ioctl", []uint64{0, unix.TCGETS}, ok},
		{"type into a terminal", "ioctl", []uint64{0, unix.TIOCSTI}, enotty},
		{"the same, high bits set", "ioctl", []uint64{0, 1<<32 | unix.TIOCSTI}, enotty},
		{"name a thread", "prctl", []uint64{unix.PR_SET_NAME}, ok},
		{"outlive the launcher", "prctl", []uint64{unix.PR_SET_PDEATHSIG, 0}, einval},
		{"another filter", "prctl", []uint64{unix.PR_SET_SECCOMP, 2}, einval},
		{"ambient capability", "prctl", []uint64{unix.PR_CAP_AMBIENT, 2, 1}, einval},
	}
	for _, f := range []uint64{unix.CLONE_NEWNS, unix.CLONE_NEWUSER, unix.CLONE_NEWPID, unix.CLONE_NEWNET, unix.CLONE_NEWIPC, unix.CLONE_NEWUTS, unix.CLONE_NEWCGROUP} {
		rows = append(rows, row{fmt.Sprintf("clone %#x", f), "clone", []uint64{f | uint64(unix.SIGCHLD)}, eperm})
	}
	for _, f := range []uint64{unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK, unix.AF_PACKET, unix.AF_VSOCK, unix.AF_ALG, unix.AF_RXRPC, unix.AF_TIPC, unix.AF_XDP, unix.AF_BLUETOOTH} {
		rows = append(rows, row{fmt.Sprintf("socket family %d", f), "socket", []uint64{f, 1, 0}, eaf})
	}
	// What a container must never have, by name, whatever its number is here.
	for _, name := range []string{"unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "fsopen", "fsmount", "open_tree", "move_mount",
		"mount_setattr", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "bpf", "perf_event_open", "userfaultfd",
		"io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key", "splice", "vmsplice", "tee", "init_module",
		"finit_module", "delete_module", "swapon", "reboot", "settimeofday", "clock_settime", "sethostname", "open_by_handle_at", "name_to_handle_at",
		"personality", "seccomp", "landlock_create_ruleset", "setuid", "setgid", "setgroups", "setresuid", "capset", "setpriority",
		"sched_setscheduler", "sched_setattr", "ioprio_set", "shmget", "semget", "msgget", "mq_open", "pkey_mprotect", "acct", "syslog", "kexec_load"} {
		rows = append(rows, row{name, name, nil, eperm})
	}
	prog := a.compile(variant{})
	for _, r := range rows {
		if got := evaluate(t, prog, a.audit, a.number(t, r.call), r.args...); got != r.want {
			t.Errorf("%s: %#x, want %#x", r.what, got, r.want)
		}
	}
	for _, nr := range []uint32{0x40000000 + a.number(t, "getpid"), ^uint32(0)} { // x32, and -1
		if got := evaluate(t, prog, a.audit, nr); got != eperm {
			t.Errorf("call %#x: %#x, want %#x", nr, got, eperm)
		}
	}
	if got := evaluate(t, prog, a.otherArch, a.number(t, "getpid")); got != retKill {
		t.Errorf("another architecture: %#x, want kill", got)
	}
}

// TestTreeFarJump: a left half of more than 255 instructions needs a long jump.
func TestTreeFarJump(t *testing.T) {
	var calls []uint32
	for n := uint32(0); n < 2000; n += 2 {
		calls = append(calls, n)
	}
	prog := compileFilter(1, []group{{"even", calls}}, nil)
	for n := range uint32(2100) {
		want := uint32(retErr | errPerm)
		if n%2 == 0 && n < 2000 {
			want = retOK
		}
		if got := evaluate(t, prog, 1, n); got != want {
			t.Fatalf("call %d: %#x, want %#x", n, got, want)
		}
	}
}
