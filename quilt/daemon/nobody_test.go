package daemon

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
)

// nobody is the user of these tests. It has no name, and so no range of ids.
const nobody = 65532

// asNobody makes cmd that user's, from its first instruction on in the v2 group dir
// unless that is empty.
func asNobody(t *testing.T, cmd *exec.Cmd, dir string) *exec.Cmd {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{}}}
	if dir != "" {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(f.Fd())
	}
	return cmd
}

// startNobody is a quiltd of that user, started in the v2 group dir, and what it said.
// Without a pair it refused.
func startNobody(t *testing.T, dir, data string, flags ...string) (*pair, string) {
	t.Helper()
	socket := filepath.Join(data, "run", "quilt.sock")
	return startCommand(t, asNobody(t, quiltdCommand(t, "/proc/self/exe", data, flags...), dir), data,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dialAsNobody(ctx, socket) }))
}

// dialAsNobody connects as that user, for nobody else may: the kernel tells the user of
// the thread.
func dialAsNobody(ctx context.Context, socket string) (net.Conn, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	set := func(uid, gid uintptr) {
		const same = ^uintptr(0)
		for _, call := range [][2]uintptr{{unix.SYS_SETRESGID, gid}, {unix.SYS_SETRESUID, uid}} {
			if _, _, e := unix.RawSyscall(call[0], same, call[1], same); e != 0 {
				panic(e) // a thread that is neither one nor the other is of no use
			}
		}
	}
	set(nobody, nobody)
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 0, ^uintptr(0)); e != 0 {
		panic(e)
	}
	set(0, 0)
	return conn, err
}

// nobodySays is what a command of quiltd prints for that user, who is in our group.
func nobodySays(t *testing.T, data, command string) string {
	t.Helper()
	cmd := asNobody(t, exec.Command("/proc/self/exe", command, "-data", data), "")
	cmd.Env = append(os.Environ(), "QUILTD_TEST=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("quiltd %s: %v\n%s", command, err, out)
	}
	return strings.TrimSpace(string(out))
}

// dataOfNobody is a folder of that user.
func dataOfNobody(t *testing.T) string {
	t.Helper()
	testenv.NeedRoot(t)
	data := dataDir(t)
	if err := os.Chown(data, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	return data
}

// letUsersMakeNamespaces takes down, while t runs, a wall of the boot image.
func letUsersMakeNamespaces(t *testing.T) {
	t.Helper()
	const file = "/proc/sys/kernel/unprivileged_userns_clone"
	was, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return // Debian's kernels have it
	}
	if err == nil {
		err = os.WriteFile(file, []byte("1"), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(file, was, 0); err != nil {
			t.Error(err)
		}
	})
}

// delegated is a v2 group that was handed to that user as systemd does for
// Delegate=yes; "" where groups are of v1.
func delegated(t *testing.T) string {
	t.Helper()
	host, err := sandbox.LookHost()
	if err != nil {
		t.Fatal(err)
	}
	if host.CgroupVersion != 2 {
		return ""
	}
	found, err := sandbox.FindGroups()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(found.Top[""], "delegated-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"} {
		if err := os.Chown(filepath.Join(dir, file), nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		waitFor(t, func() bool {
			for _, g := range groupsBelow(dir) {
				_ = os.Remove(g)
			}
			return errors.Is(os.Remove(dir), fs.ErrNotExist)
		})
	})
	return dir
}

// groupsBelow lists the groups below dir, those inside others first.
func groupsBelow(dir string) (out []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			below := filepath.Join(dir, e.Name())
			out = append(out, append(groupsBelow(below), below)...)
		}
	}
	return out
}

// inside counts the processes in a group and all below it.
func inside(t *testing.T, dir string) (n int) {
	t.Helper()
	for _, g := range append(groupsBelow(dir), dir) {
		f, err := os.Open(filepath.Join(g, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just gone
		}
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			n++
		}
		f.Close()
	}
	return n
}
