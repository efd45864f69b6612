package pid1

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

type mount struct {
	source, target, kind string
	flags                uintptr
	data                 string
	optional             bool // the kernel or the machine may lack it
}

const quiet = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// earlyMounts are made in the initramfs and move along.
var earlyMounts = []mount{
	{"proc", "/proc", "proc", quiet, "hidepid=invisible", false},
	{"sysfs", "/sys", "sysfs", quiet, "", false},
	{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0755,size=64k", false},
	{"cgroup2", "/sys/fs/cgroup", "cgroup2", quiet, "nsdelegate", false},
	{"securityfs", "/sys/kernel/security", "securityfs", quiet, "", true},
	{"efivarfs", "/sys/firmware/efi/efivars", "efivarfs", quiet | unix.MS_RDONLY, "", true},
	{"run", "/run", "tmpfs", quiet, "mode=0755,size=16m", false},
}

// movedMounts go into the new root, in this order; what lies below goes with them.
var movedMounts = []string{"/proc", "/sys", "/dev", "/run"}

// lateMounts are made in the new root.
var lateMounts = []mount{
	{"tmp", "/tmp", "tmpfs", quiet, "mode=1777,size=64m", false},
}

func mountAll(list []mount) error {
	for _, m := range list {
		if m.optional {
			if _, err := os.Stat(m.target); err != nil {
				continue
			}
		} else {
			_ = os.MkdirAll(m.target, 0o755)
		}
		err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data)
		if err != nil && !m.optional {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return nil
}

// switchRoot makes dir the root of this process and of all that follow. The
// files of the initramfs are removed, for they are memory.
func switchRoot(dir string) error {
	for _, d := range movedMounts {
		if err := unix.Mount(d, filepath.Join(dir, d), "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", d, err)
		}
	}
	for _, gone := range []string{"/modules", "/init"} {
		_ = os.RemoveAll(gone)
	}
	if err := unix.Chdir(dir); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	return unix.Chdir("/")
}
