package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// TestStartRefusals: a launcher that cannot do its work says why and leaves
// nothing.
func TestStartRefusals(t *testing.T) {
	testenv.NeedRoot(t)
	name := fmt.Sprint("aria-quilt-failtest-", os.Getpid())
	empty, linked := t.TempDir(), t.TempDir()
	for _, d := range []string{"bin", "dev", "proc", "tmp"} {
		if err := os.Mkdir(filepath.Join(linked, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	whole := t.TempDir()
	if err := os.CopyFS(whole, os.DirFS(linked)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(whole, "bin/bun"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(linked, "bin/bun")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  LauncherConfig
		says string
	}{
		{"image missing", LauncherConfig{ImageDir: "/nonexistent"}, `image "/nonexistent" is not there`},
		{"bun missing", LauncherConfig{ImageDir: empty}, "image has no /bin/bun"},
		{"link in the image", LauncherConfig{ImageDir: linked}, "bin/bun is neither a folder nor a regular file"},
		{"cgroup with a bad name", LauncherConfig{ImageDir: whole, CgroupName: "no/such"}, "cannot make a cgroup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.cfg.CgroupName == "" {
				c.cfg.CgroupName = name
			}
			l, err := newLauncher(c.cfg.withDefaults())
			if err == nil {
				l.close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q, want %q", err, c.says)
			}
			if left := groupsOf(t, name); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	if err := RunLauncher(LauncherConfig{EngineUID: 0, EngineGID: 0}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("an engine as root: %v", err)
	}
}

// TestEveryStepFails breaks each operation of the child in turn: the start
// fails with the step's name and nothing runs. A step that could fail unseen
// would be a wall that is not there.
func TestEveryStepFails(t *testing.T) {
	c := sharedClient(t)
	l := shared.launcher
	plan, err := NewPlan(Spec{ID: "broken", Argv: []string{"/bin/bun", "-e", "0"}}, c.Hello())
	if err != nil {
		t.Fatal(err)
	}
	build := func() (*program, *slot, func()) {
		sl := <-l.slots.ready
		if sl.failure != nil {
			t.Fatal(sl.failure)
		}
		null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		p := compile(plan, held{tasks: sl.tasks, netns: sl.netns, userns: sl.users.fd, null: null, stdout: null, stderr: null, control: null,
			creator: l.template.creator, id: sl.users.id, lastCap: l.lastCap, landlockABI: l.host.LandlockABI})
		return p, sl, func() {
			unix.Close(null)
			if err := l.slots.discard(sl); err != nil {
				t.Error(err)
			}
		}
	}
	p, _, done := build()
	n := len(p.ops)
	done()
	defer l.template.apart.Store(false)
	for i := range 2 * n { // then again, cloned as where there is no stub
		l.template.apart.Store(i >= n)
		i %= n
		p, sl, done := build()
		p.ops[i].nr = unix.SYS_CLOSE // of a descriptor that is never open: EBADF
		p.ops[i].args[0] = 1 << 20
		_, pidfd, err := l.template.spawn(p, sl.dir)
		if err == nil {
			t.Errorf("step %d (%s) failed and the container ran", i, p.ops[i].name)
			unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
			reap(pidfd)
			unix.Close(pidfd)
		} else if !strings.HasPrefix(err.Error(), p.ops[i].name+": ") {
			t.Errorf("step %d: error %q does not name %q", i, err, p.ops[i].name)
		}
		done()
	}
	t.Logf("%d steps", n)
}

// TestStartFailures through the client: one clear error, nothing left.
func TestStartFailures(t *testing.T) {
	c := sharedClient(t)
	good, err := NewPlan(Spec{ID: "x"}, c.Hello())
	if err != nil {
		t.Fatal(err)
	}
	tampered := good
	tampered.NoNewPrivs = false
	missing := good
	missing, err = NewPlan(Spec{ID: "y", Argv: []string{"/bin/nothing"}}, c.Hello())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name string
		plan Plan
		code fault.Code
		says string
	}{
		{"a changed plan", tampered, fault.Denied, "the plan is not the one its spec gives"},
		{"no such program", missing, fault.Unavailable, "exec /bin/nothing: no such file or directory"},
	} {
		t.Run(x.name, func(t *testing.T) {
			k, err := c.Start(t.Context(), x.plan)
			if err == nil {
				k.Kill()
				t.Fatal("it started")
			}
			if fault.CodeOf(err) != x.code || !strings.Contains(err.Error(), x.says) {
				t.Errorf("%v (%s), want %s: %q", err, fault.CodeOf(err), x.code, x.says)
			}
		})
	}
	eventually(t, 2*time.Second, "nothing live", func() bool {
		s, err := c.Stats(context.Background())
		return err == nil && s.Live == 0
	})
}
