package groups

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

const asideEnv = "GROUPS_TEST_ASIDE"

// The test binary is also the daemon that steps aside: it says where it is then, and
// stays until its input ends.
func TestMain(m *testing.M) {
	if os.Getenv(asideEnv) == "" {
		os.Exit(m.Run())
	}
	StepAside()
	dir, err := own()
	if err != nil {
		dir = err.Error()
	}
	fmt.Println(dir)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// handed is a v2 group of user 65532. Where controllers are of v1 it has none, which
// makes no difference here.
func handed(t *testing.T) string {
	t.Helper()
	testenv.NeedRoot(t)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	m, there := Mounts(string(mounts))[""]
	if !there {
		t.Fatal("no cgroup v2 hierarchy is mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified")
	}
	dir, err := os.MkdirTemp(m.Point, "handed-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.Remove(filepath.Join(dir, Leaf))
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	for _, file := range []string{"", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"} {
		if err := os.Chown(filepath.Join(dir, file), 65532, 65532); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// daemon starts one in a group and returns where it went.
func daemon(t *testing.T, dir string, uid uint32) (went string, end func()) {
	t.Helper()
	group, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), asideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{}},
		UseCgroupFD: true, CgroupFD: int(group.Fd())}
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil || cmd.Start() != nil {
		t.Fatalf("%v %v: it does not start", err1, err2)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Errorf("it said nothing: %v", err)
	}
	return strings.TrimSpace(line), func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// TestStepAside: who is alone in a group of its own leaves it, and what is started
// there after it stays where it is. Who is not alone, or in a group of others, changes
// nothing.
func TestStepAside(t *testing.T) {
	dir := handed(t)
	leaf := filepath.Join(dir, Leaf)
	went, end := daemon(t, dir, 65532)
	if went != leaf {
		t.Errorf("alone, it went to %s", went)
	}
	again, endAgain := daemon(t, leaf, 65532)
	if again != leaf {
		t.Errorf("started where another has stepped aside, it went to %s", again)
	}
	endAgain()
	end()
	if err := os.Remove(leaf); err != nil {
		t.Fatal(err)
	}
	other, end := daemon(t, dir, 65533)
	if other != dir {
		t.Errorf("in a group of another user it went to %s", other)
	}
	went, endSecond := daemon(t, dir, 65532)
	if went != dir {
		t.Errorf("not alone, it went to %s", went)
	}
	endSecond()
	end()
	if _, err := os.Stat(leaf); !os.IsNotExist(err) {
		t.Errorf("%s: %v", leaf, err)
	}
}
