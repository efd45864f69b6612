package oci

import (
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
)

// trees are the bind mounts that only we can prepare: those with mapped ids,
// and all of a container with a user namespace, whose root may not reach them.
func (l *launch) trees() (map[int]*os.File, error) {
	if l.order.Exec {
		return nil, nil
	}
	out := map[int]*os.File{}
	for i, entry := range l.spec.Mounts {
		m, err := parseMount(entry, l.order.Bundle)
		if err != nil {
			return nil, err
		}
		if !m.bind || !m.idmap && namespace(l.spec, specs.UserNamespace) == nil {
			continue
		}
		if m.kind == "cgroup" || m.kind == "cgroup2" {
			continue
		}
		tree, err := l.tree(m, entry)
		if err != nil {
			return nil, err
		}
		out[i] = tree
	}
	return out, nil
}

func (l *launch) tree(m mount, entry specs.Mount) (*os.File, error) {
	fd, err := unix.Open(m.source, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "error mounting %q to rootfs at %q", m.source, m.to)
	}
	src := os.NewFile(uintptr(fd), m.source)
	defer src.Close()
	tree, err := cloneTree(src, m.recursive)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "error mounting %q to rootfs at %q", m.source, m.to)
	}
	f := os.NewFile(uintptr(tree), m.source)
	if m.idmap {
		err = l.mapTree(m, entry, f)
	}
	if err == nil {
		err = m.setAttributes(tree)
	}
	if err != nil {
		f.Close()
		return nil, fault.Wrap(err, fault.Invalid, "error mounting %q to rootfs at %q", m.source, m.to)
	}
	return f, nil
}

// mapTree shows the files of a mount under other owners.
func (l *launch) mapTree(m mount, entry specs.Mount, tree *os.File) error {
	users, groups := entry.UIDMappings, entry.GIDMappings
	if len(users) == 0 {
		users, groups = l.spec.Linux.UIDMappings, l.spec.Linux.GIDMappings
	}
	if len(users) == 0 {
		return refuse("the mount %s is to have mapped ids, but there are no mappings", m.to)
	}
	ns, err := sandbox.NewUserNamespace(idLines(users), idLines(groups))
	if err != nil {
		return fmt.Errorf("mappings: %w", err)
	}
	defer unix.Close(ns)
	flags := uint(unix.AT_EMPTY_PATH)
	if m.idmapAll {
		flags |= unix.AT_RECURSIVE
	}
	if err := unix.MountSetattr(int(tree.Fd()), "", flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns)}); err != nil {
		return fmt.Errorf("mapped ids: %w", err)
	}
	return nil
}

func idLines(list []specs.LinuxIDMapping) (text string) {
	for _, m := range list {
		text += fmt.Sprintf("%d %d %d\n", m.ContainerID, m.HostID, m.Size)
	}
	return text
}
