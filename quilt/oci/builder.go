package oci

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// builder makes the container's file tree, in the container's namespaces.
type builder struct {
	spec     *specs.Spec
	bundle   string
	root     *root
	trees    map[int]int // mounts that the parent has prepared, by index
	null     *os.File    // the host's /dev/null, for masks
	late     []string    // mounts to be made read-only at the end
	empty    *os.File    // the folder that masks others, once there is one
	groups   []groupView
	inUserns bool
	console  *pty // nil: no terminal
}

// open makes the root a mount of its own and holds it.
func (b *builder) open() error {
	flags := uintptr(unix.MS_SLAVE | unix.MS_REC) // nothing of ours reaches the host
	if p := b.spec.Linux.RootfsPropagation; p != "" {
		flags = uintptr(propagation[p])
	}
	if err := unix.Mount("", "/", "", flags, ""); err != nil {
		return fmt.Errorf("propagation of /: %w", err)
	}
	dir := rootfs(b.spec, b.bundle)
	alone := uintptr(unix.MS_PRIVATE)
	if b.spec.Linux.RootfsPropagation != "" && flags&unix.MS_SLAVE != 0 {
		alone = unix.MS_SLAVE // hears of the host's mounts still
	}
	if err := aloneParent(dir, alone); err != nil {
		return err
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", dir, err)
	}
	if b.spec.Linux.RootfsPropagation == "" {
		if err := unix.Mount("", dir, "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("propagation of %s: %w", dir, err)
		}
	}
	var err error
	if b.root, err = openRoot(dir); err != nil {
		return err
	}
	fd, err := unix.Open("/dev/null", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/null: %w", err)
	}
	b.null = os.NewFile(uintptr(fd), "/dev/null")
	return nil
}

// aloneParent: the kernel moves no root whose parent mount is shared.
func aloneParent(dir string, propagation uintptr) error {
	for at := dir; ; at = filepath.Dir(at) {
		err := unix.Mount("", at, "", propagation, "")
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINVAL) || at == "/" {
			return fmt.Errorf("propagation of %s: %w", at, err)
		}
	}
}

// fill makes what config.json lists.
func (b *builder) fill() error {
	devices := true
	for i, m := range b.spec.Mounts {
		parsed, err := parseMount(m, b.bundle)
		if err != nil {
			return err
		}
		if parsed.to == "/dev" && parsed.bind {
			devices = false
		}
		if tree, ok := b.trees[i]; ok {
			err = b.putTree(parsed, tree)
		} else {
			err = b.put(parsed)
		}
		if err != nil {
			return err
		}
	}
	if p := b.spec.Process; p != nil {
		// The specification asks for none, yet images count on it being made.
		dir, err := b.root.mkdirs(p.Cwd, 0o755)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "process.cwd %s is not there and cannot be made", p.Cwd)
		}
		dir.Close()
	}
	if !devices {
		return nil
	}
	if err := b.devices(); err != nil {
		return err
	}
	return b.deviceLinks()
}

// putTree places a mount that the parent has prepared.
func (b *builder) putTree(m mount, tree int) error {
	defer unix.Close(tree)
	var st unix.Stat_t
	if err := unix.Fstat(tree, &st); err != nil {
		return err
	}
	var to *os.File
	var err error
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		to, err = b.root.mkdirs(m.to, 0o755)
	} else {
		to, err = b.root.mkfile(m.to)
	}
	if err == nil {
		defer to.Close()
		err = guardProc(m, to)
	}
	if err == nil {
		err = attach(tree, int(to.Fd()))
	}
	if err == nil {
		err = m.setPropagation(tree)
	}
	if _, ok := fault.As(err); err != nil && !ok {
		return fault.Wrap(err, fault.Invalid, "error mounting %q to rootfs at %q", m.source, m.to)
	}
	return err
}

// seal hides and freezes: the last steps before the old tree is left.
func (b *builder) seal() error {
	if err := b.sysctls(); err != nil {
		return err
	}
	for _, p := range b.late {
		if err := b.lock(p); err != nil {
			return fmt.Errorf("read-only mount %s: %w", p, err)
		}
	}
	for _, p := range b.readonlyPaths() {
		if err := b.freeze(p); err != nil {
			return fmt.Errorf("read-only path %s: %w", p, err)
		}
	}
	for _, p := range b.maskedPaths() {
		if err := b.mask(p); err != nil {
			return fmt.Errorf("masked path %s: %w", p, err)
		}
	}
	if b.spec.Root.Readonly {
		if err := unix.MountSetattr(b.root.fd(), "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("make the root read-only: %w", err)
		}
	}
	return nil
}

// enter makes the root / and lets go of the host's tree.
func (b *builder) enter() error {
	old, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("the host's tree: %w", err)
	}
	defer unix.Close(old)
	if err := unix.Fchdir(b.root.fd()); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	// The host's tree lies on the new root now, and "." is not it.
	if err := unix.Fchdir(old); err != nil {
		return fmt.Errorf("leave the host's tree: %w", err)
	}
	// Before the unmount, so that it does not reach the host.
	if err := unix.Mount("", ".", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("leave the host's tree: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the host's tree: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	if p := b.spec.Linux.RootfsPropagation; p != "" {
		if err := unix.Mount("", "/", "", uintptr(propagation[p]), ""); err != nil {
			return fmt.Errorf("rootfsPropagation: %w", err)
		}
	}
	b.root.file.Close()
	b.null.Close()
	if b.empty != nil {
		b.empty.Close()
	}
	return nil
}

// sysctls writes below /proc/sys, and makes sure that this is what it is.
func (b *builder) sysctls() error {
	for name, value := range b.spec.Linux.Sysctl {
		f, err := b.root.open("/proc/sys/"+sysctlPath(name), unix.O_WRONLY|unix.O_NOFOLLOW)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "sysctl %q cannot be set", name)
		}
		var fs unix.Statfs_t
		if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil || fs.Type != unix.PROC_SUPER_MAGIC {
			f.Close()
			return refuse("sysctl %q: /proc is not a proc file system", name)
		}
		_, err = io.WriteString(f, value)
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "sysctl %q cannot be set to %q", name, value)
		}
	}
	return nil
}
