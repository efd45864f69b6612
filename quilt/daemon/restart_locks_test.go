package daemon

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// players are executions that go on through restarts and tell each other what
// they have done in the namespace "said".
type players struct {
	*pair
	t     *testing.T
	ended map[string]chan ran
}

const untilSaid = `const until = async key => { while (await host.call("kv.get", {ns: "said", key}) === null) await new Promise(r => setTimeout(r, 10)); };
	const say = (key, value = 1) => host.call("kv.put", {ns: "said", key, value});
	const fails = async work => { try { await work; return "" } catch (e) { return e.code } };
	`

func (p *players) begin(id, body string) {
	done := make(chan ran, 1)
	p.ended[id] = done
	go func() {
		got, err := p.follow(p.t.Context(), &quiltv1.ExecuteRequest{
			Execution: id, Tokens: []string{"lock:gate:rw?hold=tx", "kv:sum:rw?hold=tx", "kv:said:a"}, Code: unit(untilSaid + body),
		})
		if err != nil {
			p.t.Errorf("%s: %v", id, err)
		}
		done <- got
	}()
}

func (p *players) end(id, want string) {
	p.t.Helper()
	if got := <-p.ended[id]; got.result != want {
		p.t.Errorf("%s: %s instead of %s, %v", id, got.result, want, got.ended)
	}
}

// said waits until somebody said so, and is what was said.
func (p *players) said(key string) string {
	p.t.Helper()
	return p.must(p.t, &quiltv1.ExecuteRequest{Execution: fmt.Sprint("hears", time.Now().UnixNano()), Tokens: []string{"kv:said:a"},
		Code: unit(untilSaid + `await until("` + key + `"); return (await host.call("kv.get", {ns: "said", key: "` + key + `"})).value`)}).result
}

func (p *players) say(key string) {
	p.t.Helper()
	p.must(p.t, &quiltv1.ExecuteRequest{Execution: "says-" + key, Tokens: []string{"kv:said:a"}, Code: unit(untilSaid + `await say("` + key + `")`)})
}

func (p *players) waiting(n int) {
	p.t.Helper()
	waitFor(p.t, func() bool {
		l, err := p.Leases(p.t.Context(), &quiltv1.LeasesRequest{}, grpc.WaitForReady(true))
		return err == nil && len(l.Waits) == n
	})
}

func (p *players) restart(times int) {
	p.t.Helper()
	for range times {
		if err := restart(Config{Data: p.data}, &bytes.Buffer{}); err != nil {
			p.t.Fatal(err)
		}
	}
}

func play(t *testing.T) *players {
	return &players{pair: startPair(t, dataDir(t)), t: t, ended: map[string]chan ran{}}
}

// A take that waits while restart follows restart at once: the engine leaves in
// order each time, and the take gets its lock in the end.
func TestATakeWaitsThroughRestarts(t *testing.T) {
	p := play(t)
	p.begin("holds", `await host.call("lock.take", {name: "gate"}); await say("held"); await until("go"); return 1`)
	p.said("held")
	p.begin("next", `await host.call("lock.take", {name: "gate"}); return 2`)
	p.waiting(1)
	p.restart(6)
	p.say("go")
	p.end("holds", "1")
	p.end("next", "2")
}

// Locks that were taken before a restart are held over it under their ids and
// fences, keep others out, and are free as soon as the last use is dropped, not at
// the unit's end. The table does not change.
func TestLocksGoOverARestart(t *testing.T) {
	p := play(t)
	p.begin("holds", `
		const one = await host.call("lock.take", {name: "gate"}), two = await host.call("lock.take", {name: "gate", shared: true});
		await say("held"); await until("go");
		await host.call("lock.drop", {id: two.id, name: "gate", shared: true});
		const twice = await fails(host.call("lock.drop", {id: two.id, name: "gate", shared: true}));
		await new Promise(r => setTimeout(r, 100));
		if (await host.call("kv.get", {ns: "said", key: "second"}) !== null) throw new Error("another was inside");
		const again = await host.call("lock.take", {name: "gate"});
		if (again.fence !== one.fence) throw new Error("the lock is another one");
		await host.call("lock.drop", {id: again.id, name: "gate"});
		await host.call("lock.drop", {id: one.id, name: "gate"});
		await until("second");
		return [twice, await fails(host.call("lock.drop", {id: one.id, name: "gate"}))]`)
	p.said("held")
	p.begin("next", `await host.call("lock.take", {name: "gate"}); await say("second"); return 1`)
	p.waiting(1)
	before := p.table(t)
	p.restart(2)
	p.waiting(1)
	if after := p.table(t); before != after {
		t.Errorf("the table was\n%s\nand is\n%s", before, after)
	}
	p.say("go")
	p.end("holds", `["interrupted","interrupted"]`)
	p.end("next", "1")
}

// An id of the engine before drops no lock of the same unit that was taken later.
func TestAnOldLockIDBounces(t *testing.T) {
	p := play(t)
	p.begin("holds", `
		const old = await host.call("lock.take", {name: "gate"});
		await host.call("lock.drop", {id: old.id, name: "gate"});
		await say("dropped"); await until("go");
		const now = await host.call("lock.take", {name: "gate"});
		await say("taken");
		const bounced = await fails(host.call("lock.drop", {id: old.id, name: "gate"}));
		await say("tried"); await until("tested");
		await host.call("lock.drop", {id: now.id, name: "gate"});
		return [bounced, old.id === now.id]`)
	p.said("dropped")
	p.restart(1)
	p.say("go")
	p.said("tried")
	p.begin("next", `await host.call("lock.take", {name: "gate"}); return 1`)
	p.waiting(1) // the lock is still held
	p.say("tested")
	p.end("holds", `["interrupted",false]`)
	p.end("next", "1")
}

// A transaction goes on after a restart: its lock was never free, it reads and
// commits under its own fence, and then the next one comes.
func TestATransactionGoesOverARestart(t *testing.T) {
	p := play(t)
	add := `const {id} = await host.call("kv.begin", {ns: ["sum"]});
		const old = await host.call("kv.get", {ns: "sum", key: "n", tx: id});
		`
	commit := `await host.call("kv.commit", {id, reads: [{ns: "sum", key: "n", version: old ? old.version : 0}],
			writes: [{ns: "sum", key: "n", value: (old ? old.value : 0) + 1}]});
		`
	p.begin("first", add+`await say("read"); await until("go"); await host.call("kv.get", {ns: "sum", key: "n", tx: id});`+commit+`await say("done"); await until("second"); return 1`)
	p.said("read")
	p.begin("next", add+commit+`await say("second"); return old.value`)
	p.waiting(1)
	p.restart(2)
	p.waiting(1)
	p.say("go")
	p.end("next", "1")
	p.end("first", "1")
}

// table is who holds what and who waits, as text.
func (p *players) table(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	l, err := p.Leases(ctx, &quiltv1.LeasesRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, h := range l.Leases {
		fmt.Fprintln(&out, h.Execution, "holds", h.Tokens, h.Fence, h.SinceUnixMs)
	}
	for _, w := range l.Waits {
		fmt.Fprintln(&out, w.Execution, "waits for", w.Tokens, w.HeldBy)
	}
	return out.String()
}
