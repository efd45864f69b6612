package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCgroupMounts(t *testing.T) {
	const info = `30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro
31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
32 30 0:28 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
`
	m := cgroupMounts(info)
	p := cgroupPaths("4:memory:/process/x\n3:cpu,cpuacct:/docker/abc/run\n0::/\n")
	got := map[string]string{}
	for _, c := range []string{"", "cpu", "cpuacct", "memory"} {
		got[c] = m[c].resolve(p[c])
	}
	want := map[string]string{"": "/sys/fs/cgroup/unified", "cpu": "/sys/fs/cgroup/cpu,cpuacct/run",
		"cpuacct": "/sys/fs/cgroup/cpu,cpuacct/run", "memory": "/sys/fs/cgroup/memory/process/x"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
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
