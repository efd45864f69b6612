package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// template is a mount namespace that holds the image, /dev and nothing else,
// and the one thread that lives in it and clones containers from it. A child's
// CLONE_NEWNS then copies two mounts: no pivot_root, no unmounting, and no host
// path that mountinfo could show, for the image is a copy on a tmpfs of ours.
type template struct {
	jobs    chan cloneJob
	creator int // pidfd of the thread: readable once it is dead
	huge    bool
	// rootless: devices cannot be made, and proc cannot be mounted where none is to
	// be seen.
	rootless bool
	laid     chan struct{} // closed when the image is laid out, which containers wait for
	failed   chan error    // gets why it could not be, if so

	once   sync.Once
	needed chan struct{} // closed once the image should be laid out

	apart atomic.Bool // tests: clone as where there is no stub
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

// newTemplate starts the thread and returns when the place for the image is made.
// The image is copied there beside the work, once a container is asked for or the
// engine serves: nobody should wait for it before. The first container waits for it.
// The thread ends with the process, never before: containers die with it.
func newTemplate(imageDir string, inPlace, rootless bool) (*template, error) {
	t := &template{rootless: rootless, jobs: make(chan cloneJob), laid: make(chan struct{}), failed: make(chan error, 1), needed: make(chan struct{})}
	ready := make(chan error)
	ownThread(func() {
		fill, err := t.prepare(imageDir, inPlace)
		ready <- err
		if err != nil {
			return
		}
		<-t.needed
		if err := t.enter(imageDir, fill); err != nil {
			t.failed <- err
			for j := range t.jobs {
				j.done <- cloneResult{err: err}
			}
		}
		close(t.laid)
		for j := range t.jobs {
			j.program.apart = t.apart.Load()
			pid, pidfd, err := j.program.run(j.flags, j.cgroupFD)
			j.done <- cloneResult{pid, pidfd, err}
		}
	})
	if err := <-ready; err != nil {
		return nil, err
	}
	return t, nil
}

// begin lays the image out.
func (t *template) begin() { t.once.Do(func() { close(t.needed) }) }

// spawn runs p in a fresh child.
func (t *template) spawn(p *program, cgroupFD int) (pid, pidfd int, err error) {
	t.begin()
	done := make(chan cloneResult, 1)
	t.jobs <- cloneJob{p, cgroupFD, cloneFlags, done}
	r := <-done
	return r.pid, r.pidfd, r.err
}

// prepare gives the calling thread its own mount namespace and makes room for the
// image. fill lays it out.
func (t *template) prepare(imageDir string, inPlace bool) (fill func() error, err error) {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("template: unshare: %w", err)
	}
	unix.Umask(0o022)
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("template: make mounts private: %w", err)
	}
	if t.creator, err = threadPidfd(); err != nil {
		return nil, err
	}
	if inPlace {
		return func() error { return nil }, bindImage(imageDir)
	}
	return t.mountImage(imageDir)
}

// enter fills the image and makes it all that the calling thread sees.
func (t *template) enter(imageDir string, fill func() error) error {
	if err := fill(); err != nil {
		return err
	}
	if err := t.devices(imageDir); err != nil {
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
	return nil
}

// mountImage makes a tmpfs on huge pages, where Bun starts a quarter faster. fill
// copies the image to it and mounts it over the image folder, in this namespace
// only.
func (t *template) mountImage(dir string) (fill func() error, err error) {
	fd, huge, err := newTmpfs([][2]string{{"mode", "755"}, {"source", "image"}}, true)
	if err != nil {
		return nil, fmt.Errorf("template: image tmpfs: %w", err)
	}
	t.huge = huge
	return func() error {
		defer unix.Close(fd)
		if err := copyTree(dir, fmt.Sprintf("/proc/self/fd/%d", fd)); err != nil {
			return fmt.Errorf("template: copy image: %w", err)
		}
		// A process that is born beside the copying has its open file for a moment, and
		// what somebody may write to cannot become read-only.
		for wait := time.Millisecond; ; wait *= 2 {
			err := attach(fd, dir, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
			if !errors.Is(err, unix.EBUSY) || wait > 2*time.Second {
				return err
			}
			time.Sleep(wait)
		}
	}, nil
}

// bindImage shows the image where it lies, in this namespace only. What lies
// there must be unable to change: a file system that is mounted read-only.
func bindImage(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("template: image: %w", err)
	}
	if st.Flags&unix.ST_RDONLY == 0 {
		return fault.New(fault.Unavailable, "the container image %s lies on a file system that can be written to", dir).
			WithHint("a ready-made image must lie on a verified read-only one; leave the image setting out and quiltd makes its own")
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("template: image: %w", err)
	}
	defer unix.Close(fd)
	return attach(fd, dir, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
}

// devices gives the image its /dev.
func (t *template) devices(imageDir string) error {
	if !t.rootless {
		return mountDev(filepath.Join(imageDir, "dev"))
	}
	if err := bindDev(filepath.Join(imageDir, "dev")); err != nil {
		return err
	}
	return reveal(filepath.Join(imageDir, "tmp"))
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
		return notOfImages(rel)
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
	// In pieces that are few: what io.Copy takes makes thousands of calls of Bun.
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 1<<20))
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(to, mode)
	}
	return err
}
