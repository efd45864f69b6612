package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// parked waits until the launcher holds n containers and they have booted.
func parked(t testing.TB, p *pair, n int) {
	t.Helper()
	end := time.Now().Add(testenv.Patience(10 * time.Second))
	for {
		st, err := p.Status(t.Context(), &quiltv1.StatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(descendants(int(st.LauncherPid))) - 1; got == n && int(st.Parked) == n { // one is the engine
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not %d parked containers: %d, and %v", n, st.Parked, descendants(int(st.LauncherPid)))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A claim binds the limits of its execution; what one execution leaves, the
// next one does not see; a dry pool is cold; quiet lets all go.
func TestPool(t *testing.T) {
	p := startPair(t, dataDir(t), "-parked", "2")
	first := p.must(t, &quiltv1.ExecuteRequest{Execution: "p0", Code: unit(`return 1`)})
	if first.started.Start != "cold" {
		t.Errorf("the first start was %s", first.started.Start)
	}
	parked(t, p, 1)
	const plant = `const fs = require("fs"); const was = [globalThis.planted ?? 0, fs.readdirSync("/tmp").length]; globalThis.planted = 1; fs.writeFileSync("/tmp/x", "");
return [was, Math.random(), crypto.randomUUID()]`
	var seen []string
	for i := range 3 {
		got := p.must(t, &quiltv1.ExecuteRequest{Execution: fmt.Sprint("p1", i), Code: unit(plant)})
		if got.started.Start != "pooled" || !strings.HasPrefix(got.result, "[[0,0],") || slices.Contains(seen, got.result) {
			t.Errorf("%s: %s after %v", got.started.Start, got.result, seen)
		}
		seen = append(seen, got.result)
		parked(t, p, 1)
	}
	for _, x := range []struct {
		name, code, reason string
		limits             *quiltv1.Limits
	}{
		{"less memory", `const x = []; for (;;) x.push(Buffer.alloc(1 << 20, 1))`, "oom", &quiltv1.Limits{MemoryBytes: 96 << 20}},
		{"more memory", `const x = []; for (let i = 0; i < 300; i++) x.push(Buffer.alloc(1 << 20, 1)); return 1`, "done", &quiltv1.Limits{MemoryBytes: 512 << 20}},
		{"fewer processes", `for (let i = 0; i < 60; i++) Bun.spawn(["/bin/bun", "-e", "setTimeout(()=>{},60000)"]); return new Promise(() => setTimeout(() => {}, 1e5))`, "pids", &quiltv1.Limits{Pids: 16, WallMs: 3000}},
		{"wall clock", `for (;;);`, "timeout", &quiltv1.Limits{WallMs: 200}},
	} {
		got, err := p.run(t.Context(), &quiltv1.ExecuteRequest{Execution: x.name[:4] + "-x", Code: unit(x.code), Limits: x.limits})
		if err != nil {
			t.Fatal(err)
		}
		if got.started.Start != "pooled" || got.ended.Reason != x.reason && !(x.reason == "pids" && got.ended.Reason != "done") {
			t.Errorf("%s: %s, %v", x.name, got.started.GetStart(), got.ended)
		}
		parked(t, p, 1)
	}
	got := p.must(t, &quiltv1.ExecuteRequest{Execution: "tmp", Code: unit(`return 1`), Limits: &quiltv1.Limits{TmpBytes: 2 << 20}})
	if got.started.Start != "cold" {
		t.Errorf("an execution with another /tmp was %s", got.started.Start)
	}
}

// Code that is loaded before its run: the same results as without, single use,
// nothing left by the one before, the limits of its execution; what its top
// level may not have is not there, and code that looks for it runs as ever.
func TestWarm(t *testing.T) {
	p := startPair(t, dataDir(t), "-parked", "0", "-warm", "2")
	code := func(top, body string) *quiltv1.Code {
		c := unit(body)
		c.Files[0].Content = append([]byte(top+"\n"), c.Files[0].Content...)
		return c
	}
	const top = `let loads = globalThis.planted ?? 0; globalThis.planted = 0; const kept = Date.now; const fs0 = require("fs");`
	const body = `globalThis.planted = 1; const had = fs0.readdirSync("/tmp").length; fs0.writeFileSync("/tmp/x", ""); return [loads++, had, Math.random(), Date.now() - kept()]`
	want := "cold"
	var seen []string
	for i := range 3 {
		got := p.must(t, &quiltv1.ExecuteRequest{Execution: fmt.Sprint("w", i), Code: code(top, body)})
		if got.started.Start != want || !strings.HasPrefix(got.result, "[0,0,") || slices.Contains(seen, got.result) {
			t.Errorf("%s instead of %s: %s after %v", got.started.Start, want, got.result, seen)
		}
		seen, want = append(seen, got.result), "warm"
		parked(t, p, 1)
	}
	got, err := p.run(t.Context(), &quiltv1.ExecuteRequest{Execution: "more", Code: code(top, `return Buffer.alloc(150 << 20, 1).length`)})
	if err != nil || got.result != fmt.Sprint(150<<20) {
		t.Errorf("other code: %v, %v", got, err)
	}
	parked(t, p, 2)
	for i, more := range []string{`const at = Date.now();`, `throw new Error("top");`, `await new Promise(() => {});`} {
		req := func(n int) *quiltv1.ExecuteRequest {
			return &quiltv1.ExecuteRequest{Execution: fmt.Sprintf("unfit%d%d", i, n), Code: code(more, `return 1`), Limits: &quiltv1.Limits{WallMs: 3000}}
		}
		first, err := p.run(t.Context(), req(0))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		second, err := p.run(t.Context(), req(1))
		if err != nil {
			t.Fatal(err)
		}
		if second.started.Start != "cold" || first.ended.Reason != second.ended.Reason || first.result != second.result {
			t.Errorf("%s: %s, then %s and %s", more, first.ended, second.started.Start, second.ended)
		}
	}
	limits := &quiltv1.Limits{MemoryBytes: 512 << 20}
	big := p.must(t, &quiltv1.ExecuteRequest{Execution: "more2", Code: code(top, `return Buffer.alloc(300 << 20, 1).length`), Limits: limits})
	parked(t, p, 2)
	again := p.must(t, &quiltv1.ExecuteRequest{Execution: "more3", Code: code(top, `return Buffer.alloc(300 << 20, 1).length`), Limits: limits})
	if big.started.Start != "cold" || again.started.Start != "warm" || again.result != big.result {
		t.Errorf("with its own limits: %s %s, then %s %s", big.started.Start, big.result, again.started.Start, again.result)
	}
}

// Without JIT every run says so, and parked containers are without it too.
func TestWithoutJIT(t *testing.T) {
	dir := dataDir(t)
	if err := os.WriteFile(filepath.Join(dir, "quiltd.toml"), []byte("jit = false\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := startPair(t, dir, "-parked", "1")
	for i, start := range []string{"cold", "pooled"} {
		got := p.must(t, &quiltv1.ExecuteRequest{Execution: fmt.Sprint("j", i), Code: unit(`return process.env.BUN_JSC_useJIT`)})
		if got.started.Start != start || got.result != `"0"` || !strings.HasSuffix(got.started.Isolation, ", no JIT") {
			t.Errorf("%s: %s on %s", got.started.Start, got.result, got.started.Isolation)
		}
		parked(t, p, 1)
	}
}

// BenchmarkPool is request to result with a parked container, beside a cold one.
func BenchmarkPool(b *testing.B) {
	p := startPair(b, dataDir(b), "-parked", "2")
	var took [2][]float64
	i := 0
	for b.Loop() {
		i++
		for k, limits := range []*quiltv1.Limits{{TmpBytes: 2 << 20}, nil} {
			began := time.Now()
			stream, err := p.execute(b.Context(), &quiltv1.ExecuteRequest{Execution: fmt.Sprint("b", 2*i+k), Unit: "bench", Code: unit(`return 1`), Limits: limits})
			if err != nil {
				b.Fatal(err)
			}
			pooled := false
			for {
				m, err := stream.Recv()
				if err != nil {
					break
				}
				pooled = pooled || m.GetStarted().GetStart() == "pooled"
				if m.GetResult() != nil && pooled == (k == 1) {
					took[k] = append(took[k], time.Since(began).Seconds()*1e3)
				}
			}
			time.Sleep(60 * time.Millisecond) // the next one parks and boots
		}
	}
	for k, name := range []string{"cold", "pooled"} {
		slices.Sort(took[k])
		if n := len(took[k]); n > 0 {
			b.ReportMetric(took[k][n/2], name+"-p50-ms")
			b.ReportMetric(took[k][n/10], name+"-p10-ms")
		}
	}
}
