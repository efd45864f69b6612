package oci

import (
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// checkSysctl lets through only what belongs to a namespace of the container's
// own; anything else would be the host's.
func checkSysctl(s *specs.Spec) error {
	for name := range s.Linux.Sysctl {
		key := sysctlPath(name)
		kind, ok := sysctlNamespace(key)
		if !ok {
			return refuse("sysctl %q is not in a separate kernel namespace", name)
		}
		if n := namespace(s, kind); n == nil || sameNamespace(n.Path, kind) {
			return refuse("sysctl %q is not allowed as the %s namespace is the host's", name, kind)
		}
		if key == "kernel/hostname" {
			return refuse("sysctl %q conflicts with the hostname setting", name)
		}
		if key == "kernel/domainname" && s.Domainname != "" {
			return refuse("sysctl %q conflicts with domainname", name)
		}
	}
	return nil
}

// sysctlPath turns either notation into a path below /proc/sys: the first
// separator says which of . and / separates.
func sysctlPath(name string) string {
	i := strings.IndexAny(name, "./")
	if i < 0 || name[i] == '/' {
		return name
	}
	swap := func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}
	return strings.Map(swap, name)
}

func sysctlNamespace(key string) (specs.LinuxNamespaceType, bool) {
	for _, part := range strings.Split(key, "/") {
		if part == ".." || part == "." || part == "" {
			return "", false
		}
	}
	switch key {
	case "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall", "kernel/shmmax", "kernel/shmmni",
		"kernel/shm_rmid_forced", "kernel/msg_next_id", "kernel/sem_next_id", "kernel/shm_next_id":
		return specs.IPCNamespace, true
	case "kernel/domainname", "kernel/hostname":
		return specs.UTSNamespace, true
	}
	switch {
	case strings.HasPrefix(key, "fs/mqueue/"):
		return specs.IPCNamespace, true
	case strings.HasPrefix(key, "net/"):
		return specs.NetworkNamespace, true
	}
	return "", false
}
