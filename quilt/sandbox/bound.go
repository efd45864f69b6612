package sandbox

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// devNames are the devices of a container.
var devNames = []string{"null", "zero", "full", "random", "urandom"}

// bindDev shows the host's five devices, where none can be made.
func bindDev(dir string) error {
	fd, _, err := newTmpfs([][2]string{{"mode", "755"}, {"size", "64k"}, {"source", "dev"}}, false)
	if err != nil {
		return fmt.Errorf("template: dev tmpfs: %w", err)
	}
	defer unix.Close(fd)
	const flags = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
	if err := attach(fd, dir, flags); err != nil {
		return err
	}
	for _, name := range devNames {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			return fmt.Errorf("template: %w", err)
		}
		if err := bindDevice("/dev/"+name, file, flags); err != nil {
			return err
		}
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, dir, 0, attr); err != nil {
		return fmt.Errorf("template: mount flags of %s: %w", dir, err)
	}
	return nil
}

func bindDevice(device, file string, flags uint64) error {
	from, err := unix.OpenTree(unix.AT_FDCWD, device, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("template: %s: %w", device, err)
	}
	defer unix.Close(from)
	return attach(from, file, flags)
}

// reveal shows the host's proc on dir, in the template alone. In a user namespace
// the kernel mounts a proc only where another is to be seen whole; each container
// mounts its own beside it and then takes this one away.
func reveal(dir string) error {
	if err := unix.Mount("/proc", dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("template: show proc: %w", err)
	}
	return nil
}
