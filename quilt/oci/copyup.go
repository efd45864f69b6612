package oci

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// copyUp fills a fresh file system with what lies in the folder it will cover.
func copyUp(from *os.File, tree int) error {
	in, err := unix.Openat(int(from.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("tmpcopyup: %w", err)
	}
	dir := os.NewFile(uintptr(in), from.Name())
	defer dir.Close()
	if err := copyFolder(dir, tree); err != nil {
		return fmt.Errorf("tmpcopyup: %w", err)
	}
	return nil
}

// copyFolder copies folders, files and links; other kinds are refused.
func copyFolder(dir *os.File, to int) error {
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := copyEntry(int(dir.Fd()), to, e.Name()); err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	return nil
}

func copyEntry(from, to int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(from, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(from, name, buf)
		if err != nil {
			return err
		}
		if err := unix.Symlinkat(string(buf[:n]), to, name); err != nil {
			return err
		}
		return unix.Fchownat(to, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
	case unix.S_IFDIR:
		if err := unix.Mkdirat(to, name, 0o700); err != nil {
			return err
		}
	case unix.S_IFREG:
	default:
		return fmt.Errorf("is neither folder, file nor link")
	}
	flags := unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	in, err := unix.Openat(from, name, flags, 0)
	if err != nil {
		return err
	}
	src := os.NewFile(uintptr(in), name)
	defer src.Close()
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	}
	out, err := unix.Openat(to, name, flags, 0o600)
	if err != nil {
		return err
	}
	dst := os.NewFile(uintptr(out), name)
	defer dst.Close()
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		_, err = io.Copy(dst, src)
	} else {
		err = copyFolder(src, int(dst.Fd()))
	}
	if err != nil {
		return err
	}
	if err := unix.Fchown(int(dst.Fd()), int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	return unix.Fchmod(int(dst.Fd()), st.Mode&0o7777)
}
