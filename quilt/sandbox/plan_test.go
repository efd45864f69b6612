package sandbox

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

var update = flag.Bool("update", false, "rewrite golden files")

var goldenHost = Host{Arch: "amd64", CgroupVersion: 1, Isolation: "full (cgroup v1)", LandlockABI: 7, ImageDigest: "0123abcd"}

// TestGoldenPlan holds the whole plan and the list of system calls it becomes.
func TestGoldenPlan(t *testing.T) {
	p, err := NewPlan(Spec{ID: "exec-1", Env: []string{"UNIT=orders.get"}, MemoryBytes: 128 << 20, Pids: 32, CPUMillis: 500, TmpBytes: 16 << 20}, goldenHost)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/plan.json", string(b)+"\n")
	arm := goldenHost
	arm.Arch = "arm64"
	q, err := NewPlan(p.Spec, arm)
	if err != nil {
		t.Fatal(err)
	}
	if q.Seccomp != "bun-arm64-"+abis[1].digest {
		t.Errorf("the plan for arm64 has the filter %s", q.Seccomp)
	}
	if q.Seccomp = p.Seccomp; q.Digest() != p.Digest() {
		t.Error("the plan for arm64 differs in more than its filter")
	}
	prog := compile(p, held{tasks: []int{10, 11}, netns: 12, userns: 13, null: 14, stdout: 15, stderr: 16, control: 17, creator: 18, id: 201000, lastCap: 40, landlockABI: goldenHost.LandlockABI})
	golden(t, "testdata/program.txt", strings.ReplaceAll(prog.names(), ownTable.loader+"\n", "/lib64\n"))
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got; -update rewrites):\n%s", file, d)
	}
}

func TestPlanDigest(t *testing.T) {
	a, err := NewPlan(Spec{ID: "a"}, goldenHost)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := NewPlan(a.Spec, goldenHost) // a spec with its defaults filled in gives the same plan
	if a.Digest() != again.Digest() {
		t.Error("the plan of a plan's spec differs")
	}
	b := a
	b.Capabilities = []string{"CAP_SYS_ADMIN"}
	if a.Digest() == b.Digest() {
		t.Error("a changed plan has the same digest")
	}
}

func TestBadSpecs(t *testing.T) {
	for _, c := range []struct {
		name string
		spec Spec
		says string
	}{
		{"no id", Spec{}, `container id "" is not`},
		{"id with a slash", Spec{ID: "../x"}, `"../x" is not`},
		{"id too long", Spec{ID: strings.Repeat("a", 129)}, "is not 1 to 128"},
		{"too little memory", Spec{ID: "a", MemoryBytes: 1 << 20}, "memory limit 1048576 is outside"},
		{"negative pids", Spec{ID: "a", Pids: -1}, "pids limit -1 is outside"},
		{"too much cpu", Spec{ID: "a", CPUMillis: 1 << 40}, "cpu limit"},
		{"tmp too small", Spec{ID: "a", TmpBytes: 1}, "tmp limit 1 is outside"},
		{"env without =", Spec{ID: "a", Env: []string{"X"}}, `"X" is not NAME=value`},
		{"NUL in argv", Spec{ID: "a", Argv: []string{"a\x00b"}}, "NUL"},
		{"too long", Spec{ID: "a", Argv: []string{strings.Repeat("x", 70000)}}, "bytes, more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewPlan(c.spec, goldenHost)
			f, ok := fault.As(err)
			if !ok || !strings.Contains(f.Message, c.says) || f.Hint == "" {
				t.Errorf("error %v, want a fault that says %q and has a hint", err, c.says)
			}
		})
	}
}
