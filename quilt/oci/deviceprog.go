package oci

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// On control groups of version 2 a small program decides about each opening of
// a device (BPF_PROG_TYPE_CGROUP_DEVICE, linux/bpf.h). It is given the access,
// with the type in its lower half, major and minor; 1 allows.

type bpfInsn struct {
	code uint8
	regs uint8 // destination low, source high
	off  int16
	imm  int32
}

const (
	bpfLoadW  = 0x61 // dst = *(u32 *)(src + off)
	bpfMovReg = 0xbf
	bpfMovImm = 0xb7
	bpfAndImm = 0x57
	bpfRshImm = 0x77
	bpfJneImm = 0x55
	bpfJeqImm = 0x15
	bpfExit   = 0x95
)

// deviceProgram looks at the rules from the last to the first; the first that
// fits answers. None: refused.
func deviceProgram(rules []deviceRule) []bpfInsn {
	const access, kind, major, minor, scratch = 2, 3, 4, 5, 6
	reg := func(dst, src uint8) uint8 { return dst | src<<4 }
	prog := []bpfInsn{
		{bpfLoadW, reg(access, 1), 0, 0}, {bpfMovReg, reg(kind, access), 0, 0}, {bpfAndImm, kind, 0, 0xffff},
		{bpfRshImm, access, 0, 16}, {bpfLoadW, reg(major, 1), 4, 0}, {bpfLoadW, reg(minor, 1), 8, 0},
	}
	for i := len(rules) - 1; i >= 0; i-- {
		r := rules[i]
		var tests []bpfInsn // each jumps to the next rule when it does not fit
		if r.kind != 'a' {
			tests = append(tests, bpfInsn{bpfJneImm, kind, 0, map[byte]int32{'b': 1, 'c': 2}[r.kind]})
		}
		bits := int32(0)
		for j, c := range "mrw" {
			if strings.ContainsRune(r.access, c) {
				bits |= 1 << j
			}
		}
		tests = append(tests, bpfInsn{bpfMovReg, reg(scratch, access), 0, 0})
		if r.allow { // all that is wanted must be covered
			tests = append(tests, bpfInsn{bpfAndImm, scratch, 0, 7 &^ bits}, bpfInsn{bpfJneImm, scratch, 0, 0})
		} else { // anything of what is wanted
			tests = append(tests, bpfInsn{bpfAndImm, scratch, 0, bits}, bpfInsn{bpfJeqImm, scratch, 0, 0})
		}
		if r.major >= 0 {
			tests = append(tests, bpfInsn{bpfJneImm, major, 0, int32(r.major)})
		}
		if r.minor >= 0 {
			tests = append(tests, bpfInsn{bpfJneImm, minor, 0, int32(r.minor)})
		}
		for j := range tests {
			if c := tests[j].code; c == bpfJneImm || c == bpfJeqImm {
				tests[j].off = int16(len(tests) - j - 1 + 2)
			}
		}
		answer := int32(0)
		if r.allow {
			answer = 1
		}
		prog = append(append(prog, tests...), bpfInsn{bpfMovImm, 0, 0, answer}, bpfInsn{code: bpfExit})
	}
	return append(prog, bpfInsn{bpfMovImm, 0, 0, 0}, bpfInsn{code: bpfExit})
}

// attachDevices loads the program and hangs it on the group.
func attachDevices(dir string, rules []deviceRule) error {
	prog := deviceProgram(rules)
	code := make([]byte, 0, 8*len(prog))
	for _, i := range prog {
		code = append(code, i.code, i.regs)
		code = binary.NativeEndian.AppendUint16(code, uint16(i.off))
		code = binary.NativeEndian.AppendUint32(code, uint32(i.imm))
	}
	license := []byte("GPL\x00")
	load := struct {
		kind, count    uint32
		insns, license uint64
		logLevel, size uint32
		log            uint64
		version, flags uint32
	}{kind: unix.BPF_PROG_TYPE_CGROUP_DEVICE, count: uint32(len(prog)), insns: uint64(uintptr(unsafe.Pointer(&code[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0])))}
	fd, _, e := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&load)), unsafe.Sizeof(load))
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	if e != 0 {
		return fmt.Errorf("device program: %w", e)
	}
	defer unix.Close(int(fd))
	group, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("device program: %w", err)
	}
	defer group.Close()
	attach := struct{ target, prog, kind, flags uint32 }{uint32(group.Fd()), uint32(fd), unix.BPF_CGROUP_DEVICE, unix.BPF_F_ALLOW_MULTI}
	if _, _, e := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_ATTACH, uintptr(unsafe.Pointer(&attach)), unsafe.Sizeof(attach)); e != 0 {
		return fmt.Errorf("device program: attach: %w", e)
	}
	return nil
}
