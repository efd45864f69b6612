package sandbox

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// template is a mount namespace that holds the image, /dev and nothing else,
// and the one thread that lives in it and clones containers from it. A child's
// CLONE_NEWNS then copies two mounts: no pivot_root, no unmounting, and no host
// path that mountinfo could show, for the image is a copy on a tmpfs of ours.
type template struct {
	jobs    chan cloneJob
	creator int // pidfd of the thread: readable once it is dead
	huge    bool
}

type cloneJob struct {
	program  *program
	cgroupFD int
	flags    uint64 // namespaces to make
	done     chan cloneResult
}

type cloneResult struct {
	pid, pidfd int
	err        error
}

// cloneFlags are the namespaces made at the clone; net, user and cgroup are
// entered by the child.
const cloneFlags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// newTemplate copies the image and starts the thread. The thread ends with the
// process, never before: containers die with it.
func newTemplate(imageDir string) (*template, error) {
	t := &template{jobs: make(chan cloneJob)}
	ready := make(chan error)
	ownThread(func() {
		err := t.enter(imageDir)
		ready <- err
		if err != nil {
			return
		}
		for j := range t.jobs {
			pid, pidfd, err := j.program.run(j.flags, j.cgroupFD)
			j.done <- cloneResult{pid, pidfd, err}
		}
	})
	if err := <-ready; err != nil {
		return nil, err
	}
	return t, nil
}

// spawn runs p in a fresh child.
func (t *template) spawn(p *program, cgroupFD int) (pid, pidfd int, err error) {
	done := make(chan cloneResult, 1)
	t.jobs <- cloneJob{p, cgroupFD, cloneFlags, done}
	r := <-done
	return r.pid, r.pidfd, r.err
}

// enter gives the calling thread its own mount namespace with only the image.
func (t *template) enter(imageDir string) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("template: unshare: %w", err)
	}
	unix.Umask(0o022)
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("template: make mounts private: %w", err)
	}
	if err := t.mountImage(imageDir); err != nil {
		return err
	}
	if err := mountDev(filepath.Join(imageDir, "dev")); err != nil {
		return err
	}
	if err := unix.Chdir(imageDir); err != nil {
		return fmt.Errorf("template: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("template: pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("template: leave the host's tree: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("template: %w", err)
	}
	fd, err := threadPidfd()
	t.creator = fd
	return err
}

// mountImage copies the image to a tmpfs on huge pages, where Bun starts a
// quarter faster, and mounts that over the image folder, in this namespace
// only.
func (t *template) mountImage(dir string) error {
	fd, huge, err := newTmpfs([][2]string{{"mode", "755"}, {"source", "image"}}, true)
	if err != nil {
		return fmt.Errorf("template: image tmpfs: %w", err)
	}
	defer unix.Close(fd)
	t.huge = huge
	if err := copyTree(dir, fmt.Sprintf("/proc/self/fd/%d", fd)); err != nil {
		return fmt.Errorf("template: copy image: %w", err)
	}
	return attach(fd, dir, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
}

// mountDev makes the five devices; numbers are of Documentation/admin-guide/devices.txt.
func mountDev(dir string) error {
	fd, _, err := newTmpfs([][2]string{{"mode", "755"}, {"size", "64k"}, {"source", "dev"}}, false)
	if err != nil {
		return fmt.Errorf("template: dev tmpfs: %w", err)
	}
	defer unix.Close(fd)
	for _, d := range []struct {
		name  string
		minor uint32
		mode  uint32
	}{{"null", 3, 0o666}, {"zero", 5, 0o666}, {"full", 7, 0o666}, {"random", 8, 0o444}, {"urandom", 9, 0o444}} {
		if err := unix.Mknodat(fd, d.name, unix.S_IFCHR|d.mode, int(unix.Mkdev(1, d.minor))); err != nil {
			return fmt.Errorf("template: make /dev/%s: %w", d.name, err)
		}
		if err := unix.Fchmodat(fd, d.name, d.mode, 0); err != nil {
			return fmt.Errorf("template: /dev/%s: %w", d.name, err)
		}
	}
	return attach(fd, dir, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
}

// newTmpfs is a tmpfs mounted nowhere yet. A kernel without huge pages for
// tmpfs refuses the option; then it goes without, and Host says so.
func newTmpfs(options [][2]string, wantHuge bool) (fd int, huge bool, err error) {
	fsfd, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, false, err
	}
	defer unix.Close(fsfd)
	for _, o := range options {
		if err := unix.FsconfigSetString(fsfd, o[0], o[1]); err != nil {
			return -1, false, fmt.Errorf("%s=%s: %w", o[0], o[1], err)
		}
	}
	if wantHuge {
		huge = unix.FsconfigSetString(fsfd, "huge", "always") == nil
	}
	if err := unix.FsconfigCreate(fsfd); err != nil {
		return -1, false, err
	}
	fd, err = unix.Fsmount(fsfd, unix.FSMOUNT_CLOEXEC, 0)
	return fd, huge, err
}

// attach fixes a detached mount's flags and puts it at dir.
func attach(fd int, dir string, flags uint64) error {
	attr := &unix.MountAttr{Attr_set: flags}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, attr); err != nil {
		return fmt.Errorf("template: mount flags of %s: %w", dir, err)
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("template: mount %s: %w", dir, err)
	}
	return nil
}

// threadPidfd refers to the calling thread, or before Linux 6.9 to the process.
func threadPidfd() (int, error) {
	const pidfdThread = unix.O_EXCL
	if fd, err := unix.PidfdOpen(unix.Gettid(), pidfdThread); err == nil {
		return fd, nil
	}
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return -1, fmt.Errorf("template: pidfd: %w", err)
	}
	return fd, nil
}

// copyTree copies directories and regular files with their permission bits.
// An image holds nothing else; a link or device in it is refused.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		dst := filepath.Join(to, rel)
		switch {
		case rel == ".":
			return nil
		case d.IsDir():
			if err := os.Mkdir(dst, 0o755); err != nil {
				return err
			}
			return os.Chmod(dst, info.Mode().Perm())
		case info.Mode().IsRegular():
			return copyFile(path, dst, info.Mode().Perm())
		}
		return fmt.Errorf("%s is neither a folder nor a regular file", rel)
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	in, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(to, mode)
	}
	return err
}
