package daemon

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/status"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// One pair, and units that end in every way there is.
func TestEndings(t *testing.T) {
	p := startPair(t, dataDir(t))
	for i, test := range []struct {
		name, body   string
		tokens       []string
		input        string
		limits       *quiltv1.Limits
		reason, code string
		result       string
		message      string
	}{
		{name: "result", body: `return {sum: a + b}`, input: `[1,2]`, reason: "done", result: `{"sum":3}`},
		{name: "no result", body: ``, reason: "done", result: `null`},
		{name: "kv", tokens: []string{"kv:orders:rw"}, reason: "done", result: `{"put":{"version":1},"got":{"value":[1],"version":1},"gone":{"deleted":true}}`,
			body: `const put = await host.call("kv.put", {ns:"orders", key:"k", value:[1]});
				const got = await host.call("kv.get", {ns:"orders", key:"k"});
				return {put, got, gone: await host.call("kv.delete", {ns:"orders", key:"k"})}`},
		{name: "throws", body: `throw new TypeError("no such order")`, reason: "error", code: "failed", message: "no such order"},
		{name: "denied", body: `return await host.call("kv.get", {ns:"orders", key:"k"})`, reason: "denied", code: "denied", message: "kv:orders:r"},
		{name: "denied write", tokens: []string{"kv:orders:r"}, body: `return await host.call("kv.put", {ns:"orders", key:"k", value:1})`, reason: "denied", code: "denied", message: "kv:orders:rw"},
		{name: "denied is caught", body: `try { await host.call("kv.get", {ns:"orders", key:"k"}) } catch { return "went on" }`, reason: "done", result: `"went on"`},
		{name: "for ever", body: `for (;;);`, limits: &quiltv1.Limits{WallMs: 500}, reason: "timeout", code: "timeout", message: "did not end within 500ms"},
		{name: "waits for ever", body: `await new Promise(() => setInterval(() => {}, 1000))`, limits: &quiltv1.Limits{WallMs: 500}, reason: "timeout", code: "timeout"},
		{name: "memory", body: `const all = []; for (;;) all.push(new Uint8Array(1<<20).fill(1))`, limits: &quiltv1.Limits{MemoryBytes: 128 << 20}, reason: "oom", code: "exhausted", message: "128 MiB"},
		{name: "is told to exit", body: `process.exit(7)`, reason: "error", code: "failed", message: "process.exit(7)"},
		{name: "exits", body: `process.reallyExit(7)`, reason: "crash", code: "failed", message: "code 7"},
		{name: "processes", body: `for (let i = 0; i < 200; i++) new Worker("data:text/javascript,setInterval(()=>{},1e6)"); await new Promise(r => setTimeout(r, 20000))`,
			limits: &quiltv1.Limits{Pids: 24}, reason: "pids", code: "exhausted"},
		{name: "large result", body: `return "x".repeat(2000)`, limits: &quiltv1.Limits{ResultBytes: 1000}, reason: "output", code: "exhausted", message: "limit is 1000"},
		{name: "two last frames", reason: "protocol", code: "failed", message: "after the last frame",
			body: frames + `send('{"t":"result","value":1}{"t":"result","value":2}'); await new Promise(r => setTimeout(r, 5000))`},
		{name: "giant frame", reason: "protocol", code: "failed", message: "bytes; at most",
			body: frames + `fs.writeSync(3, Buffer.from([255,255,255,255])); await new Promise(r => setTimeout(r, 5000))`},
		{name: "not JSON", reason: "protocol", code: "failed", message: "not a JSON object",
			body: frames + `send('hello'); await new Promise(r => setTimeout(r, 5000))`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := p.must(t, &quiltv1.ExecuteRequest{
				Execution: fmt.Sprint("x", i), Code: unit(test.body), Input: []byte(test.input), Tokens: test.tokens, Limits: test.limits,
			})
			e := got.ended
			if e == nil || e.Reason != test.reason || e.GetError().GetCode() != test.code || !strings.Contains(e.GetError().GetMessage(), test.message) {
				t.Fatalf("ended %v, want %s %s %q", e, test.reason, test.code, test.message)
			}
			if got.result != test.result {
				t.Errorf("result %s, want %s", got.result, test.result)
			}
			if test.name == "throws" && !strings.Contains(e.Error.Stack, "unit.js") {
				t.Errorf("stack names no place in the unit: %q", e.Error.Stack)
			}
		})
	}
	held, err := p.Leases(t.Context(), &quiltv1.LeasesRequest{})
	if err != nil || len(held.Leases) != 0 || len(held.Waits) != 0 {
		t.Errorf("after all have ended: %v %v", held, err)
	}
}

