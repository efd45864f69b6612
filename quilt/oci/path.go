package oci

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A root is the folder that will be the container's /. Its content is somebody
// else's: every path in it is resolved by the kernel with the root as /, so that
// no link leads out and nothing can be exchanged between a look and a use.
type root struct{ file *os.File }

func openRoot(dir string) (*root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return &root{os.NewFile(uintptr(fd), dir)}, nil
}

func (r *root) fd() int { return int(r.file.Fd()) }

// open resolves name inside the root. Links of /proc are never followed.
func (r *root) open(name string, flags int) (*os.File, error) {
	how := &unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for range 16 {
		fd, err := unix.Openat2(r.fd(), relative(name), how)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue // something was renamed meanwhile
		}
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
		return os.NewFile(uintptr(fd), name), nil
	}
	return nil, &os.PathError{Op: "open", Path: name, Err: unix.EAGAIN}
}

func relative(name string) string {
	if name = strings.TrimPrefix(path.Clean("/"+name), "/"); name == "" {
		return "."
	}
	return name
}

// mkdirs opens the folder name and makes what is missing of the way.
func (r *root) mkdirs(name string, mode uint32) (*os.File, error) {
	f, err := r.open(name, unix.O_PATH|unix.O_DIRECTORY)
	if err == nil || !errors.Is(err, unix.ENOENT) {
		return f, err
	}
	if name, err = r.settled(name); err != nil {
		return nil, err
	}
	parts := strings.Split(relative(name), "/")
	at := ""
	for i, part := range parts {
		next := path.Join(at, part)
		f, err := r.open(next, unix.O_PATH|unix.O_DIRECTORY)
		if errors.Is(err, unix.ENOENT) {
			err = r.mkdir(at, part, mode)
			if err == nil {
				f, err = r.open(next, unix.O_PATH|unix.O_DIRECTORY)
			}
		}
		if err != nil {
			return nil, err
		}
		if i == len(parts)-1 {
			return f, nil
		}
		f.Close()
		at = next
	}
	return nil, unix.ENOENT
}

// settled is name without the links that lead to nothing yet: what is made is made
// where they lead, inside the root.
func (r *root) settled(name string) (string, error) {
	at, rest := "", strings.Split(relative(name), "/")
	for links := 0; len(rest) > 0; {
		if rest[0] == ".." {
			at, rest = path.Dir("/"+at), rest[1:]
			continue
		}
		next := path.Join(at, rest[0])
		f, err := r.open(next, unix.O_PATH|unix.O_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			return path.Join(append([]string{"/", at}, rest...)...), nil
		}
		if err != nil {
			return "", err
		}
		text := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(int(f.Fd()), "", text)
		f.Close()
		if err != nil { // no link
			at, rest = next, rest[1:]
			continue
		}
		if links++; links > 40 {
			return "", &os.PathError{Op: "open", Path: name, Err: unix.ELOOP}
		}
		if text[0] == '/' {
			at = ""
		}
		rest = append(strings.FieldsFunc(string(text[:n]), func(c rune) bool { return c == '/' }), rest[1:]...)
	}
	return path.Join("/", at), nil
}

func (r *root) mkdir(dir, name string, mode uint32) error {
	parent, err := r.open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := unix.Mkdirat(int(parent.Fd()), name, mode); err != nil && err != unix.EEXIST {
		return &os.PathError{Op: "mkdir", Path: path.Join(dir, name), Err: err}
	}
	return nil
}

// mkfile opens the file name, which is made empty if it is missing.
func (r *root) mkfile(name string) (*os.File, error) {
	f, err := r.open(name, unix.O_PATH)
	if err == nil || !errors.Is(err, unix.ENOENT) {
		return f, err
	}
	if name, err = r.settled(name); err != nil {
		return nil, err
	}
	dir, err := r.mkdirs(path.Dir(path.Clean("/"+name)), 0o755)
	if err != nil {
		return nil, err
	}
	dir.Close()
	how := &unix.OpenHow{Flags: unix.O_CREAT | unix.O_CLOEXEC, Mode: 0o755, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(r.fd(), relative(name), how)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: name, Err: err}
	}
	unix.Close(fd)
	return r.open(name, unix.O_PATH)
}

// fdPath names an open file for the calls that know nothing but paths. Proc is
// our own, held since the start, not what a bundle put there.
func fdPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// attach puts a mount that is nowhere yet onto the place that to is.
func attach(tree, to int) error {
	if err := unix.MoveMount(tree, "", to, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount: %w", err)
	}
	return nil
}

// cloneTree is a mount of what f is, nowhere yet.
func cloneTree(f *os.File, recursive bool) (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(int(f.Fd()), "", flags)
	if err != nil {
		return -1, fmt.Errorf("open_tree: %w", err)
	}
	return fd, nil
}
