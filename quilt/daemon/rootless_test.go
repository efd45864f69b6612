package daemon

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/groups"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// TestWithoutRoot: a user who is not root and was handed a v2 group has all limits, and
// nothing outlives its launcher. Where there is no such group quiltd refuses, and with
// it allowed by name does all but limits.
func TestWithoutRoot(t *testing.T) {
	data, group := dataOfNobody(t), delegated(t)
	letUsersMakeNamespaces(t)
	if group == "" {
		p, said := startNobody(t, "", data, "-allow-degraded", "ids")
		if p != nil || !strings.Contains(said, "hands no control groups on to this user") ||
			!strings.Contains(said, "systemd-run --user --scope -p Delegate=yes") || !strings.Contains(said, `allow_degraded = ["cgroups"]`) {
			t.Fatalf("without groups it said:\n%s", said)
		}
		p, said = startNobody(t, "", data, "-allow-degraded", "ids,cgroups")
		isolated(t, p, said, "degraded: rootless without ids, cgroups (no cgroups)")
		restarts(t, p)
		if got := nobodySays(t, data, "gc"); got != "gc: 0 groups, 0 unfinished images removed" {
			t.Errorf("%s", got)
		}
		return
	}
	p, said := startNobody(t, group, data, "-allow-degraded", "ids")
	isolated(t, p, said, "degraded: rootless without ids (cgroup v2)")
	limited(t, p)
	restarts(t, p)
	cut(t, p, group)
	if got := nobodySays(t, data, "gc"); got != "gc: 1 groups, 0 unfinished images removed" {
		t.Errorf("%s", got)
	}
	if left := groupsBelow(group); len(left) != 1 || left[0] != filepath.Join(group, groups.Leaf) {
		t.Errorf("after gc there are %v", left)
	}
	// Whoever started it, and starts it again, has stepped aside.
	p, said = startNobody(t, filepath.Join(group, groups.Leaf), data, "-allow-degraded", "ids")
	isolated(t, p, said, "degraded: rootless without ids (cgroup v2)")
	cut(t, p, group)
	before := bases(t, group)
	p, said = startNobody(t, filepath.Join(group, groups.Leaf), data, "-allow-degraded", "ids")
	isolated(t, p, said, "degraded: rootless without ids (cgroup v2)")
	waitFor(t, func() bool { now := bases(t, group); return len(now) == 1 && len(before) == 1 && now[0] != before[0] })
}

// isolated: it came up, said how it isolates, and each run says it too.
func isolated(t *testing.T, p *pair, said, want string) {
	t.Helper()
	if p == nil || !strings.Contains(said, "isolation="+strconv.Quote(want)) {
		t.Fatalf("quiltd, which is to say %q, said:\n%s", want, said)
	}
	got := p.must(t, &quiltv1.ExecuteRequest{Execution: "first", Code: unit(`return a + 1`), Input: []byte(`[1]`)})
	if got.result != "2" || got.started.GetIsolation() != want {
		t.Fatalf("%s with %q: %v", got.result, got.started.GetIsolation(), got.ended)
	}
}

// limited: the kernel holds memory, processes and processor, and counts.
func limited(t *testing.T, p *pair) {
	t.Helper()
	const limit = 128 << 20
	run := func(id string, l *quiltv1.Limits, body string) ran {
		return p.must(t, &quiltv1.ExecuteRequest{Execution: id, Limits: l, Code: unit(body)})
	}
	got := run("memory", &quiltv1.Limits{MemoryBytes: limit}, `const all = []; for (;;) all.push(new Uint8Array(1<<20).fill(1))`)
	if u := got.ended.GetUsage(); got.ended.GetReason() != "oom" || u.GetPeakMemoryBytes() > limit || u.GetPeakMemoryBytes() < limit-4<<20 {
		t.Errorf("memory: %v", got.ended)
	}
	got = run("pids", &quiltv1.Limits{Pids: 24}, `for (let i = 0; i < 200; i++) new Worker("data:text/javascript,setInterval(()=>{},1e6)"); await new Promise(r => setTimeout(r, 20000))`)
	if got.ended.GetReason() != "pids" {
		t.Errorf("pids: %v", got.ended)
	}
	share := func(id string, millis int64) int {
		got := run(id, &quiltv1.Limits{CpuMillis: millis}, `
			const began = Date.now(), cpu = process.cpuUsage();
			while (Date.now() - began < 2000);
			const used = process.cpuUsage(cpu);
			return Math.round((used.user + used.system) / (Date.now() - began) / 10)`)
		percent, err := strconv.Atoi(got.result)
		if err != nil {
			t.Errorf("%s: %q, %v", id, got.result, got.ended)
		}
		if used := got.ended.GetUsage().GetCpuUs(); used < int64(percent)*10_000 {
			t.Errorf("%s: %d %% of two seconds, and its usage is %d us", id, percent, used)
		}
		return percent
	}
	if part, whole := share("fifth", 200), share("whole", 1000); part > 25 || whole < 2*part {
		t.Errorf("a fifth of a processor is %d %%, a whole one %d %%", part, whole)
	}
}

// restarts: an engine is replaced under a running container, by the user's own command.
func restarts(t *testing.T, p *pair) {
	t.Helper()
	said := []string{"kv:said:a"}
	done := make(chan ran, 1)
	go func() {
		got, err := p.follow(t.Context(), &quiltv1.ExecuteRequest{Execution: "stays", Tokens: said, Code: unit(untilSaid + `await until("go"); return 7`)})
		if err != nil {
			t.Error(err)
		}
		done <- got
	}()
	waitFor(t, func() bool { return live(t, p) == 1 })
	if got := nobodySays(t, p.data, "restart"); !strings.HasPrefix(got, "restarted: engine ") {
		t.Errorf("%s", got)
	}
	p.must(t, &quiltv1.ExecuteRequest{Execution: "says", Tokens: said, Code: unit(untilSaid + `await say("go")`)})
	if got := <-done; got.result != "7" {
		t.Errorf("what ran over the restart: %v", got.ended)
	}
}

// cut ends the launcher under running containers. No process is left of it.
func cut(t *testing.T, p *pair, group string) {
	t.Helper()
	st, err := p.Status(t.Context(), &quiltv1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		go p.run(t.Context(), &quiltv1.ExecuteRequest{Execution: fmt.Sprint("cut", i), Code: unit(`for (;;);`)})
	}
	waitFor(t, func() bool { return live(t, p) == 3 && inside(t, group) >= 6 })
	if err := syscall.Kill(int(st.LauncherPid), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err == nil {
		t.Error("quiltd, whose launcher was killed, ended well")
	}
	p.conn.Close()
	p.cmd = nil
	waitFor(t, func() bool { return inside(t, group) == 0 })
}

// bases are the groups of launchers.
func bases(t *testing.T, group string) []string {
	t.Helper()
	out, err := filepath.Glob(filepath.Join(group, "aria-quilt.*"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}