// frames lets a hostile unit write to the broker's socket past the harness.
const frames = `const fs = require("node:fs");
	const send = (text) => fs.writeSync(3, Buffer.concat(text.split(/(?<=\})(?=\{)/).flatMap((part) => {
		const b = Buffer.from(part); const n = Buffer.alloc(4); n.writeUInt32BE(b.length); return [n, b]; })));
`

func TestRefusedBeforeItBegins(t *testing.T) {
	p := startPair(t, dataDir(t))
	for _, test := range []struct {
		name string
		r    *quiltv1.ExecuteRequest
		want string
	}{
		{"unknown scheme", &quiltv1.ExecuteRequest{Execution: "a", Tokens: []string{"kvs:orders:r"}, Code: unit("")}, "invalid"},
		{"scheme not served", &quiltv1.ExecuteRequest{Execution: "a", Tokens: []string{"x-nobody:serves"}, Code: unit("")}, "unimplemented"},
		{"limit", &quiltv1.ExecuteRequest{Execution: "a", Limits: &quiltv1.Limits{Pids: 1 << 20}, Code: unit("")}, "invalid"},
		{"no code", &quiltv1.ExecuteRequest{Execution: "a"}, "invalid"},
		{"input", &quiltv1.ExecuteRequest{Execution: "a", Input: []byte(`{}`), Code: unit("")}, "invalid"},
		{"path", &quiltv1.ExecuteRequest{Execution: "a", Code: &quiltv1.Code{Files: []*quiltv1.File{{Path: "../x"}}, Entry: "../x", Export: "X"}}, "invalid"},
		{"id", &quiltv1.ExecuteRequest{Execution: "a/b", Code: unit("")}, "invalid"},
	} {
		_, err := p.run(t.Context(), test.r)
		var code string
		for _, d := range status.Convert(err).Details() {
			if e, ok := d.(*quiltv1.Error); ok {
				code = e.Code
			}
		}
		if code != test.want {
			t.Errorf("%s: %v with code %q, want %q", test.name, err, code, test.want)
		}
	}
}

func TestLogsInOrderUpToTheLimit(t *testing.T) {
	p := startPair(t, dataDir(t))
	got := p.must(t, &quiltv1.ExecuteRequest{Execution: "few", Code: unit(`host.log("info", "one", {n: 1}); host.log("warn", "two"); console.error("three")`)})
	var texts []string
	for _, l := range got.logs {
		texts = append(texts, l.Level+" "+l.Text+" "+string(l.Fields))
	}
	if text := strings.Join(texts, "|"); !strings.Contains(text, `info one {"n":1}|`) || !strings.Contains(text, "warn two") || !strings.Contains(text, "three") {
		t.Errorf("log: %q", text)
	}
	got = p.must(t, &quiltv1.ExecuteRequest{Execution: "flood", Limits: &quiltv1.Limits{LogBytes: 10_000},
		Code: unit(`for (let i = 0; i < 50000; i++) { console.log("line " + i); host.log("info", "entry " + i) } return "done"`)})
	size := 0
	for _, l := range got.logs {
		size += len(l.Text)
	}
	if last := got.logs[len(got.logs)-1]; size > 10_200 || !strings.Contains(last.Text, "dropped") || got.result != `"done"` {
		t.Errorf("%d bytes of log, last %q, result %s, ended %v", size, last.Text, got.result, got.ended)
	}
}

