package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/groups"
)

// What quilt/oci takes from this room: the filter compiler, and where control
// groups are. Its containers follow another's plan, not ours.

// FilterCond compares one 64-bit argument of a system call.
type FilterCond struct {
	Arg   int      // from 0
	Op    FilterOp // how
	Value uint64
	Mask  uint64 // of FilterMasked: argument & Mask == Value
}

// FilterOp is a comparison of an argument (left) with a value.
type FilterOp int

// The comparisons, unsigned.
const (
	FilterEQ FilterOp = iota
	FilterNE
	FilterGT
	FilterGE
	FilterLT
	FilterLE
	FilterMasked
)

// FilterRule answers a call when all of Conds hold. Of several rules for one
// call the first that holds counts.
type FilterRule struct {
	Call   uint32
	Conds  []FilterCond
	Return uint32 // SECCOMP_RET_*
}

// FilterABI is what a filter says to the calls of one architecture. A call with
// rules of which none holds, or with none, gets Default; one above From, Beyond.
type FilterABI struct {
	Arch            uint32 // AUDIT_ARCH_*
	Rules           []FilterRule
	Default, Beyond uint32
	From            uint32
}

// maxFilter is BPF_MAXINSNS.
const maxFilter = 4096

// CompileFilter makes one program of all. Calls of another architecture kill the
// process. Errors: a call has too many rules, or the program is too long.
func CompileFilter(abis []FilterABI) ([]unix.SockFilter, error) {
	prog := []insn{{opLoad, 0, 0, offArch}}
	for _, a := range abis {
		body, err := a.compile()
		if err != nil {
			return nil, err
		}
		// Further than a conditional jump reaches.
		prog = append(prog, insn{opJEq, 1, 0, a.Arch}, insn{opJump, 0, 0, uint32(len(body) + 1)}, insn{opLoad, 0, 0, offNr})
		prog = append(prog, body...)
	}
	prog = append(prog, insn{opRet, 0, 0, retKill})
	if len(prog) > maxFilter {
		return nil, fmt.Errorf("the filter has %d instructions, more than %d", len(prog), maxFilter)
	}
	out := make([]unix.SockFilter, len(prog))
	for i, o := range prog {
		out[i] = unix.SockFilter{Code: o.code, Jt: o.jt, Jf: o.jf, K: o.k}
	}
	return out, nil
}

func (a FilterABI) compile() ([]insn, error) {
	codes := map[uint32][]insn{}
	var numbers []uint32
	deny := []insn{{opRet, 0, 0, a.Default}}
	for _, r := range slices.Backward(a.Rules) {
		rest, ok := codes[r.Call]
		if !ok {
			rest = deny
			numbers = append(numbers, r.Call)
		}
		code, err := r.compile(rest)
		if err != nil {
			return nil, fmt.Errorf("system call %d: %w", r.Call, err)
		}
		codes[r.Call] = code
	}
	slices.Sort(numbers)
	var segs []segment
	add := func(at uint32, code []insn) {
		if last := len(segs) - 1; last < 0 || !slices.Equal(segs[last].code, code) {
			segs = append(segs, segment{at, code})
		}
	}
	next := uint32(0)
	for _, n := range numbers {
		if n > next {
			add(next, deny)
		}
		add(n, codes[n])
		next = n + 1
	}
	if next <= a.From {
		add(next, deny)
		next = a.From + 1
	}
	add(next, []insn{{opRet, 0, 0, a.Beyond}})
	return tree(segs), nil
}

// compile puts the rule before rest, which is what happens when it does not hold.
func (r FilterRule) compile(rest []insn) ([]insn, error) {
	if len(r.Conds) == 0 {
		return []insn{{opRet, 0, 0, r.Return}}, nil
	}
	code := []insn{{opRet, 0, 0, r.Return}}
	for _, c := range slices.Backward(r.Conds) {
		code = append(c.compile(len(code)), code...)
	}
	out := append(code, rest...)
	if len(code) > 200 || len(out) > 2000 {
		return nil, fmt.Errorf("has too many conditions")
	}
	return out, nil
}

