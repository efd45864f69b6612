package daemon

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// What an execution had in its hands goes back when it ends, however it ends.
func TestAnExecutionGivesBackWhatItHad(t *testing.T) {
	p := startPair(t, dataDir(t))
	run := func(id, body string, wall int64) ran {
		return p.must(t, &quiltv1.ExecuteRequest{
			Execution: id, Tokens: []string{"queue:jobs:a", "lock:gate:rw?hold=tx", "kv:box:rw?hold=tx"}, Code: unit(body),
			Limits: &quiltv1.Limits{WallMs: wall},
		})
	}
	enough := testenv.Patience(10 * time.Second).Milliseconds()
	if pushed := run("push", `await host.call("queue.push", {ns: "jobs", items: [{body: 1}]})`, enough); pushed.ended.GetReason() != "done" {
		t.Fatalf("the push ended %v", pushed.ended)
	}
	took := run("took", `const got = await host.call("queue.claim", {ns: "jobs", visibilityMs: 3600000});
		await host.call("lock.take", {name: "gate"});
		await host.call("kv.begin", {ns: ["box"]});
		if (got.items.length === 1) for (;;);`, 700)
	if took.ended.GetReason() != "timeout" {
		t.Fatalf("the first ended %v", took.ended)
	}
	got := run("next", `await host.call("lock.take", {name: "gate"});
		await host.call("kv.begin", {ns: ["box"]});
		return (await host.call("queue.claim", {ns: "jobs", waitMs: 5000})).items`, enough)
	if got.result != `[{"id":1,"claim":2,"most":5,"body":1}]` {
		t.Errorf("after a claim whose execution was killed: %s %v", got.result, got.ended)
	}
	began := time.Now()
	p.must(t, &quiltv1.ExecuteRequest{Execution: "leaves", Tokens: []string{"kv:box:s", "queue:none:a"},
		Code: unit(`host.call("kv.watch", {ns: "box", waitMs: 20000}); host.call("queue.claim", {ns: "none", waitMs: 20000}); return 1`)})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("an execution that left questions open ended after %s", took)
	}
}

// Executions beside each other whose tokens are locked on use: nothing is lost,
// and nobody is inside a lock together.
func TestLockedOnUse(t *testing.T) {
	p := startPair(t, dataDir(t))
	body := `for (let i = 0; i < 10; i++) {
		const gate = await host.call("lock.take", {name: "gate"});
		const e = await host.call("kv.get", {ns: "free", key: "inside"});
		await host.call("kv.put", {ns: "free", key: "inside", value: e ? e.value + 1 : 1});
		await host.call("lock.drop", {id: gate.id, name: "gate"});
		const {id} = await host.call("kv.begin", {ns: ["sum"]});
		const old = await host.call("kv.get", {ns: "sum", key: "n", tx: id});
		await host.call("kv.commit", {id, reads: [{ns: "sum", key: "n", version: old ? old.version : 0}],
			writes: [{ns: "sum", key: "n", value: (old ? old.value : 0) + 1}]});
	}`
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			got := p.must(t, &quiltv1.ExecuteRequest{
				Execution: fmt.Sprint("w", i), Code: unit(body),
				Tokens: []string{"kv:sum:rw?hold=tx", "lock:gate:rw?hold=tx", "kv:free:a"},
			})
			if got.ended.GetReason() != "done" {
				t.Errorf("writer %d: %v", i, got.ended)
			}
		})
	}
	all.Wait()
	got := p.must(t, &quiltv1.ExecuteRequest{Execution: "read", Tokens: []string{"kv:sum:r", "kv:free:r"},
		Code: unit(`return [(await host.call("kv.get", {ns: "sum", key: "n"})).value, (await host.call("kv.get", {ns: "free", key: "inside"})).value]`)})
	if got.result != "[40,40]" {
		t.Errorf("4 writers, 10 rounds: %s", got.result)
	}
}
