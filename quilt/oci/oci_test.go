package oci

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The tests run this binary as quilt-oci, which it becomes when it is told so.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "child" || os.Getenv("QUILT_OCI_TEST") != "") {
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	if path := os.Getenv("QUILT_OCI_OPEN"); path != "" {
		if _, err := os.Open(path); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if f, err := elf.Open("/proc/self/exe"); err == nil && slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		fmt.Fprintln(os.Stderr, "quilt/oci: built with cgo, this program needs a loader that containers do not have: CGO_ENABLED=0 go test, as make test does")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// bench is a bundle and a state folder of a test.
type bench struct {
	t            *testing.T
	bundle, root string
	spec         *specs.Spec
}

// newBench is a bundle whose root is busybox alone.
func newBench(t *testing.T, command string) *bench {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("containers need root")
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("busybox is not installed: make setup-test")
	}
	b := &bench{t: t, bundle: t.TempDir(), root: t.TempDir(), spec: exampleSpec()}
	bin := filepath.Join(b.bundle, "rootfs", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(b.bundle, 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(busybox)
	if err == nil {
		err = os.WriteFile(filepath.Join(bin, "busybox"), text, 0o755)
	}
	for _, name := range []string{"sh", "cat", "id", "mknod", "mount", "sleep", "hostname", "ls", "grep", "echo", "head", "mkdir"} {
		if err == nil {
			err = os.Link(filepath.Join(bin, "busybox"), filepath.Join(bin, name))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	b.spec.Process.Terminal = false
	b.spec.Process.Args = []string{"/bin/sh", "-c", command}
	t.Cleanup(func() { b.call("delete", "-f", "c") })
	return b
}

// call runs quilt-oci and returns what it printed and its exit code.
func (b *bench) call(args ...string) (string, int) {
	b.t.Helper()
	text, err := json.Marshal(b.spec)
	if err == nil {
		err = os.WriteFile(filepath.Join(b.bundle, configName), text, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", append([]string{"--root", b.root}, args...)...)
	cmd.Env, cmd.Dir = append(os.Environ(), "QUILT_OCI_TEST=1"), b.bundle
	out, err := os.CreateTemp(b.t.TempDir(), "out")
	if err != nil {
		b.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out // a file: what is left behind does not hold us
	_ = cmd.Run()
	got, err := os.ReadFile(out.Name())
	if err != nil {
		b.t.Fatal(err)
	}
	return string(got), cmd.ProcessState.ExitCode()
}

func TestRun(t *testing.T) {
	b := newBench(t, "id -u; hostname; grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status; ls /sys/firmware; mkdir /x; echo 1 >/proc/sys/kernel/hostname; exit 7")
	out, code := b.call("run", "c")
	for _, want := range []string{"0\nquilt\n", "CapEff:\t0000000020000420", "NoNewPrivs:\t1", "Seccomp:\t2", "can't create directory '/x': Read-only file system", "can't create /proc/sys/kernel/hostname: Read-only file system"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in:\n%s", want, out)
		}
	}
	if code != 7 {
		t.Errorf("exit code %d; want the process's own, 7", code)
	}
	if _, code := b.call("state", "c"); code != 1 {
		t.Error("run left its container there")
	}
}

func TestLifecycle(t *testing.T) {
	b := newBench(t, "sleep 100")
	b.spec.Annotations = map[string]string{"who": "me"}
	if out, code := b.call("create", "--pid-file", "pid", "c"); code != 0 {
		t.Fatal(out)
	}
	state := func() (s specs.State) {
		t.Helper()
		out, code := b.call("state", "c")
		if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 {
			t.Fatalf("%v: %s", err, out)
		}
		return s
	}
	s := state()
	if pid, _ := os.ReadFile(filepath.Join(b.bundle, "pid")); s.Status != specs.StateCreated || s.Bundle != b.bundle || s.Annotations["who"] != "me" || string(pid) != fmt.Sprint(s.Pid) {
		t.Errorf("%+v, pid file %q", s, pid)
	}
	for _, step := range []struct {
		args []string
		code int
		say  string
	}{
		{[]string{"create", "c"}, 1, "already exists"},
		{[]string{"delete", "c"}, 1, "not stopped"},
		{[]string{"start", "c"}, 0, ""},
		{[]string{"start", "c"}, 1, "already running"},
		{[]string{"exec", "c", "sh", "-c", "exit 42"}, 42, ""},
		{[]string{"exec", "c", "no-such-program"}, 255, "not found in $PATH"},
		{[]string{"pause", "c"}, 0, ""},
		{[]string{"exec", "c", "id"}, 255, "paused"},
		{[]string{"resume", "c"}, 0, ""},
		{[]string{"update", "--pids-limit", "20", "c"}, 0, ""},
		{[]string{"kill", "c", "NONSENSE"}, 1, "unknown signal"},
		{[]string{"kill", "c", "KILL"}, 0, ""},
	} {
		out, code := b.call(step.args...)
		if code != step.code || !strings.Contains(out, step.say) {
			t.Errorf("%v: %d, %q; want %d, %q", step.args, code, out, step.code, step.say)
		}
	}
	for wait := 0; state().Status != specs.StateStopped && wait < 500; wait++ {
		time.Sleep(10 * time.Millisecond)
	}
	if out, code := b.call("kill", "c", "TERM"); code != 1 || !strings.Contains(out, "not running") {
		t.Errorf("kill of a stopped one: %d, %q", code, out)
	}
	g, _, err := locate("", "c")
	if err != nil {
		t.Fatal(err)
	}
	if out, code := b.call("delete", "c"); code != 0 {
		t.Error(out)
	}
	for _, dir := range g.dirs() {
		if exists(dir) {
			t.Errorf("%s is left", dir)
		}
	}
}

// TestRefused: what cannot be done as asked is said, and nothing is made.
func TestRefused(t *testing.T) {
	cases := map[string]struct {
		change func(*specs.Spec)
		say    string
	}{
		"another version":         {func(s *specs.Spec) { s.Version = "2.0.0" }, "only 1.x"},
		"no mount namespace":      {func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[:1] }, "mount namespace"},
		"a namespace twice":       {func(s *specs.Spec) { s.Linux.Namespaces = append(s.Linux.Namespaces, s.Linux.Namespaces[0]) }, "listed twice"},
		"an unknown limit":        {func(s *specs.Spec) { s.Process.Rlimits[0].Type = "RLIMIT_NONSENSE" }, "not known"},
		"AppArmor":                {func(s *specs.Spec) { s.Process.ApparmorProfile = "x" }, "not supported"},
		"a host's sysctl":         {func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"vm.swappiness": "1"} }, "separate kernel namespace"},
		"a sysctl with dots":      {func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net/../vm/swappiness": "1"} }, "separate kernel namespace"},
		"an unknown mount option": {func(s *specs.Spec) { s.Mounts[0].Options = []string{"nonsense"} }, "nonsense"},
		"a mount inside proc": {func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/proc/sys", Type: "tmpfs", Source: "x"})
		}, "inside /proc"},
		"a mount on the root":       {func(s *specs.Spec) { s.Mounts[1].Destination = "/" }, "hide the root"},
		"an unknown system call":    {func(s *specs.Spec) { s.Linux.Seccomp = denies("nonsense") }, "cannot be kept away"},
		"an unknown action":         {func(s *specs.Spec) { s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: "NONSENSE"} }, "not known"},
		"nobody to ask":             {func(s *specs.Spec) { s.Linux.Seccomp = asks("", "mkdir") }, "needs linux.seccomp.listenerPath"},
		"nobody answers":            {func(s *specs.Spec) { s.Linux.Seccomp = asks("/nowhere/x.sock", "mkdir") }, "failed to connect with seccomp agent"},
		"to be asked for what asks": {func(s *specs.Spec) { s.Linux.Seccomp = asks("/x", "write") }, "cannot be used for the write"},
		"a group above":             {func(s *specs.Spec) { s.Linux.CgroupsPath = "/../x" }, "leads out"},
		"a hook by a bare name":     {func(s *specs.Spec) { s.Hooks = &specs.Hooks{Prestart: []specs.Hook{{Path: "true"}}} }, "absolute path"},
		"a hook that fails":         {func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/false"}}} }, "createRuntime hook #0"},
		"no program":                {func(s *specs.Spec) { s.Process.Args = []string{"/bin/nonsense"} }, "no such file"},
		"a terminal without owner":  {func(s *specs.Spec) { s.Process.Terminal = true }, "console socket"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "true")
			c.change(b.spec)
			out, code := b.call("create", "c")
			if code != 1 || !strings.Contains(out, c.say) {
				t.Errorf("%d, %q; want 1 and %q", code, out, c.say)
			}
			if left, _ := os.ReadDir(b.root); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func asks(socket string, calls ...string) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, ListenerPath: socket, ListenerMetadata: "tag",
		Syscalls: []specs.LinuxSyscall{{Names: calls, Action: specs.ActNotify}}}
}

func denies(calls ...string) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: calls, Action: specs.ActErrno}}}
}

