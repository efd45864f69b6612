package groups

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResolve(t *testing.T) {
	const info = `30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro
31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
32 30 0:28 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
`
	m := Mounts(info)
	p := Paths("4:memory:/process/x\n3:cpu,cpuacct:/docker/abc/run\n0::/\n")
	got := map[string]string{}
	for _, c := range []string{"", "cpu", "cpuacct", "memory"} {
		got[c] = m[c].Resolve(p[c])
	}
	want := map[string]string{"": "/sys/fs/cgroup/unified", "cpu": "/sys/fs/cgroup/cpu,cpuacct/run",
		"cpuacct": "/sys/fs/cgroup/cpu,cpuacct/run", "memory": "/sys/fs/cgroup/memory/process/x"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