func TestExclusiveTokensTakeTurns(t *testing.T) {
	p := startPair(t, dataDir(t))
	first := make(chan ran, 1)
	go func() {
		got, _ := p.run(t.Context(), &quiltv1.ExecuteRequest{Execution: "first", Tokens: []string{"kv:orders:rw"}, Code: unit(`await new Promise(r => setTimeout(r, 400))`)})
		first <- got
	}()
	waitFor(t, func() bool {
		l, err := p.Leases(t.Context(), &quiltv1.LeasesRequest{})
		return err == nil && len(l.Leases) == 1
	})
	second := p.must(t, &quiltv1.ExecuteRequest{Execution: "second", Tokens: []string{"kv:orders:rw"}, Code: unit(`return 2`)})
	if q := second.queued; q == nil || fmt.Sprint(q.HeldBy, q.WaitsFor) != "[first] [kv:orders:rw]" {
		t.Errorf("queued: %v", q)
	}
	if one := <-first; second.result != "2" || one.started.Fence >= second.started.Fence || second.started.WaitedUs < 100_000 {
		t.Errorf("first %v, second %v %v", one.started, second.started, second.ended)
	}
	late := p.must(t, &quiltv1.ExecuteRequest{Execution: "late", Code: unit(``)})
	if late.queued != nil {
		t.Errorf("an execution without tokens waited: %v", late.queued)
	}
}

func TestKillAndACallerWhoLeaves(t *testing.T) {
	p := startPair(t, dataDir(t))
	sleeper := func(id string) *quiltv1.ExecuteRequest {
		return &quiltv1.ExecuteRequest{Execution: id, Tokens: []string{"kv:a:rw"}, Code: unit(`await new Promise(r => setTimeout(r, 30000))`)}
	}
	got := make(chan ran, 1)
	go func() {
		r, _ := p.run(t.Context(), sleeper("killed"))
		got <- r
	}()
	waitFor(t, func() bool { return live(t, p) == 1 })
	time.Sleep(100 * time.Millisecond)
	if k, err := p.Kill(t.Context(), &quiltv1.KillRequest{Execution: "killed", Reason: "enough"}); err != nil || !k.Found {
		t.Fatal(k, err)
	}
	if r := <-got; r.ended.GetReason() != "killed" || !strings.Contains(r.ended.Error.Message, "enough") {
		t.Errorf("ended %v", r.ended)
	}
	if k, err := p.Kill(t.Context(), &quiltv1.KillRequest{Execution: "killed"}); err != nil || k.Found {
		t.Errorf("a second kill: %v %v", k, err)
	}
	ctx, leave := context.WithCancel(t.Context())
	go p.run(ctx, sleeper("left"))
	waitFor(t, func() bool { return live(t, p) == 1 })
	leave()
	waitFor(t, func() bool { return live(t, p) == 0 })
}

func live(t *testing.T, p *pair) int64 {
	s, err := p.Status(t.Context(), &quiltv1.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Executions
}

func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	within := testenv.Patience(10 * time.Second)
	for end := time.Now().Add(within); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not happen within %s", within)
		}
	}
}

// SIGTERM lets what runs end for the grace, then kills it; every caller hears
// how its execution ended.
func TestStopTellsEveryCaller(t *testing.T) {
	data := dataDir(t)
	config := data + "/c.toml"
	if err := os.WriteFile(config, fmt.Appendf(nil, "grace = '%s'", testenv.Patience(600*time.Millisecond)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startPair(t, data, "-config", config)
	ends := map[string]chan ran{"quick": make(chan ran, 1), "slow": make(chan ran, 1)}
	for id, ms := range map[string]int{"quick": 300, "slow": 30_000} {
		go func() {
			got, _ := p.run(context.Background(), &quiltv1.ExecuteRequest{Execution: id, Code: unit(fmt.Sprintf(`await new Promise(r => setTimeout(r, %d)); return 1`, ms))})
			ends[id] <- got
		}()
	}
	waitFor(t, func() bool { return live(t, p) == 2 })
	p.cmd.Process.Signal(syscall.SIGTERM)
	if r := <-ends["quick"]; r.ended.GetReason() != "done" {
		t.Errorf("quick ended %v", r.ended)
	}
	if r := <-ends["slow"]; r.ended.GetReason() != "killed" || !strings.Contains(r.ended.Error.Message, "stopping") {
		t.Errorf("slow ended %v", r.ended)
	}
}
