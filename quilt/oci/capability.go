package oci

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// capabilityNames in the order of linux/capability.h: the index is the number.
var capabilityNames = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
	NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT
	SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
	MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)

type capSet uint64

func (s capSet) has(n int) bool { return s>>n&1 == 1 }

// capMask turns names into a set; unknown ones are returned.
func capMask(names []string) (s capSet, unknown []string) {
	for _, name := range names {
		n := slices.Index(capabilityNames, strings.TrimPrefix(capability(name), "CAP_"))
		if n < 0 {
			unknown = append(unknown, name)
			continue
		}
		s |= 1 << n
	}
	return s, unknown
}

type capSets struct{ bounding, effective, permitted, inheritable, ambient capSet }

// capabilitiesOf reads the sets; no entry at all is none.
func capabilitiesOf(c *specs.LinuxCapabilities) capSets {
	if c == nil {
		return capSets{}
	}
	var s capSets
	for to, from := range map[*capSet][]string{&s.bounding: c.Bounding, &s.effective: c.Effective, &s.permitted: c.Permitted,
		&s.inheritable: c.Inheritable, &s.ambient: c.Ambient} {
		*to, _ = capMask(from)
	}
	return s
}

// checkCapabilities refuses sets that the kernel would not take. A name that it
// does not know can be granted to nobody: the specification wants a warning then.
func checkCapabilities(c *specs.LinuxCapabilities) error {
	if c == nil {
		return nil
	}
	s := capabilitiesOf(c)
	if s.effective&^s.permitted != 0 {
		return refuse("process.capabilities: the effective set holds more than the permitted one")
	}
	return nil
}

// unknownCapabilities are the names that are left out, each once.
func unknownCapabilities(c *specs.LinuxCapabilities) []string {
	if c == nil {
		return nil
	}
	_, unknown := capMask(slices.Concat(c.Bounding, c.Effective, c.Permitted, c.Inheritable, c.Ambient))
	slices.Sort(unknown)
	return slices.Compact(unknown)
}

// held are the capabilities that this thread has, of the kind CapPrm or CapBnd.
func held(kind string) (capSet, error) {
	text, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, kind+":"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(v), 16, 64)
			return capSet(n), err
		}
	}
	return 0, fmt.Errorf("no %s in the status", kind)
}

// dropBounding leaves in the bounding set what s allows.
func (s capSets) dropBounding(have capSet) error {
	for n := range 64 {
		if have.has(n) && !s.bounding.has(n) {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0); err != nil {
				return fmt.Errorf("drop capability %d: %w", n, err)
			}
		}
	}
	return nil
}

// apply sets the remaining sets of the calling thread. Ambient ones that the
// kernel does not take are left out, with a warning: they could only be more.
func (s capSets) apply(warn func(string)) error {
	hdr := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{}
	for i := range 2 {
		data[i] = unix.CapUserData{Effective: uint32(s.effective >> (32 * i)), Permitted: uint32(s.permitted >> (32 * i)), Inheritable: uint32(s.inheritable >> (32 * i))}
	}
	if _, _, e := unix.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(hdr)), uintptr(unsafe.Pointer(&data[0])), 0); e != 0 {
		return fmt.Errorf("set capabilities: %w", e)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	for n := range len(capabilityNames) {
		if !s.ambient.has(n) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(n), 0, 0); err != nil {
			warn(fmt.Sprintf("can't raise ambient capability CAP_%s: %v", capabilityNames[n], err))
		}
	}
	return nil
}