// TestHostileRoot: links in a root lead to the root, never to the host.
func TestHostileRoot(t *testing.T) {
	host := t.TempDir()
	b := newBench(t, "ls /dir /run; mount | grep -c host")
	rootfs := filepath.Join(b.bundle, "rootfs")
	for name, target := range map[string]string{"dir": host, "run": "../../../../../../../.." + host, "etc": "/proc/self/root" + host} {
		if err := os.Symlink(target, filepath.Join(rootfs, name)); err != nil {
			t.Fatal(err)
		}
	}
	b.spec.Root.Readonly = false
	for _, to := range []string{"/dir/a", "/run/b"} {
		b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: to, Type: "tmpfs", Source: "tmpfs"})
	}
	b.spec.Linux.MaskedPaths = []string{"/dir"}
	b.call("run", "c")
	if left, err := os.ReadDir(host); err != nil || len(left) > 0 {
		t.Errorf("the host's folder holds %v, %v", left, err)
	}
	if err := os.Remove(filepath.Join(rootfs, "proc")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(host, filepath.Join(rootfs, "proc")); err != nil {
		t.Fatal(err)
	}
	if out, code := b.call("create", "c"); code != 1 || !strings.Contains(out, "ordinary directory") {
		t.Errorf("a link for /proc: %d, %q", code, out)
	}
}

