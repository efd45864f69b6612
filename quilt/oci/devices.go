package oci

import (
	"fmt"
	"os"
	"path"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// usualDevices are in every container (runtime specification, "Default Devices").
var usualDevices = []specs.LinuxDevice{
	{Path: "/dev/null", Type: "c", Major: 1, Minor: 3}, {Path: "/dev/zero", Type: "c", Major: 1, Minor: 5},
	{Path: "/dev/full", Type: "c", Major: 1, Minor: 7}, {Path: "/dev/random", Type: "c", Major: 1, Minor: 8},
	{Path: "/dev/urandom", Type: "c", Major: 1, Minor: 9}, {Path: "/dev/tty", Type: "c", Major: 5, Minor: 0},
}

// devices makes the usual ones and those of the configuration.
func (b *builder) devices() error {
	mask := unix.Umask(0)
	defer unix.Umask(mask)
	listed := map[string]bool{}
	for _, d := range b.spec.Linux.Devices {
		listed[path.Clean(d.Path)] = true
		if err := b.device(d); err != nil {
			return fault.Wrap(err, fault.Invalid, "the device %s cannot be made", d.Path)
		}
	}
	for _, d := range usualDevices {
		if listed[d.Path] {
			continue
		}
		if err := b.device(d); err != nil {
			return fault.Wrap(err, fault.Unavailable, "the device %s cannot be made", d.Path)
		}
	}
	return nil
}

func (b *builder) device(d specs.LinuxDevice) error {
	name := path.Clean(d.Path)
	dir, err := b.root.mkdirs(path.Dir(name), 0o755)
	if err != nil {
		return err
	}
	defer dir.Close()
	kind := map[string]uint32{"c": unix.S_IFCHR, "u": unix.S_IFCHR, "b": unix.S_IFBLK, "p": unix.S_IFIFO}[d.Type]
	perm := uint32(0o666)
	if d.FileMode != nil {
		perm = uint32(d.FileMode.Perm())
	}
	number := unix.Mkdev(uint32(d.Major), uint32(d.Minor))
	if b.inUserns && d.Type != "p" {
		return b.bindDevice(d, dir)
	}
	err = unix.Mknodat(int(dir.Fd()), path.Base(name), kind|perm, int(number))
	if err == unix.EEXIST {
		return sameDevice(int(dir.Fd()), path.Base(name), kind, number)
	}
	if err != nil {
		return fmt.Errorf("mknod: %w", err)
	}
	uid, gid := uint32(0), uint32(0)
	if d.UID != nil {
		uid = *d.UID
	}
	if d.GID != nil {
		gid = *d.GID
	}
	if err := unix.Fchownat(int(dir.Fd()), path.Base(name), int(uid), int(gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("chown: %w", err)
	}
	return nil
}

// sameDevice accepts what is there already only if it is what was asked for.
func sameDevice(dir int, name string, kind uint32, number uint64) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != kind || kind != unix.S_IFIFO && st.Rdev != number {
		return fmt.Errorf("something else lies there")
	}
	return nil
}

// bindDevice shows the host's node: in a user namespace none can be made.
func (b *builder) bindDevice(d specs.LinuxDevice, _ *os.File) error {
	to, err := b.root.mkfile(d.Path)
	if err != nil {
		return err
	}
	defer to.Close()
	fd, err := unix.Open(d.Path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: d.Path, Err: err}
	}
	src := os.NewFile(uintptr(fd), d.Path)
	defer src.Close()
	tree, err := cloneTree(src, false)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return attach(tree, int(to.Fd()))
}

// deviceLinks are the names that programs look for (runtime specification,
// "/dev symbolic links"). What is there already stays.
func (b *builder) deviceLinks() error {
	dev, err := b.root.mkdirs("/dev", 0o755)
	if err != nil {
		return err
	}
	defer dev.Close()
	links := [][2]string{{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}}
	if exists("/proc/kcore") {
		links = append(links, [2]string{"/proc/kcore", "core"})
	}
	pts, err := b.root.open("/dev/pts/ptmx", unix.O_PATH)
	if err == nil {
		pts.Close()
		if err := unix.Unlinkat(int(dev.Fd()), "ptmx", 0); err != nil && err != unix.ENOENT {
			return fmt.Errorf("/dev/ptmx: %w", err)
		}
		links = append(links, [2]string{"pts/ptmx", "ptmx"})
	}
	for _, l := range links {
		if err := unix.Symlinkat(l[0], int(dev.Fd()), l[1]); err != nil && err != unix.EEXIST {
			return fmt.Errorf("/dev/%s: %w", l[1], err)
		}
	}
	return nil
}
