package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// The filter is a table (seccomp_table.go), compiled into a balanced tree of
// number ranges: the kernel dry-runs a filter once per system call number when
// it is installed, so a tree of 70 ranges costs a third of a linear list.

// group is a set of system calls that are allowed for one reason.
type group struct {
	why   string
	calls []uint32
}

// guarded is a call that is answered by looking at one of its arguments.
type guarded struct {
	why    string
	on     call
	call   uint32   // its number in this table
	arg    int      // which argument, from 0; its low 32 bits are compared
	mask   uint32   // if not 0: refused when any of these bits is set
	and    []bits   // with mask: and any of these as well
	oneOf  []uint32 // if mask is 0: allowed when equal to one of these
	or     *also    // a second way to be allowed
	refuse uint32   // errno otherwise
}

// bits of an argument.
type bits struct {
	arg  int
	mask uint32
}

// also: when arg is is, each of the further arguments must be one of its list.
type also struct {
	is   uint32
	then []oneOf
}

type oneOf struct {
	arg  int
	list []uint32
}

// insn is struct sock_filter.
type insn struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// Classic BPF opcodes and seccomp return values (linux/bpf_common.h,
// linux/seccomp.h).
const (
	opLoad  = 0x20 // load a word of struct seccomp_data
	opJump  = 0x05
	opJEq   = 0x15
	opJGe   = 0x35
	opJSet  = 0x45
	opRet   = 0x06
	retKill = 0x80000000
	retErr  = 0x00050000
	retOK   = 0x7fff0000

	offNr   = 0
	offArch = 4
	offArgs = 16

	errPerm = 1
)

// segment says what happens from call number start up to the next segment.
type segment struct {
	start uint32
	code  []insn
}

// compileFilter builds the program: another architecture is killed, an unknown
// number (x32 among them) is EPERM.
func compileFilter(arch uint32, groups []group, guards []guarded) []insn {
	head := []insn{{opLoad, 0, 0, offArch}, {opJEq, 1, 0, arch}, {opRet, 0, 0, retKill}, {opLoad, 0, 0, offNr}}
	return append(head, tree(segments(groups, guards))...)
}

