package oci

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// groupView is one mounted hierarchy of control groups, and where the container
// is in it.
type groupView struct {
	Names []string // v1 controllers, or "name=systemd"; empty: v2
	Mount string   // where the host has it mounted
	Own   string   // the container's folder
}

// putGroups shows the container its own control groups below m.to and none
// above.
func (b *builder) putGroups(m mount) error {
	v1 := slices.ContainsFunc(b.groups, func(g groupView) bool { return len(g.Names) > 0 })
	if !v1 || m.kind == "cgroup2" {
		to, err := b.root.mkdirs(m.to, 0o755)
		if err != nil {
			return err
		}
		defer to.Close()
		for _, g := range b.groups {
			if len(g.Names) == 0 {
				return b.putGroup(m, g, to)
			}
		}
		return refuse("the mount %s: this machine has no control groups of version 2", m.to)
	}
	to, err := b.root.mkdirs(m.to, 0o755)
	if err != nil {
		return err
	}
	defer to.Close()
	tmp := mount{to: m.to, kind: "tmpfs", data: []string{"mode=755"}, set: m.set &^ unix.MOUNT_ATTR_RDONLY, clear: m.clear}
	tree, err := newFilesystem(tmp)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	if err := b.place(tmp, tree, to); err != nil {
		return err
	}
	for _, g := range b.groups {
		if err := b.putGroupV1(m, g, tree); err != nil {
			return err
		}
	}
	if m.set&unix.MOUNT_ATTR_RDONLY != 0 {
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("mount_setattr: %w", err)
		}
	}
	return m.setPropagation(tree)
}

func (b *builder) putGroupV1(m mount, g groupView, tree int) error {
	if len(g.Names) == 0 {
		return nil
	}
	name := path.Base(g.Mount)
	if err := unix.Mkdirat(tree, name, 0o755); err != nil {
		return fmt.Errorf("cgroup folder %s: %w", name, err)
	}
	fd, err := unix.Openat(tree, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	to := os.NewFile(uintptr(fd), name)
	defer to.Close()
	if err := b.putGroup(m, g, to); err != nil {
		return fmt.Errorf("cgroup %s: %w", name, err)
	}
	if len(g.Names) < 2 {
		return nil
	}
	for _, c := range g.Names { // cpu and cpuacct in one: each has a name of its own
		if c != name {
			_ = unix.Symlinkat(name, tree, c)
		}
	}
	return nil
}

// putGroup mounts one hierarchy: as the namespace shows it, or the container's
// own folder.
func (b *builder) putGroup(m mount, g groupView, to *os.File) error {
	one := mount{to: m.to, kind: "cgroup2", set: m.set, clear: m.clear}
	if len(g.Names) > 0 {
		one.kind = "cgroup"
		for _, n := range g.Names {
			if strings.HasPrefix(n, "name=") {
				one.data = append(one.data, "none", n)
			} else {
				one.data = append(one.data, n)
			}
		}
	}
	if namespace(b.spec, specs.CgroupNamespace) != nil {
		tree, err := newFilesystem(one)
		if err == nil {
			defer unix.Close(tree)
			return b.place(one, tree, to)
		}
		if b.inUserns {
			return err
		}
	}
	fd, err := unix.Open(g.Own, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: g.Own, Err: err}
	}
	own := os.NewFile(uintptr(fd), g.Own)
	defer own.Close()
	tree, err := cloneTree(own, false)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return b.place(one, tree, to)
}
