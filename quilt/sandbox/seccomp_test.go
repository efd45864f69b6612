package sandbox

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"

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

// TestFilterIsTheTable checks every number up to 1100 against the table.
func TestFilterIsTheTable(t *testing.T) {
	want := map[uint32]uint32{}
	n := 0
	for _, g := range allowed {
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
	for _, g := range guards {
		guarded[g.call] = true
		if _, twice := want[g.call]; twice {
			t.Errorf("call %d is allowed and guarded", g.call)
		}
	}
	for nr := range uint32(1100) {
		if guarded[nr] {
			continue
		}
		expect, ok := want[nr]
		if !ok {
			expect = errnoResult(unix.EPERM)
		}
		if got := evaluate(t, filter, auditArch, nr); got != expect {
			t.Errorf("call %d: %#x, want %#x", nr, got, expect)
		}
	}
	t.Logf("%d calls allowed, %d guarded, %d instructions, %s", n, len(guards), len(filter), filters[variant{}].name)
	if n+len(guards) > 181 {
		t.Errorf("%d calls are reachable; the promise is 181 at most", n+len(guards))
	}
}

func TestFilterArguments(t *testing.T) {
	const ok = retOK
	eperm, enosys, enotty, einval, eaf := errnoResult(unix.EPERM), errnoResult(unix.ENOSYS), errnoResult(unix.ENOTTY), errnoResult(unix.EINVAL), errnoResult(unix.EAFNOSUPPORT)
	thread := uint64(unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID)
	type row struct {
		what string
		nr   uint32
		args []uint64
		want uint32
	}
	rows := []row{
		{"a thread", unix.SYS_CLONE, []uint64{thread}, ok},
		{"a process", unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, ok},
		{"clone3", unix.SYS_CLONE3, []uint64{0, 88}, enosys},
		{"unix socket", unix.SYS_SOCKET, []uint64{unix.AF_UNIX, 1, 0}, ok},
		{"family with high bits set", unix.SYS_SOCKET, []uint64{1<<32 | unix.AF_INET, 1, 0}, eaf},
		{"unix pair", unix.SYS_SOCKETPAIR, []uint64{unix.AF_UNIX, 1, 0}, ok},
		{"inet pair", unix.SYS_SOCKETPAIR, []uint64{unix.AF_INET, 1, 0}, eaf},
		{"is it a terminal", unix.SYS_IOCTL, []uint64{0, unix.TCGETS}, ok},
		{"type into a terminal", unix.SYS_IOCTL, []uint64{0, unix.TIOCSTI}, enotty},
		{"the same, high bits set", unix.SYS_IOCTL, []uint64{0, 1<<32 | unix.TIOCSTI}, enotty},
		{"name a thread", unix.SYS_PRCTL, []uint64{unix.PR_SET_NAME}, ok},
		{"outlive the launcher", unix.SYS_PRCTL, []uint64{unix.PR_SET_PDEATHSIG, 0}, einval},
		{"another filter", unix.SYS_PRCTL, []uint64{unix.PR_SET_SECCOMP, 2}, einval},
		{"ambient capability", unix.SYS_PRCTL, []uint64{unix.PR_CAP_AMBIENT, 2, 1}, einval},
		{"x32", 0x40000000 + unix.SYS_GETPID, nil, eperm},
		{"number -1", ^uint32(0), nil, eperm},
	}
	for _, f := range []uint64{unix.CLONE_NEWNS, unix.CLONE_NEWUSER, unix.CLONE_NEWPID, unix.CLONE_NEWNET, unix.CLONE_NEWIPC, unix.CLONE_NEWUTS, unix.CLONE_NEWCGROUP} {
		rows = append(rows, row{fmt.Sprintf("clone %#x", f), unix.SYS_CLONE, []uint64{f | uint64(unix.SIGCHLD)}, eperm})
	}
	for _, f := range []uint64{unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK, unix.AF_PACKET, unix.AF_VSOCK, unix.AF_ALG, unix.AF_RXRPC, unix.AF_TIPC, unix.AF_XDP, unix.AF_BLUETOOTH} {
		rows = append(rows, row{fmt.Sprintf("socket family %d", f), unix.SYS_SOCKET, []uint64{f, 1, 0}, eaf})
	}
	for _, r := range rows {
		if got := evaluate(t, filter, auditArch, r.nr, r.args...); got != r.want {
			t.Errorf("%s: %#x, want %#x", r.what, got, r.want)
		}
	}
	if got := evaluate(t, filter, unix.AUDIT_ARCH_I386, unix.SYS_GETPID); got != retKill {
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