func segments(groups []group, guards []guarded) []segment {
	rules := map[uint32][]insn{}
	var numbers []uint32
	allow := []insn{{opRet, 0, 0, retOK}}
	for _, g := range groups {
		for _, c := range g.calls {
			rules[c] = allow
			numbers = append(numbers, c)
		}
	}
	for _, g := range guards {
		rules[g.call] = g.compile()
		numbers = append(numbers, g.call)
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	deny := []insn{{opRet, 0, 0, retErr | errPerm}}
	var segs []segment
	next := uint32(0)
	for _, n := range numbers {
		if n > next || len(segs) == 0 && n > 0 {
			segs = append(segs, segment{next, deny})
		}
		code := rules[n]
		last := len(segs) - 1
		if !(last >= 0 && n == next && len(code) == 1 && slices.Equal(segs[last].code, code)) {
			segs = append(segs, segment{n, code})
		}
		next = n + 1
	}
	return append(segs, segment{next, deny})
}

func (g guarded) compile() []insn {
	load := insn{opLoad, 0, 0, uint32(offArgs + 8*g.arg)}
	if g.or != nil {
		return g.either(load)
	}
	no, yes := insn{opRet, 0, 0, retErr | g.refuse}, insn{opRet, 0, 0, retOK}
	if len(g.and) > 0 {
		return g.both(load)
	}
	if g.mask != 0 {
		return []insn{load, {opJSet, 0, 1, g.mask}, no, yes}
	}
	if len(g.oneOf) == 0 {
		return []insn{no}
	}
	out := []insn{load}
	for i, v := range g.oneOf {
		out = append(out, insn{opJEq, uint8(len(g.oneOf) - i), 0, v})
	}
	return append(out, no, yes)
}

// both is a guard that refuses when its mask and one of further bits are set.
func (g guarded) both(load insn) []insn {
	rest := 2 * len(g.and)
	out := []insn{load, {opJSet, 0, uint8(rest), g.mask}}
	for i, b := range g.and {
		out = append(out, insn{opLoad, 0, 0, uint32(offArgs + 8*b.arg)}, insn{opJSet, uint8(rest - 2*i - 1), 0, b.mask})
	}
	return append(out, insn{opRet, 0, 0, retOK}, insn{opRet, 0, 0, retErr | g.refuse})
}

// either is a guard with a second way. Its jumps are short: no list has more
// than a dozen values.
func (g guarded) either(load insn) []insn {
	no, yes := insn{opRet, 0, 0, retErr | g.refuse}, insn{opRet, 0, 0, retOK}
	var further []insn
	for _, c := range g.or.then {
		further = append(further, insn{opLoad, 0, 0, uint32(offArgs + 8*c.arg)})
		for i, v := range c.list {
			further = append(further, insn{opJEq, uint8(len(c.list) - i), 0, v})
		}
		further = append(further, no)
	}
	out := []insn{load}
	for _, v := range g.oneOf {
		out = append(out, insn{opJEq, 0, 1, v}, yes)
	}
	out = append(out, insn{opJEq, 1, 0, g.or.is}, no)
	return append(append(out, further...), yes)
}

// tree is a binary search over the segments' starts. A conditional jump reaches
// 255 instructions; further ones go through an unconditional jump.
func tree(segs []segment) []insn {
	if len(segs) == 1 {
		return segs[0].code
	}
	m := (len(segs) + 1) / 2
	left, right := tree(segs[:m]), tree(segs[m:])
	at := segs[m].start
	var out []insn
	if len(left) < 256 {
		out = []insn{{opJGe, uint8(len(left)), 0, at}}
	} else {
		out = []insn{{opJGe, 0, 1, at}, {opJump, 0, 0, uint32(len(left))}}
	}
	return append(append(out, left...), right...)
}

func filterDigest(prog []insn) string {
	h := sha256.New()
	for _, i := range prog {
		var b [8]byte
		binary.LittleEndian.PutUint16(b[0:], i.code)
		b[2], b[3] = i.jt, i.jf
		binary.LittleEndian.PutUint32(b[4:], i.k)
		h.Write(b[:])
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// variant is what differs between the filters of containers.
type variant struct{ net, noJIT bool }

// named is a filter with its name, which stands in every plan.
type named struct {
	name string
	prog []insn
}

// The filters of this machine: with a gate a container may make TCP sockets as
// well; without JIT it cannot make memory that can be executed.
var (
	filter    = ownTable.compile(variant{})
	netFilter = ownTable.compile(variant{net: true})
	filters   = ownTable.filters()
)

// filtersFor are the filters of a host, by its GOARCH.
func filtersFor(arch string) map[variant]named {
	if arch == ownTable.arch || arch == "" {
		return filters
	}
	return tableFor(arch).filters()
}

func (t callTable) filters() map[variant]named {
	out := map[variant]named{}
	for _, v := range []variant{{}, {net: true}, {noJIT: true}, {net: true, noJIT: true}} {
		name := "bun-"
		if v.net {
			name += "net-"
		}
		if v.noJIT {
			name += "nojit-"
		}
		prog := t.compile(v)
		out[v] = named{name + t.arch + "-" + filterDigest(prog), prog}
	}
	return out
}

func (t callTable) compile(v variant) []insn {
	allowed, guards := t.allowed, t.guards
	if v.net {
		guards = with(guards, t.netGuards)
	}
	if v.noJIT {
		allowed, guards = unguarded(allowed, t.codeGuards), with(guards, t.codeGuards)
	}
	return compileFilter(t.audit, allowed, guards)
}

// filterNamed is the filter of a plan.
func filterNamed(name string) []insn {
	if name == filters[variant{net: true}].name {
		return netFilter
	}
	for _, f := range filters {
		if f.name == name && name != filters[variant{}].name {
			return f.prog
		}
	}
	return filter // a variable: tests take calls out of it
}

// with replaces the guards of the calls that more has guards for.
func with(base, more []guarded) []guarded {
	return append(slices.DeleteFunc(slices.Clone(base), func(g guarded) bool {
		return slices.ContainsFunc(more, func(n guarded) bool { return n.call == g.call })
	}), more...)
}

// unguarded leaves out the calls that are guarded.
func unguarded(groups []group, by []guarded) (out []group) {
	for _, g := range groups {
		g.calls = slices.DeleteFunc(slices.Clone(g.calls), func(c uint32) bool {
			return slices.ContainsFunc(by, func(n guarded) bool { return n.call == c })
		})
		out = append(out, g)
	}
	return out
}
