package oci

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// What is hidden and what is frozen when the configuration does not say: the
// parts of /proc and /sys that tell of the host or reach it.
var (
	usualMasks = []string{"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/proc/interrupts", "/sys/firmware", "/sys/devices/virtual/powercap"}
	usualReadonly = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

func (b *builder) maskedPaths() []string {
	if b.spec.Linux.MaskedPaths == nil {
		return usualMasks
	}
	return slices.Compact(slices.Sorted(slices.Values(b.spec.Linux.MaskedPaths)))
}

func (b *builder) readonlyPaths() []string {
	if b.spec.Linux.ReadonlyPaths == nil {
		return usualReadonly
	}
	return slices.Compact(slices.Sorted(slices.Values(b.spec.Linux.ReadonlyPaths)))
}

// mask covers a file with /dev/null, the host's own, and a folder with an empty
// one. What is not there needs no cover.
func (b *builder) mask(name string) error {
	f, err := b.root.open(name, unix.O_PATH)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return b.maskFolder(f)
	}
	tree, err := cloneTree(b.null, false)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return frozen(tree, f, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
}

// maskFolder covers all with the same empty folder.
func (b *builder) maskFolder(f *os.File) error {
	if b.empty != nil {
		tree, err := cloneTree(b.empty, false)
		if err != nil {
			return err
		}
		defer unix.Close(tree)
		return attach(tree, int(f.Fd()))
	}
	tree, err := newFilesystem(mount{kind: "tmpfs", data: []string{"nr_blocks=1", "nr_inodes=1", "mode=755"}})
	if err != nil {
		return err
	}
	b.empty = os.NewFile(uintptr(tree), "empty")
	return frozen(tree, f, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
}

// freeze puts a read-only view of a file or folder over itself.
func (b *builder) freeze(name string) error {
	f, err := b.root.open(name, unix.O_PATH)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	tree, err := cloneTree(f, true)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return frozen(tree, f, 0)
}

// frozen places tree over f, read-only.
func frozen(tree int, f *os.File, more uint64) error {
	a := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | more}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, a); err != nil {
		return fmt.Errorf("mount_setattr: %w", err)
	}
	return attach(tree, int(f.Fd()))
}

// lock makes a mount of ours read-only.
func (b *builder) lock(name string) error {
	f, err := b.root.open(name, unix.O_PATH)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.MountSetattr(int(f.Fd()), "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}
