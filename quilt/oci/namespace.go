package oci

import (
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

var namespaceFlags = map[specs.LinuxNamespaceType]int{
	specs.PIDNamespace: unix.CLONE_NEWPID, specs.NetworkNamespace: unix.CLONE_NEWNET, specs.MountNamespace: unix.CLONE_NEWNS,
	specs.IPCNamespace: unix.CLONE_NEWIPC, specs.UTSNamespace: unix.CLONE_NEWUTS, specs.UserNamespace: unix.CLONE_NEWUSER,
	specs.CgroupNamespace: unix.CLONE_NEWCGROUP, specs.TimeNamespace: unix.CLONE_NEWTIME,
}

// namespaceFiles are the names below /proc/PID/ns.
var namespaceFiles = map[specs.LinuxNamespaceType]string{
	specs.PIDNamespace: "pid", specs.NetworkNamespace: "net", specs.MountNamespace: "mnt", specs.IPCNamespace: "ipc",
	specs.UTSNamespace: "uts", specs.UserNamespace: "user", specs.CgroupNamespace: "cgroup", specs.TimeNamespace: "time",
}

// sameNamespace says that path is the namespace we are in; "" is not.
func sameNamespace(path string, kind specs.LinuxNamespaceType) bool {
	if path == "" {
		return false
	}
	a, err := os.Stat(path)
	if err != nil {
		return false
	}
	b, err := os.Stat("/proc/self/ns/" + namespaceFiles[kind])
	return err == nil && os.SameFile(a, b)
}

// entry is an open namespace to enter.
type entry struct {
	file *os.File
	flag int
}

// openNamespace opens path and makes sure that it is of that kind.
func openNamespace(path string, kind specs.LinuxNamespaceType) (entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return entry{}, fault.Wrap(err, fault.Invalid, "the %s namespace %s cannot be opened", kind, path)
	}
	flag := namespaceFlags[kind]
	got, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || got != flag {
		f.Close()
		return entry{}, refuse("%s is not a %s namespace", path, kind)
	}
	return entry{f, flag}, nil
}

// joined opens the namespaces that the configuration names by path, the user
// namespace last: whoever has entered it may not enter the host's others.
func joined(s *specs.Spec) (list []entry, user *entry, err error) {
	for _, n := range s.Linux.Namespaces {
		if n.Path == "" {
			continue
		}
		e, err := openNamespace(n.Path, n.Type)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case sameNamespace(n.Path, n.Type):
			e.file.Close()
		case n.Type == specs.UserNamespace:
			user = &e
		default:
			list = append(list, e)
		}
	}
	return list, user, nil
}

// newFlags are the namespaces to be made at the clone. Those of time and
// control groups are made by the child.
func newFlags(s *specs.Spec) uintptr {
	var flags int
	for _, n := range s.Linux.Namespaces {
		if n.Path == "" && n.Type != specs.CgroupNamespace && n.Type != specs.TimeNamespace {
			flags |= namespaceFlags[n.Type]
		}
	}
	return uintptr(flags)
}

// copyClocks sets the clocks of a time namespace in which nobody is yet as another
// process has them.
func copyClocks(from, to int) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/timens_offsets", from))
	if err == nil {
		err = os.WriteFile(fmt.Sprintf("/proc/%d/timens_offsets", to), text, 0)
	}
	if err != nil {
		return fmt.Errorf("clocks of the container: %w", err)
	}
	return nil
}

// newTime gives the calling process other clocks, from its next execve on
// (Linux 6.2). It has to be the process's first thread, which /proc shows.
func newTime(s *specs.Spec) error {
	if !private(s, specs.TimeNamespace) {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the kernel made no time namespace")
	}
	for clock, o := range s.Linux.TimeOffsets {
		line := fmt.Sprintf("%s %d %d\n", clock, o.Secs, o.Nanosecs)
		if err := os.WriteFile("/proc/self/timens_offsets", []byte(line), 0); err != nil {
			return fault.Wrap(err, fault.Invalid, "the offset of the clock %s cannot be set", clock)
		}
	}
	return nil
}
