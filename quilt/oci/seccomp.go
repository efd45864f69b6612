package oci

import (
	"math"
	"runtime"
	"slices"

	"github.com/elastic/go-seccomp-bpf/arch"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/quilt/sandbox"
)

// seccompActions are values of SECCOMP_RET_* (seccomp(2)).
var seccompActions = map[specs.LinuxSeccompAction]uint32{
	specs.ActKill: unix.SECCOMP_RET_KILL_THREAD, specs.ActKillThread: unix.SECCOMP_RET_KILL_THREAD, specs.ActKillProcess: unix.SECCOMP_RET_KILL_PROCESS,
	specs.ActTrap: unix.SECCOMP_RET_TRAP, specs.ActErrno: unix.SECCOMP_RET_ERRNO, specs.ActTrace: unix.SECCOMP_RET_TRACE,
	specs.ActAllow: unix.SECCOMP_RET_ALLOW, specs.ActLog: unix.SECCOMP_RET_LOG, specs.ActNotify: unix.SECCOMP_RET_USER_NOTIF,
}

var seccompOperators = map[specs.LinuxSeccompOperator]sandbox.FilterOp{
	specs.OpEqualTo: sandbox.FilterEQ, specs.OpNotEqual: sandbox.FilterNE, specs.OpGreaterThan: sandbox.FilterGT,
	specs.OpGreaterEqual: sandbox.FilterGE, specs.OpLessThan: sandbox.FilterLT, specs.OpLessEqual: sandbox.FilterLE, specs.OpMaskedEqual: sandbox.FilterMasked,
}

// seccompArchs are those this machine's kernel can meet, its own first. Calls by
// the x32 table are never allowed, whatever is listed. None where we have no list.
func seccompArchs() (own specs.Arch, all map[specs.Arch]*arch.Info) {
	switch runtime.GOARCH {
	case "amd64":
		return specs.ArchX86_64, map[specs.Arch]*arch.Info{specs.ArchX86_64: arch.X86_64, specs.ArchX86: arch.I386}
	case "arm64":
		return specs.ArchAARCH64, map[specs.Arch]*arch.Info{specs.ArchAARCH64: arch.AARCH64, specs.ArchARM: arch.ARM}
	}
	return "", nil
}

var seccompFlags = map[specs.LinuxSeccompFlag]uintptr{
	"SECCOMP_FILTER_FLAG_TSYNC": 0, // there is one thread
	specs.LinuxSeccompFlagLog:   unix.SECCOMP_FILTER_FLAG_LOG, specs.LinuxSeccompFlagSpecAllow: unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW,
	specs.LinuxSeccompFlagWaitKillableRecv: unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
}

// filter is a compiled linux.seccomp.
type filter struct {
	prog  []unix.SockFilter
	flags uintptr
}