// Further opcodes: more-than, and a mask on what was loaded.
const (
	opJGt = 0x25
	opAnd = 0x54
)

// compile falls through when the condition holds, else skips rest instructions
// more. A filter sees 32 bits at a time.
func (c FilterCond) compile(rest int) []insn {
	hi, lo := uint32(c.Value>>32), uint32(c.Value)
	at := uint32(offArgs + 8*c.Arg)
	loadLo, loadHi := insn{opLoad, 0, 0, at}, insn{opLoad, 0, 0, at + 4}
	no := func(left int) uint8 { return uint8(left + rest) }
	switch c.Op {
	case FilterEQ:
		return []insn{loadHi, {opJEq, 0, no(2), hi}, loadLo, {opJEq, 0, no(0), lo}}
	case FilterNE:
		return []insn{loadHi, {opJEq, 0, 2, hi}, loadLo, {opJEq, no(0), 0, lo}}
	case FilterGT, FilterGE:
		last := insn{opJGt, 0, no(0), lo}
		if c.Op == FilterGE {
			last.code = opJGe
		}
		return []insn{loadHi, {opJGt, 3, 0, hi}, {opJEq, 0, no(2), hi}, loadLo, last}
	case FilterLT, FilterLE:
		last := insn{opJGe, no(0), 0, lo}
		if c.Op == FilterLE {
			last.code = opJGt
		}
		return []insn{loadHi, {opJGt, no(3), 0, hi}, {opJEq, 0, 2, hi}, loadLo, last}
	}
	return []insn{loadHi, {opAnd, 0, 0, uint32(c.Mask >> 32)}, {opJEq, 0, no(3), hi},
		loadLo, {opAnd, 0, 0, uint32(c.Mask)}, {opJEq, 0, no(0), lo}}
}

// Groups is where this process's control groups are.
type Groups struct {
	// Own is the folder of this process by v1 controller ("name=systemd" among
	// them); "" is v2. Top is the root of each hierarchy as it is mounted.
	Own, Top map[string]string
}

// FindGroups reads where the hierarchies are mounted and where we are in them.
func FindGroups() (Groups, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Groups{}, fmt.Errorf("control groups: %w", err)
	}
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return Groups{}, fmt.Errorf("control groups: %w", err)
	}
	g := Groups{Own: map[string]string{}, Top: map[string]string{}}
	found, paths := groups.Mounts(string(mounts)), groups.Paths(string(self))
	for name, path := range paths {
		m, ok := found[name]
		if !ok {
			continue
		}
		g.Own[name], g.Top[name] = m.Resolve(path), m.Point
	}
	return g, nil
}

// StartTime is when a process began, in clock ticks since boot: with the pid it
// names a process for ever.
func StartTime(pid int) (uint64, error) { return startTime(pid) }

// NewUserNamespace makes a user namespace with the given maps (user_namespaces(7)),
// held open by the descriptor alone.
func NewUserNamespace(uidMap, gidMap string) (int, error) { return newMappedUserns(uidMap, gidMap) }

// LookHost is what plans depend on, seen without being a launcher and without
// root. It does not say whether a launcher could work.
func LookHost() (Host, error) {
	h := Host{Arch: runtime.GOARCH, LandlockABI: landlockABI(), CgroupVersion: 1}
	g, err := FindGroups()
	if err != nil {
		return h, err
	}
	if own, ok := g.Own[""]; ok && hasControllers(own) {
		h.CgroupVersion = 2
		on, err := os.ReadFile(filepath.Join(own, "cgroup.controllers"))
		if err == nil && slices.Contains(strings.Fields(string(on)), "io") {
			h.Disks = wholeDisks("/sys/block")
		}
	}
	return h, nil
}
