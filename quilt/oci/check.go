package oci

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// refuse is the answer to what a configuration asks for and we do not do.
func refuse(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, format, args...)
}

// checkConfig refuses what this runtime cannot do as asked. It touches nothing.
func checkConfig(s *specs.Spec, bundle string) error {
	for _, check := range []func(*specs.Spec, string) error{checkVersion, checkRoot, checkProcess, checkNamespaces, checkLinux, checkMounts, checkHooks} {
		if err := check(s, bundle); err != nil {
			return err
		}
	}
	_, err := compileSeccomp(s.Linux.Seccomp)
	return err
}

func checkVersion(s *specs.Spec, _ string) error {
	v, err := semver.StrictNewVersion(s.Version)
	if err != nil {
		return refuse("ociVersion %q is not a version", s.Version)
	}
	if v.Major() != 1 {
		return refuse("ociVersion %s is not supported, only 1.x", s.Version)
	}
	if s.Windows != nil || s.Solaris != nil || s.VM != nil || s.ZOS != nil || s.FreeBSD != nil {
		return refuse("the configuration is for another platform than Linux")
	}
	if s.Linux == nil {
		s.Linux = &specs.Linux{}
	}
	return nil
}

func checkRoot(s *specs.Spec, bundle string) error {
	if s.Root == nil || s.Root.Path == "" {
		return refuse("root.path is missing")
	}
	info, err := os.Stat(rootfs(s, bundle))
	if err != nil || !info.IsDir() {
		return refuse("the root %s is not a folder", rootfs(s, bundle))
	}
	if strings.ContainsAny(rootfs(s, bundle), "\x00\n") {
		return refuse("the root's path holds a control character")
	}
	return nil
}

func checkProcess(s *specs.Spec, _ string) error {
	if s.Process == nil {
		return nil // create may leave it out; start then refuses
	}
	return checkProc(s.Process)
}

// checkProc checks what create and exec start.
func checkProc(p *specs.Process) error {
	switch {
	case len(p.Args) == 0:
		return refuse("process.args must not be empty")
	case p.Cwd == "":
		return refuse("process.cwd must not be empty")
	case !path.IsAbs(p.Cwd):
		return refuse("process.cwd %q is not an absolute path", p.Cwd)
	case p.ApparmorProfile != "":
		return refuse("process.apparmorProfile is not supported")
	case p.SelinuxLabel != "":
		return refuse("process.selinuxLabel is not supported")
	case p.CommandLine != "":
		return refuse("process.commandLine is for another platform")
	}
	if a := p.ExecCPUAffinity; a != nil {
		for _, list := range []string{a.Initial, a.Final} {
			if _, err := cpuList(list); err != nil {
				return refuse("process.execCPUAffinity: %v", err)
			}
		}
	}
	if a := p.OOMScoreAdj; a != nil && (*a < -1000 || *a > 1000) {
		return refuse("process.oomScoreAdj %d is outside -1000 to 1000", *a)
	}
	seen := map[string]bool{}
	for _, r := range p.Rlimits {
		if _, ok := rlimitNumbers[r.Type]; !ok {
			return refuse("process.rlimits: the type %q is not known", r.Type)
		}
		if seen[r.Type] {
			return refuse("process.rlimits: %s is listed twice", r.Type)
		}
		if seen[r.Type] = true; r.Soft > r.Hard {
			return refuse("process.rlimits: the soft limit of %s is above the hard one", r.Type)
		}
	}
	for _, e := range p.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" || strings.ContainsRune(e, 0) {
			return refuse("process.env: %.64q is not NAME=value", e)
		}
	}
	if err := checkCapabilities(p.Capabilities); err != nil {
		return err
	}
	return checkTuning(p)
}