// compileSeccomp makes the program; nil for a configuration without one gives
// the filter that keeps away what hardly any program needs.
func compileSeccomp(s *specs.LinuxSeccomp) (*filter, error) {
	if s == nil {
		return quietFilter()
	}
	if err := checkNotify(s); err != nil {
		return nil, err
	}
	out := &filter{}
	if notifies(s) {
		out.flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	for _, f := range s.Flags {
		bit, ok := seccompFlags[f]
		if !ok {
			return nil, refuse("linux.seccomp: the flag %q is not known", f)
		}
		out.flags |= bit
	}
	if out.flags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 && out.flags&unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV != 0 {
		return nil, refuse("linux.seccomp: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a call with the action SCMP_ACT_NOTIFY")
	}
	standard, err := seccompReturn(s.DefaultAction, s.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	own, all := seccompArchs()
	if own == "" {
		return nil, refuse("there is no list of system calls for %s; run it on amd64 or arm64", runtime.GOARCH)
	}
	var abis []sandbox.FilterABI
	seen := map[*arch.Info]bool{}
	for _, a := range slices.Concat([]specs.Arch{own}, s.Architectures) {
		info := all[a]
		if info == nil && !slices.Contains(otherArchs, a) {
			return nil, refuse("linux.seccomp: the architecture %q is not known", a)
		}
		if info == nil || seen[info] {
			continue // calls of an architecture that is not here cannot be made
		}
		seen[info] = true
		abi, err := seccompABI(s, info, standard)
		if err != nil {
			return nil, err
		}
		abis = append(abis, abi)
	}
	if out.prog, err = sandbox.CompileFilter(abis); err != nil {
		return nil, refuse("linux.seccomp: %v", err)
	}
	return out, nil
}

var otherArchs = []specs.Arch{specs.ArchX32, specs.ArchX86_64, specs.ArchX86, specs.ArchAARCH64, specs.ArchARM, specs.ArchMIPS, specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64,
	specs.ArchMIPSEL64N32, specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X, specs.ArchPARISC,
	specs.ArchPARISC64, specs.ArchRISCV64, specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB}

// noSuchCall is what a kernel says that does not have the call yet.
const noSuchCall = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)

// seccompABI is the table of one architecture. A call younger than every one
// the profile names gets ENOSYS instead of an error it would not expect: its
// author could not know it, and libraries then fall back.
func seccompABI(s *specs.LinuxSeccomp, info *arch.Info, standard uint32) (sandbox.FilterABI, error) {
	abi := sandbox.FilterABI{Arch: uint32(info.ID), Default: standard, Beyond: noSuchCall, From: 0x3fffffff}
	last := uint32(0)
	for _, group := range s.Syscalls {
		ret, err := seccompReturn(group.Action, group.ErrnoRet)
		if err != nil {
			return abi, err
		}
		conds, err := seccompConds(group.Args)
		if err != nil {
			return abi, err
		}
		for _, name := range group.Names {
			n, ok := info.SyscallNames[name]
			if !ok {
				if ret != unix.SECCOMP_RET_ALLOW && ret != standard && !knownSomewhere(name) && standard == unix.SECCOMP_RET_ALLOW {
					return abi, refuse("linux.seccomp: the system call %q is not known, so it cannot be kept away", name)
				}
				continue
			}
			last = max(last, uint32(n))
			for _, all := range conds {
				abi.Rules = append(abi.Rules, sandbox.FilterRule{Call: uint32(n), Conds: all, Return: ret})
			}
		}
	}
	if standard&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_ERRNO && last > 0 {
		abi.From = last
	}
	return abi, nil
}

func knownSomewhere(name string) bool {
	for _, info := range []*arch.Info{arch.X86_64, arch.I386, arch.X32, arch.ARM, arch.AARCH64} {
		if _, ok := info.SyscallNames[name]; ok {
			return true
		}
	}
	return false
}

func seccompReturn(a specs.LinuxSeccompAction, errno *uint) (uint32, error) {
	ret, ok := seccompActions[a]
	if !ok {
		return 0, refuse("linux.seccomp: the action %q is not known", a)
	}
	if a != specs.ActErrno && a != specs.ActTrace {
		if errno != nil {
			return 0, refuse("linux.seccomp: the action %s takes no errnoRet", a)
		}
		return ret, nil
	}
	n := uint(unix.EPERM)
	if errno != nil {
		n = *errno
	}
	if n > math.MaxUint16 {
		return 0, refuse("linux.seccomp: errnoRet %d is not an error number", n)
	}
	return ret | uint32(n), nil
}

// seccompConds are the sets of conditions of which one has to hold. All of a rule's
// hold together, unless it names one argument twice: then any will do. The
// specification does not say so, but runc does it and profiles count on it.
func seccompConds(args []specs.LinuxSeccompArg) ([][]sandbox.FilterCond, error) {
	var out []sandbox.FilterCond
	seen, twice := map[uint]bool{}, false
	for _, a := range args {
		op, ok := seccompOperators[a.Op]
		if !ok {
			return nil, refuse("linux.seccomp: the operator %q is not known", a.Op)
		}
		if a.Index > 5 {
			return nil, refuse("linux.seccomp: there is no argument %d", a.Index)
		}
		c := sandbox.FilterCond{Arg: int(a.Index), Op: op, Value: a.Value}
		if op == sandbox.FilterMasked {
			c.Mask, c.Value = a.Value, a.ValueTwo
		}
		out = append(out, c)
		twice, seen[a.Index] = twice || seen[a.Index], true
	}
	if !twice {
		return [][]sandbox.FilterCond{out}, nil
	}
	var each [][]sandbox.FilterCond
	for i := range out {
		each = append(each, out[i:i+1])
	}
	return each, nil
}

// quiet are the calls that reach far into the kernel, or across containers, and
// that a program in a container has no use for. The configuration can have them
// by saying something itself.
var quiet = []string{"kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "bpf", "perf_event_open", "userfaultfd",
	"io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key", "open_by_handle_at", "reboot", "swapon",
	"swapoff", "acct", "quotactl", "quotactl_fd", "iopl", "ioperm", "lookup_dcookie", "nfsservctl", "vm86", "vm86old", "kcmp"}

func quietFilter() (*filter, error) {
	return compileSeccomp(&specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86},
		Syscalls: []specs.LinuxSyscall{{Names: quiet, Action: specs.ActErrno}}})
}
