package oci

import (
	"flag"
	"os"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// spec writes a configuration to begin with.
func (f *front) spec(set *flag.FlagSet, args []string) (int, error) {
	bundle := set.String("bundle", "", "`folder` of the bundle (default: the current one)")
	set.StringVar(bundle, "b", "", "`folder` of the bundle (default: the current one)")
	if err := set.Parse(args); err != nil {
		return 1, err
	}
	if set.NArg() > 0 {
		return 1, fault.New(fault.Invalid, "spec takes no argument %q", set.Arg(0))
	}
	path := filepath.Join(*bundle, configName)
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return 1, fault.Wrap(err, fault.Conflict, "%s cannot be made", path).WithHint("remove the one that is there first")
	}
	err = printJSON(out, exampleSpec())
	if e := out.Close(); err == nil {
		err = e
	}
	return 0, err
}

func exampleSpec() *specs.Spec {
	few := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	spaces := []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.NetworkNamespace}, {Type: specs.IPCNamespace},
		{Type: specs.UTSNamespace}, {Type: specs.MountNamespace}}
	if g, _, err := locate("", "x"); err == nil && g.v2() {
		// On version 1 a container is shown its own groups only, without one.
		spaces = append(spaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	return &specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: "rootfs", Readonly: true},
		Process: &specs.Process{Terminal: true, Args: []string{"sh"}, Cwd: "/", NoNewPrivileges: true,
			Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"},
			Capabilities: &specs.LinuxCapabilities{Bounding: few, Permitted: few, Effective: few},
			Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 1024}}},
		Hostname: "quilt",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
		},
		Linux: &specs.Linux{
			Resources:  &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
			Namespaces: spaces, MaskedPaths: usualMasks, ReadonlyPaths: usualReadonly,
		},
	}
}

// features says what this runtime can do (features.md of the specification).
func (f *front) features(set *flag.FlagSet, args []string) (int, error) {
	if err := set.Parse(args); err != nil {
		return 1, err
	}
	yes, no := true, false
	l := &features.Linux{
		Cgroup:          &features.Cgroup{V1: &yes, V2: &yes, Systemd: &no, SystemdUser: &no, Rdma: &yes},
		Seccomp:         &features.Seccomp{Enabled: &yes},
		Apparmor:        &features.Apparmor{Enabled: &no},
		Selinux:         &features.Selinux{Enabled: &no},
		IntelRdt:        &features.IntelRdt{Enabled: &no},
		MemoryPolicy:    &features.MemoryPolicy{},
		MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &yes}},
		NetDevices:      &features.NetDevices{Enabled: &no},
	}
	for n := range namespaceFlags {
		l.Namespaces = append(l.Namespaces, string(n))
	}
	for _, c := range capabilityNames {
		l.Capabilities = append(l.Capabilities, "CAP_"+c)
	}
	for a := range seccompActions {
		l.Seccomp.Actions = append(l.Seccomp.Actions, string(a))
	}
	for o := range seccompOperators {
		l.Seccomp.Operators = append(l.Seccomp.Operators, string(o))
	}
	_, archs := seccompArchs()
	for a := range archs {
		l.Seccomp.Archs = append(l.Seccomp.Archs, string(a))
	}
	for fl := range seccompFlags {
		l.Seccomp.KnownFlags = append(l.Seccomp.KnownFlags, string(fl))
	}
	for m := range memoryModes {
		l.MemoryPolicy.Modes = append(l.MemoryPolicy.Modes, string(m))
	}
	for m := range memoryFlags {
		l.MemoryPolicy.Flags = append(l.MemoryPolicy.Flags, string(m))
	}
	options := mountOptions()
	for _, list := range [][]string{l.Namespaces, l.Seccomp.Actions, l.Seccomp.Operators, l.Seccomp.Archs, l.Seccomp.KnownFlags, l.MemoryPolicy.Modes, l.MemoryPolicy.Flags, options} {
		slices.Sort(list)
	}
	l.Seccomp.SupportedFlags = l.Seccomp.KnownFlags
	return 0, printJSON(f.stdout, features.Features{OCIVersionMin: "1.0.0", OCIVersionMax: specs.Version,
		Hooks: []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}, MountOptions: options, Linux: l})
}