func checkNamespaces(s *specs.Spec, _ string) error {
	seen := map[specs.LinuxNamespaceType]bool{}
	for _, n := range s.Linux.Namespaces {
		if _, ok := namespaceFlags[n.Type]; !ok {
			return refuse("linux.namespaces: the type %q is not known", n.Type)
		}
		if seen[n.Type] {
			return refuse("linux.namespaces: %s is listed twice", n.Type)
		}
		seen[n.Type] = true
		if n.Path != "" && !filepath.IsAbs(n.Path) {
			return refuse("linux.namespaces: %q is not an absolute path", n.Path)
		}
	}
	l := s.Linux
	switch {
	case !seen[specs.MountNamespace]:
		return refuse("linux.namespaces lacks a mount namespace: the host's own mounts would change")
	case namespace(s, specs.MountNamespace).Path != "":
		return refuse("linux.namespaces: joining a mount namespace by path is not supported")
	case private(s, specs.UserNamespace) && (len(l.UIDMappings) == 0 || len(l.GIDMappings) == 0):
		return refuse("a new user namespace needs linux.uidMappings and linux.gidMappings")
	case !private(s, specs.UserNamespace) && len(l.UIDMappings)+len(l.GIDMappings) > 0:
		return refuse("linux.uidMappings and gidMappings need a new user namespace")
	case (s.Hostname != "" || s.Domainname != "") && !seen[specs.UTSNamespace]:
		return refuse("a hostname or domainname needs a uts namespace")
	case len(l.TimeOffsets) > 0 && !private(s, specs.TimeNamespace):
		return refuse("linux.timeOffsets needs a new time namespace")
	}
	for clock := range l.TimeOffsets {
		if clock != "monotonic" && clock != "boottime" {
			return refuse("linux.timeOffsets: the clock %q is not known", clock)
		}
	}
	return checkSysctl(s)
}

func checkLinux(s *specs.Spec, _ string) error {
	l := s.Linux
	switch {
	case l.MountLabel != "":
		return refuse("linux.mountLabel is not supported")
	case l.IntelRdt != nil:
		return refuse("linux.intelRdt is not supported")
	case len(l.NetDevices) > 0:
		return refuse("linux.netDevices is not supported")
	}
	if _, ok := propagation[l.RootfsPropagation]; l.RootfsPropagation != "" && !ok {
		return refuse("linux.rootfsPropagation %q is not known", l.RootfsPropagation)
	}
	for _, list := range [][]string{l.MaskedPaths, l.ReadonlyPaths} {
		for _, p := range list {
			if !path.IsAbs(p) {
				return refuse("the masked or read-only path %q is not absolute", p)
			}
		}
	}
	for _, d := range l.Devices {
		if !path.IsAbs(d.Path) || path.Clean(d.Path) == "/" {
			return refuse("linux.devices: %q is not an absolute path", d.Path)
		}
		if !slices.Contains([]string{"c", "u", "b", "p"}, d.Type) {
			return refuse("linux.devices: the type %q of %s is not known", d.Type, d.Path)
		}
	}
	if err := checkPersonality(l.Personality); err != nil {
		return err
	}
	if err := checkMemoryPolicy(l.MemoryPolicy); err != nil {
		return err
	}
	if strings.Contains(l.CgroupsPath, "..") {
		return refuse("linux.cgroupsPath %q leads out of where it belongs", l.CgroupsPath)
	}
	return nil
}

func checkMounts(s *specs.Spec, bundle string) error {
	for i := range s.Mounts {
		m := &s.Mounts[i]
		if !path.IsAbs(m.Destination) {
			// Tolerated by the older versions of the specification.
			m.Destination = path.Join("/", m.Destination)
		}
		if len(m.UIDMappings) != len(m.GIDMappings) && (len(m.UIDMappings) == 0 || len(m.GIDMappings) == 0) {
			return refuse("the mount %s has mappings of users or of groups, but not of both", m.Destination)
		}
		o, err := parseMount(*m, bundle)
		if err != nil {
			return err
		}
		if o.idmap && !o.bind {
			return refuse("the mount %s has id mappings, but is no bind mount", m.Destination)
		}
	}
	return nil
}

func checkHooks(s *specs.Spec, _ string) error {
	if s.Hooks == nil {
		return nil
	}
	h := s.Hooks
	for _, list := range [][]specs.Hook{h.Prestart, h.CreateRuntime, h.CreateContainer, h.StartContainer, h.Poststart, h.Poststop} {
		for _, hook := range list {
			if !filepath.IsAbs(hook.Path) {
				return refuse("the hook %q is not an absolute path", hook.Path)
			}
			if hook.Timeout != nil && *hook.Timeout <= 0 {
				return refuse("the timeout of the hook %s must be more than 0", hook.Path)
			}
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