// TestDevices: nodes can be made by who may, and opened only if the rules say so.
func TestDevices(t *testing.T) {
	b := newBench(t, "head -c 1 /dev/zero | grep -c .; mknod /dev/m c 1 1; head -c 1 /dev/m; mknod /dev/k c 1 11; cat /dev/k")
	caps := []string{"CAP_MKNOD"}
	b.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Permitted: caps, Effective: caps}
	out, _ := b.call("run", "c")
	if n := strings.Count(out, "Operation not permitted"); n < 2 {
		t.Errorf("%d refusals; want those of both nodes:\n%s", n, out)
	}
}

// TestDeviceProgram runs the program of version 2 where that is mounted.
func TestDeviceProgram(t *testing.T) {
	dir := ""
	for _, d := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if exists(filepath.Join(d, "cgroup.controllers")) {
			dir = d
			break
		}
	}
	if dir == "" {
		t.Fatal("no control groups of version 2 are mounted, not even beside version 1")
	}
	group := filepath.Join(dir, fmt.Sprintf("quilt-oci-test-%d", os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Rmdir(group) })
	rules, err := deviceRules(&specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := attachDevices(group, rules); err != nil {
		t.Fatal(err)
	}
	node := filepath.Join(t.TempDir(), "kmsg")
	if err := unix.Mknod(node, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 11))); err != nil {
		t.Fatal(err)
	}
	try := func(path string) error {
		dir, err := os.Open(group)
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		c := exec.Command("/proc/self/exe")
		c.Env = []string{"QUILT_OCI_OPEN=" + path}
		c.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
		return c.Run()
	}
	if err := try("/dev/zero"); err != nil {
		t.Errorf("/dev/zero cannot be opened: %v", err)
	}
	if try(node) == nil {
		t.Error("the kernel's log can be opened")
	}
}
