package oci

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// put makes one mount of the configuration below the root.
func (b *builder) put(m mount) error {
	var err error
	switch {
	case m.kind == "cgroup" || m.kind == "cgroup2":
		err = b.putGroups(m)
	case m.bind:
		err = b.putBind(m)
	default:
		err = b.putNew(m)
	}
	if _, ok := fault.As(err); err != nil && !ok {
		return fault.Wrap(err, fault.Invalid, "error mounting %q to rootfs at %q", m.source, m.to)
	}
	return err
}

// putBind shows a file or folder of the host.
func (b *builder) putBind(m mount) error {
	fd, err := unix.Open(m.source, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: m.source, Err: err}
	}
	src := os.NewFile(uintptr(fd), m.source)
	defer src.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &st); err != nil {
		return err
	}
	var to *os.File
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		to, err = b.root.mkdirs(m.to, 0o755)
	} else {
		to, err = b.root.mkfile(m.to)
	}
	if err != nil {
		return err
	}
	defer to.Close()
	if err := guardProc(m, to); err != nil {
		return err
	}
	tree, err := cloneTree(src, m.recursive)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return b.place(m, tree, to)
}

// place sets what the options say and puts the mount where it belongs.
func (b *builder) place(m mount, tree int, to *os.File) error {
	if err := m.setAttributes(tree); err != nil {
		return err
	}
	if err := attach(tree, int(to.Fd())); err != nil {
		return err
	}
	return m.setPropagation(tree)
}

func (m mount) setAttributes(tree int) error {
	if m.rset|m.rclear != 0 {
		a := &unix.MountAttr{Attr_set: m.rset, Attr_clr: m.rclear}
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, a); err != nil {
			return fmt.Errorf("mount_setattr (recursive): %w", err)
		}
	}
	if m.set|m.clear != 0 {
		a := &unix.MountAttr{Attr_set: m.set, Attr_clr: m.clear}
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, a); err != nil {
			return fmt.Errorf("mount_setattr: %w", err)
		}
	}
	return nil
}

func (m mount) setPropagation(tree int) error {
	for i, p := range m.spread {
		flags := uint(unix.AT_EMPTY_PATH)
		if m.spreadAll[i] {
			flags |= unix.AT_RECURSIVE
		}
		if err := unix.MountSetattr(tree, "", flags, &unix.MountAttr{Propagation: p}); err != nil {
			return fmt.Errorf("propagation: %w", err)
		}
	}
	return nil
}

// putNew mounts a file system.
func (b *builder) putNew(m mount) error {
	if m.kind == "proc" || m.kind == "sysfs" {
		if err := b.ordinaryFolder(m); err != nil {
			return err
		}
	}
	there, err := b.root.open(m.to, unix.O_PATH)
	if err == nil {
		there.Close()
	}
	to, made := there, err != nil
	if to, err = b.root.mkdirs(m.to, 0o755); err != nil {
		return err
	}
	defer to.Close()
	if err := guardProc(m, to); err != nil {
		return err
	}
	if m.kind == "tmpfs" {
		if !made {
			m.data = tmpfsMode(m.data, to)
		}
		if m.set&unix.MOUNT_ATTR_RDONLY != 0 {
			// What is mounted in it, and the devices, come first.
			m.set &^= unix.MOUNT_ATTR_RDONLY
			b.late = append(b.late, m.to)
		}
	}
	tree, err := newFilesystem(m)
	if err != nil && m.kind == "mqueue" && errors.Is(err, unix.EPERM) {
		return fault.Wrap(err, fault.Invalid, "the mount %s needs an ipc namespace of the container's own", m.to)
	}
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	if m.copyUp {
		if err := copyUp(to, tree); err != nil {
			return err
		}
	}
	return b.place(m, tree, to)
}

// newFilesystem makes a file system that is mounted nowhere yet.
func newFilesystem(m mount) (int, error) {
	fs, err := unix.Fsopen(m.kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen %s: %w", m.kind, err)
	}
	defer unix.Close(fs)
	if m.source != "" {
		if err := unix.FsconfigSetString(fs, "source", m.source); err != nil {
			return -1, fmt.Errorf("source %s: %w", m.source, err)
		}
	}
	for _, o := range m.data {
		key, value, pair := strings.Cut(o, "=")
		if pair {
			err = unix.FsconfigSetString(fs, key, value)
		} else {
			err = unix.FsconfigSetFlag(fs, key)
		}
		if err != nil {
			return -1, refuse("the mount %s: the file system %s does not take the option %q", m.to, m.kind, o)
		}
	}
	if m.set&unix.MOUNT_ATTR_RDONLY != 0 && m.kind != "tmpfs" && m.kind != "proc" && m.kind != "sysfs" {
		_ = unix.FsconfigSetFlag(fs, "ro") // for what lies on a disk that is read-only
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("fsconfig %s: %w", m.kind, err)
	}
	tree, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("fsmount %s: %w", m.kind, err)
	}
	return tree, nil
}

// ordinaryFolder refuses links on the way to /proc and /sys: whoever made the
// root could have them mounted elsewhere and be seen without.
func (b *builder) ordinaryFolder(m mount) error {
	var st unix.Stat_t
	err := unix.Fstatat(b.root.fd(), relative(m.to), &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return refuse("filesystem %q must be mounted on ordinary directory", m.kind)
	}
	return nil
}

// lent are the files of /proc that others may stand in for.
var lent = map[string]bool{
	"/proc/cpuinfo": true, "/proc/diskstats": true, "/proc/meminfo": true, "/proc/stat": true, "/proc/swaps": true,
	"/proc/uptime": true, "/proc/loadavg": true, "/proc/slabinfo": true, "/proc/net/dev": true, "/proc/sys/kernel/ns_last_pid": true,
	"/proc/sys/crypto/fips_enabled": true,
}

// guardProc refuses what would be mounted inside /proc: files of it decide over
// the process that is about to start.
func guardProc(m mount, to *os.File) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(to.Fd()), &fs); err != nil {
		return err
	}
	inProc := fs.Type == unix.PROC_SUPER_MAGIC || strings.HasPrefix(m.to, "/proc/")
	if inProc && !lent[m.to] && m.to != "/proc" {
		return refuse("%q cannot be mounted because it is inside /proc", m.to)
	}
	if m.to == "/proc" && m.kind != "proc" && !m.bind {
		return refuse("%q cannot be mounted because it is not of type proc", m.to)
	}
	if m.to == "/proc" && m.bind {
		var src unix.Statfs_t
		if err := unix.Statfs(m.source, &src); err != nil || src.Type != unix.PROC_SUPER_MAGIC {
			return refuse("%q cannot be mounted because it is not of type proc", m.to)
		}
	}
	return nil
}

// tmpfsMode keeps the permission bits of the folder underneath.
func tmpfsMode(data []string, to *os.File) []string {
	for _, o := range data {
		if strings.HasPrefix(o, "mode=") {
			return data
		}
	}
	var st unix.Stat_t
	if unix.Fstat(int(to.Fd()), &st) != nil {
		return data
	}
	return append(data, fmt.Sprintf("mode=%o", st.Mode&0o7777))
}

func cleanPath(p string) string { return path.Clean("/" + p) }
