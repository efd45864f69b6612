package oci

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// received is what comes over a socket: text and one descriptor.
type received struct {
	text string
	fd   int
	err  error
}

// listenOnce waits for one connection at a path and what is sent with it.
func listenOnce(t *testing.T) (path string, got chan received) {
	t.Helper()
	path, got = filepath.Join(t.TempDir(), "s"), make(chan received, 1)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.AcceptUnix()
		if err != nil {
			got <- received{err: err}
			return
		}
		defer conn.Close()
		text, rights := make([]byte, 8192), make([]byte, 64)
		n, m, _, _, err := conn.ReadMsgUnix(text, rights)
		r := received{text: string(text[:n]), fd: -1, err: err}
		if list, e := unix.ParseSocketControlMessage(rights[:m]); e == nil && len(list) == 1 {
			if fds, e := unix.ParseUnixRights(&list[0]); e == nil && len(fds) == 1 {
				r.fd = fds[0]
			}
		}
		got <- r
	}()
	return path, got
}

func (r received) check(t *testing.T) received {
	t.Helper()
	if r.err != nil || r.fd < 0 {
		t.Fatalf("received %q with descriptor %d: %v", r.text, r.fd, r.err)
	}
	return r
}

// TestListener: who decides about calls gets the filter and the container's state;
// when it lets go, the calls come to nothing.
func TestListener(t *testing.T) {
	for _, noNew := range []bool{true, false} {
		path, got := listenOnce(t)
		b := newBench(t, "sleep 1; mkdir /x")
		b.spec.Process.NoNewPrivileges, b.spec.Linux.Seccomp = noNew, asks(path, "mkdir")
		gone := make(chan received, 1)
		go func() {
			r := <-got
			unix.Close(r.fd) // before the container asks
			gone <- r
		}()
		out, _ := b.call("run", "c")
		r := (<-gone).check(t)
		var s specs.ContainerProcessState
		if err := json.Unmarshal([]byte(r.text), &s); err != nil {
			t.Fatal(err)
		}
		if s.Metadata != "tag" || s.Pid == 0 || s.State.ID != "c" || s.State.Pid != s.Pid || len(s.Fds) != 1 || s.Fds[0] != specs.SeccompFdName {
			t.Errorf("no_new_privs %v: %+v", noNew, s)
		}
		if !strings.Contains(out, "Function not implemented") {
			t.Errorf("no_new_privs %v: want a call that nobody answers to fail: %s", noNew, out)
		}
	}
}

func TestPidfdSocket(t *testing.T) {
	path, got := listenOnce(t)
	b := newBench(t, "sleep 100")
	if out, code := b.call("create", "--pidfd-socket", path, "c"); code != 0 {
		t.Fatal(out)
	}
	r := (<-got).check(t)
	defer unix.Close(r.fd)
	if err := unix.PidfdSendSignal(r.fd, unix.SIGKILL, nil, 0); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if out, _ := b.call("state", "c"); strings.Contains(out, `"stopped"`) {
			b.call("delete", "c")
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the signal did not reach the container")
}

// TestLimits: what is asked of the control groups is there, on version 1 and 2, and
// can be changed while the container runs.
func TestLimits(t *testing.T) {
	b := newBench(t, "sleep 100")
	memory, pids, quota, period := int64(64<<20), int64(0), int64(50000), uint64(100000)
	b.spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory},
		Pids: &specs.LinuxPids{Limit: &pids}, CPU: &specs.LinuxCPU{Quota: &quota, Period: &period}}
	g, _, err := locate("", "c")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][2]string{"memory.limit_in_bytes": {"memory", "67108864"}, "pids.max": {"pids", "1"}, "cpu.cfs_quota_us": {"cpu", "50000"}}
	if g.v2() {
		files = map[string][2]string{"memory.max": {"", "67108864"}, "pids.max": {"", "1"}, "cpu.max": {"", "50000 100000"}}
	}
	holds := func() {
		t.Helper()
		for file, want := range files {
			text, err := os.ReadFile(g.at(want[0], file))
			if got := strings.TrimSpace(string(text)); err != nil || got != want[1] {
				t.Errorf("%s: %q, %v; want %s", file, got, err, want[1])
			}
		}
	}
	for _, step := range [][]string{{"create", "c"}, {"start", "c"}} {
		if out, code := b.call(step...); code != 0 {
			t.Fatal(step, out)
		}
	}
	holds()
	if out, code := b.call("exec", "c", "echo"); code == 0 {
		t.Errorf("a second process in a group of one: %s", out)
	}
	if out, code := b.call("update", "c", "--pids-limit", "7", "--memory", "32M", "--cpu-quota", "20000"); code != 0 {
		t.Fatal(out)
	}
	for file, want := range files {
		switch {
		case file == "pids.max":
			want[1] = "7"
		case strings.HasPrefix(file, "memory"):
			want[1] = "33554432"
		default:
			want[1] = strings.Replace(want[1], "50000", "20000", 1)
		}
		files[file] = want
	}
	holds()
	for _, step := range [][]string{{"kill", "c", "KILL"}, {"delete", "--force", "c"}} {
		if out, code := b.call(step...); code != 0 {
			t.Error(step, out)
		}
	}
	for _, dir := range g.dirs() {
		if exists(dir) {
			t.Errorf("%s is left", dir)
		}
	}
}

// TestGranted: a capability that nobody knows is a warning, and links that lead to
// nothing yet are followed inside the root.
func TestGranted(t *testing.T) {
	b := newBench(t, "cat /etc/inside; ls /tmp/there")
	b.spec.Process.Capabilities.Bounding = append(b.spec.Process.Capabilities.Bounding, "CAP_NONSENSE")
	rootfs := filepath.Join(b.bundle, "rootfs")
	for _, err := range []error{os.MkdirAll(filepath.Join(rootfs, "etc"), 0o755), os.MkdirAll(filepath.Join(rootfs, "tmp"), 0o755),
		os.Symlink("/tmp/there", filepath.Join(rootfs, "jump")), os.Symlink("../../../jump/file", filepath.Join(rootfs, "etc", "inside")),
		os.WriteFile(filepath.Join(b.bundle, "text"), []byte("bound\n"), 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: "/etc/inside", Source: "text", Type: "bind", Options: []string{"bind"}})
	out, _ := b.call("run", "c")
	for _, want := range []string{"CAP_NONSENSE", "is not known and is left out", "bound\n", "file\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in:\n%s", want, out)
		}
	}
}
