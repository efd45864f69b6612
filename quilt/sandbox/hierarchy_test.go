package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/groups"
)

// TestFindHierarchy: on v2 our groups are below our own, or beside the one to which our
// starter has stepped aside.
func TestFindHierarchy(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "user", "run.scope")
	if err := os.MkdirAll(filepath.Join(dir, groups.Leaf), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.controllers"), []byte("cpu io memory pids\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	mounts := fmt.Sprintf("31 30 0:27 / %s rw - cgroup2 cgroup2 rw\n", top)
	for self, daemons := range map[string]string{"/user/run.scope": "", "/user/run.scope/" + groups.Leaf: groups.Leaf} {
		h, err := findHierarchy(mounts, "0::"+self+"\n", "aria")
		if err != nil {
			t.Fatal(err)
		}
		if daemons == "" {
			daemons = h.base + ".launcher"
		}
		if h.version != 2 || h.own[""] != dir || h.top != top || h.daemons() != filepath.Join(dir, daemons) {
			t.Errorf("%s: v%d in %s, daemons in %s", self, h.version, h.own[""], h.daemons())
		}
	}
}

func TestLimitSettings(t *testing.T) {
	l := Limits{MemoryBytes: 100, Pids: 7, CPUMillis: 250, Disks: []string{"254:0"}, IOBytes: 4096, IOOps: 20}
	for version, want := range map[int][]string{
		1: {"memory/memory.limit_in_bytes=100", "memory/memory.memsw.limit_in_bytes=100", "pids/pids.max=7", "cpu/cpu.cfs_period_us=100000", "cpu/cpu.cfs_quota_us=25000"},
		2: {"/memory.max=100", "/pids.max=7", "/cpu.max=25000 100000", "/io.max=254:0 rbps=4096 wbps=4096 riops=20 wiops=20"},
	} {
		var got []string
		for _, s := range limitSettings(version, l) {
			got = append(got, s.controller+"/"+s.file+"="+s.value)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("v%d (-want +got):\n%s", version, d)
		}
	}
}

// TestUsageV2 reads a v2 group's files as the kernel writes them.
func TestUsageV2(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"cpu.stat": "usage_usec 1500\nuser_usec 1000\n", "memory.peak": "4096\n",
		"memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n", "pids.events": "max 0\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := (&cgroup{version: 2, dir: map[string]string{"": dir}}).usage()
	if d := cmp.Diff(Exit{OOM: true, CPU: 1500000, PeakMemory: 4096}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestOwnerDead(t *testing.T) {
	start, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for group, want := range map[string]bool{
		fmt.Sprintf("aria.%d.%d", os.Getpid(), start):          false, // us
		fmt.Sprintf("aria.%d.%d", os.Getpid(), start+1):        true,  // our pid, another process
		fmt.Sprintf("aria.%d.%d.launcher", os.Getpid(), start): false,
		"aria.4194305.1":  true, // above the highest pid there can be
		"other.4194305.1": false,
		"aria.x.1":        false,
		"aria.4194305":    false,
	} {
		if got := ownerDead(group, "aria"); got != want {
			t.Errorf("%s: %v, want %v", group, got, want)
		}
	}
}

// TestSteady: one group has a cpu limit for as long as the launcher lives, and
// nobody is in it.
func TestSteady(t *testing.T) {
	sharedClient(t)
	h := shared.launcher.tree
	g := h.steadyGroup()
	limit := h.cpuLimit("")
	if n := readCount(g.at(limit.controller, limit.file), ""); n != 1000 {
		t.Errorf("its limit is %d microseconds, want 1000", n)
	}
	if b, err := os.ReadFile(filepath.Join(g.dirs[0], "cgroup.procs")); err != nil || len(b) > 0 {
		t.Errorf("in it: %q, %v", b, err)
	}
}
