package oci

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// rlimitNumbers are those of the kernel (getrlimit(2)).
var rlimitNumbers = map[string]int{
	"RLIMIT_CPU": unix.RLIMIT_CPU, "RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_DATA": unix.RLIMIT_DATA, "RLIMIT_STACK": unix.RLIMIT_STACK,
	"RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_RSS": unix.RLIMIT_RSS, "RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_NOFILE": unix.RLIMIT_NOFILE,
	"RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK, "RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_LOCKS": unix.RLIMIT_LOCKS,
	"RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING, "RLIMIT_MSGQUEUE": unix.RLIMIT_MSGQUEUE, "RLIMIT_NICE": unix.RLIMIT_NICE,
	"RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO, "RLIMIT_RTTIME": unix.RLIMIT_RTTIME,
}

var policies = map[specs.LinuxSchedulerPolicy]uint32{
	specs.SchedOther: 0, specs.SchedFIFO: 1, specs.SchedRR: 2, specs.SchedBatch: 3, specs.SchedISO: 4, specs.SchedIdle: 5, specs.SchedDeadline: 6,
}

var policyFlags = map[specs.LinuxSchedulerFlag]uint64{
	specs.SchedFlagResetOnFork: 1, specs.SchedFlagReclaim: 2, specs.SchedFlagDLOverrun: 4, specs.SchedFlagKeepPolicy: 8,
	specs.SchedFlagKeepParams: 16, specs.SchedFlagUtilClampMin: 32, specs.SchedFlagUtilClampMax: 64,
}

var ioClasses = map[specs.IOPriorityClass]int{specs.IOPRIO_CLASS_RT: 1, specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3}

// checkTuning checks what applyTuning will do.
func checkTuning(p *specs.Process) error {
	if s := p.Scheduler; s != nil {
		if _, ok := policies[s.Policy]; !ok {
			return refuse("process.scheduler: the policy %q is not known", s.Policy)
		}
		for _, f := range s.Flags {
			if _, ok := policyFlags[f]; !ok {
				return refuse("process.scheduler: the flag %q is not known", f)
			}
		}
		real := s.Policy == specs.SchedFIFO || s.Policy == specs.SchedRR
		switch {
		case s.Nice < -20 || s.Nice > 19:
			return refuse("invalid scheduler.nice: %d", s.Nice)
		case s.Priority != 0 && !real:
			return refuse("scheduler.priority can only be specified for SchedFIFO or SchedRR policy")
		case s.Policy != specs.SchedDeadline && (s.Runtime != 0 || s.Deadline != 0 || s.Period != 0):
			return refuse("scheduler runtime/deadline/period can only be specified for SchedDeadline policy")
		}
	}
	if io := p.IOPriority; io != nil {
		if _, ok := ioClasses[io.Class]; !ok || io.Priority < 0 || io.Priority > 7 {
			return refuse("process.ioPriority: class %q with priority %d is not known", io.Class, io.Priority)
		}
	}
	return nil
}

// applyTuning sets scheduling of the calling thread, which becomes the process.
func applyTuning(p *specs.Process) error {
	if s := p.Scheduler; s != nil {
		attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policies[s.Policy], Nice: s.Nice, Priority: uint32(s.Priority),
			Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period}
		for _, f := range s.Flags {
			attr.Flags |= policyFlags[f]
		}
		if err := unix.SchedSetAttr(0, attr, 0); err != nil {
			return fault.Wrap(err, fault.Invalid, "process.scheduler cannot be set")
		}
	}
	if io := p.IOPriority; io != nil {
		const whoProcess, classShift = 1, 13
		if _, _, e := unix.RawSyscall(unix.SYS_IOPRIO_SET, whoProcess, 0, uintptr(ioClasses[io.Class]<<classShift|io.Priority)); e != 0 {
			return fault.Wrap(e, fault.Invalid, "process.ioPriority cannot be set")
		}
	}
	return nil
}

// cpuList reads "0-3,7".
func cpuList(list string) (*unix.CPUSet, error) {
	set := &unix.CPUSet{}
	if list == "" {
		return set, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		from, to, span := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.Atoi(from)
		b := a
		if err == nil && span {
			b, err = strconv.Atoi(to)
		}
		if err != nil || a < 0 || b < a || b > 8191 {
			return nil, fmt.Errorf("%q is no list of numbers", list)
		}
		for ; a <= b; a++ {
			set.Set(a)
		}
	}
	return set, nil
}

func checkPersonality(p *specs.LinuxPersonality) error {
	if p == nil {
		return nil
	}
	if len(p.Flags) > 0 {
		return refuse("linux.personality.flags are not supported")
	}
	if p.Domain != specs.PerLinux && p.Domain != specs.PerLinux32 {
		return refuse("linux.personality: the domain %q is not known", p.Domain)
	}
	return nil
}

func setPersonality(p *specs.LinuxPersonality) error {
	if p == nil {
		return nil
	}
	domain := uintptr(0)
	if p.Domain == specs.PerLinux32 {
		domain = 0x0008
	}
	if _, _, e := unix.RawSyscall(unix.SYS_PERSONALITY, domain, 0, 0); e != 0 {
		return fmt.Errorf("personality: %w", e)
	}
	return nil
}

// memoryModes and memoryFlags are those of set_mempolicy(2).
var (
	memoryModes = map[specs.MemoryPolicyModeType]uintptr{specs.MpolDefault: 0, specs.MpolPreferred: 1, specs.MpolBind: 2,
		specs.MpolInterleave: 3, specs.MpolLocal: 4, specs.MpolPreferredMany: 5, specs.MpolWeightedInterleave: 6}
	memoryFlags = map[specs.MemoryPolicyFlagType]uintptr{specs.MpolFStaticNodes: 1 << 15, specs.MpolFRelativeNodes: 1 << 14, specs.MpolFNumaBalancing: 1 << 13}
)

func checkMemoryPolicy(p *specs.LinuxMemoryPolicy) error {
	if p == nil {
		return nil
	}
	if _, ok := memoryModes[p.Mode]; !ok {
		return refuse("invalid memory policy mode %q", p.Mode)
	}
	for _, f := range p.Flags {
		if _, ok := memoryFlags[f]; !ok {
			return refuse("invalid memory policy flag %q", f)
		}
	}
	nodes, err := cpuList(p.Nodes)
	if err != nil {
		return refuse("invalid memory policy nodes %q", p.Nodes)
	}
	if p.Mode != specs.MpolDefault && p.Mode != specs.MpolLocal {
		return nil
	}
	if len(p.Flags) > 0 {
		return refuse("memory policy mode %s takes no flags", p.Mode)
	}
	if n := nodes.Count(); n > 0 {
		return refuse("memory policy %s: the mode requires 0 nodes but got %d", p.Mode, n)
	}
	return nil
}

func setMemoryPolicy(p *specs.LinuxMemoryPolicy) error {
	if p == nil {
		return nil
	}
	mode := memoryModes[p.Mode]
	for _, f := range p.Flags {
		mode |= memoryFlags[f]
	}
	set, err := cpuList(p.Nodes)
	if err != nil {
		return err
	}
	mask, bits := uintptr(0), uintptr(0)
	if p.Nodes != "" {
		mask, bits = uintptr(unsafe.Pointer(set)), unsafe.Sizeof(*set)*8
	}
	_, _, e := unix.RawSyscall(unix.SYS_SET_MEMPOLICY, mode, mask, bits)
	runtime.KeepAlive(set)
	if e != 0 {
		return fault.Wrap(e, fault.Invalid, "linux.memoryPolicy cannot be set")
	}
	return nil
}
