package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// mountTable is what mountinfo must show: nothing of the host, every flag.
const mountTable = "/ / ro,nosuid,nodev tmpfs image; / /dev ro,nosuid,noexec tmpfs dev; " +
	"/ /tmp rw,nosuid,nodev,noexec tmpfs tmpfs; / /proc ro,nosuid,nodev,noexec proc proc"

func fileProbes() []attempt {
	rw := func(path string) func() string { return func() string { return openAs(path, unix.O_RDWR) } }
	out := []attempt{
		{23, "write a file of the image", "EACCES", rw("/etc/hosts")},
		{23, "new file in the image", "EROFS", func() string { return openAs("/aria/x", unix.O_CREAT|unix.O_WRONLY) }},
		{24, "up from the root", abiHere.top, func() string { return names("/proc/self/root/../..") }},
		{24, "up from pid 1", abiHere.top, func() string { return names("/proc/1/root/../../..") }},
		{24, "up from a link", abiHere.top, func() string {
			_ = os.Symlink("../../../../..", "/tmp/up")
			defer os.Remove("/tmp/up")
			return names("/tmp/up/")
		}},
		{24, "working folder", "/", func() string { d, _ := os.Getwd(); return d }},
		{25, "write the running program", "EACCES", rw("/proc/self/exe")},
		{26, "descriptors", "null pipe pipe socket", strangeDescriptors},
		{20, "devices", "full null random urandom zero", func() string { return names("/dev") }},
		{20, "new device", "EPERM", func() string { return firstError(unix.Mknod("/tmp/sda", unix.S_IFBLK|0o600, 8<<8)) }},
		{27, "processes", "1 self thread-self", func() string { return names("/proc") }},
		{28, "mounts", mountTable, mountsSeen},
		{28, "tmp is bounded", "67108864 4096", tmpBounds},
		{28, "groups do not show", "", groupsSeen},
		{57, "environment", "BUN_ENABLE_CRASH_REPORTING BUN_JSC_useTailCalls BUN_RUNTIME_TRANSPILER_CACHE_PATH DO_NOT_TRACK HOME LANG PATH TMPDIR", envNames},
		{34, "program from memory keeps the filter", "2", execMemfd},
		{34, "program in /tmp", "EACCES", execTmp},
		{34, "program outside /bin", "EACCES", func() string { return runs(libcPath()) }},
		{35, "move out of /tmp", "EXDEV", func() string { return firstError(os.Rename(touch("/tmp/a"), "/etc/a")) }},
		{35, "hard link out of /tmp", "EROFS|EXDEV", func() string { return firstError(os.Link(touch("/tmp/b"), "/etc/b")) }},
	}
	for _, gone := range []string{"sys", "kcore", "kmsg", "keys", "sysrq-trigger", "sched_debug", "timer_list", "mounts/x", "self/../kallsyms"} {
		out = append(out, attempt{27, "/proc/" + gone, "ENOENT|ENOTDIR", func() string { return openAs("/proc/"+gone, unix.O_RDONLY) }})
	}
	for _, gone := range []string{"/sys", "/sys/fs/cgroup", "/sys/firmware", "/run", "/dev/console", "/dev/pts", "/dev/shm", "/dev/sda", "/dev/kvm"} {
		out = append(out, attempt{27, gone, "ENOENT", func() string { return openAs(gone, unix.O_RDONLY) }})
	}
	return out
}

// strangeDescriptors names what 0 to 1023 are, without the Go runtime's own.
func strangeDescriptors() string {
	var list []string
	for fd := range 1024 {
		to, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		switch {
		case err != nil || strings.HasPrefix(to, "anon_inode:[event"):
		case to == "/dev/null":
			list = append(list, "null")
		default:
			kind, _, _ := strings.Cut(to, ":")
			list = append(list, kind)
		}
	}
	return strings.Join(list, " ")
}

func mountsSeen() string {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return firstError(err)
	}
	var list []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		list = append(list, f[3]+" "+f[4]+" "+strings.ReplaceAll(f[5], ",relatime", "")+" "+f[7]+" "+f[8])
	}
	return strings.Join(list, "; ")
}

func tmpBounds() string {
	var st unix.Statfs_t
	if err := unix.Statfs("/tmp", &st); err != nil {
		return firstError(err)
	}
	return fmt.Sprint(int64(st.Blocks)*st.Bsize, st.Files)
}

func groupsSeen() string {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return firstError(err)
	}
	var shown []string
	for line := range strings.Lines(string(b)) {
		if path := strings.SplitN(strings.TrimSpace(line), ":", 3)[2]; path != "/" {
			shown = append(shown, path)
		}
	}
	return strings.Join(shown, " ")
}

func envNames() string {
	var list []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		list = append(list, name)
	}
	return joinSorted(list)
}

func libcPath() string {
	for _, p := range []string{"/lib/" + abiHere.triplet + "/libc.so.6", "/lib64/libc.so.6"} {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return "/lib/libc.so.6"
}

// runs starts a program and says "ok" or the errno of the exec.
func runs(path string, args ...string) string {
	err := exec.Command(path, args...).Run()
	var e syscall.Errno
	if errors.As(err, &e) {
		return unix.ErrnoName(e)
	}
	return "ok"
}

func execTmp() string {
	defer os.Remove("/tmp/x")
	if err := os.WriteFile("/tmp/x", []byte("no program"), 0o755); err != nil {
		return firstError(err)
	}
	return runs("/tmp/x") // ENOEXEC where it may be executed
}

// execMemfd: code that came with the unit may run, but under the same walls.
func execMemfd() string {
	b, err := os.ReadFile("/bin/attacker")
	if err != nil {
		return firstError(err)
	}
	fd, err := unix.MemfdCreate("x", 0)
	if err != nil {
		return firstError(err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, b); err != nil {
		return firstError(err)
	}
	out, err := exec.Command(fmt.Sprintf("/proc/self/fd/%d", fd), "attacker-status").Output()
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(out))
}

// queueProbes: what the kernel keeps for events is bounded by the descriptors
// that name it.
func queueProbes() (out []attempt) {
	for _, q := range []struct {
		name string
		make func() (int, error)
	}{
		{"inotify queues", func() (int, error) { return unix.InotifyInit1(unix.IN_CLOEXEC) }},
		{"timers", func() (int, error) { return unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC) }},
		{"counters", func() (int, error) { return unix.Eventfd(0, unix.EFD_CLOEXEC) }},
		{"epoll sets", func() (int, error) { return unix.EpollCreate1(unix.EPOLL_CLOEXEC) }},
	} {
		out = append(out, attempt{48, q.name + " run out inside", "EMFILE", func() string {
			var fds []int
			defer func() {
				for _, fd := range fds {
					unix.Close(fd)
				}
			}()
			for range 5000 {
				fd, err := q.make()
				if err != nil {
					return firstError(err)
				}
				fds = append(fds, fd)
			}
			return "5000 of them"
		}})
	}
	return out
}
