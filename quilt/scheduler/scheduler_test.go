package scheduler

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/token"
)

var t0 = time.Unix(1_000_000, 0)

func tokens(t testing.TB, texts ...string) []token.Token {
	t.Helper()
	set, err := token.ParseSet(texts)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// desk drives a scheduler by text and shows what happened by text.
type desk struct {
	*Scheduler
	t testing.TB
}

func newDesk(t testing.TB, cfg Config) desk { return desk{New(cfg), t} }

func (d desk) ask(session string, texts ...string) []string {
	d.t.Helper()
	return d.askAs(session, Normal, 0, texts...)
}

func (d desk) askAs(session string, c Class, cost int64, texts ...string) []string {
	d.t.Helper()
	return show(d.Submit(t0, Request{Session: session, Class: c, Cost: cost, Tokens: tokens(d.t, texts...)}))
}

func show(effects []Effect) []string {
	var out []string
	for _, e := range effects {
		switch e := e.(type) {
		case Granted:
			out = append(out, "granted "+e.Session)
		case Queued:
			out = append(out, fmt.Sprintf("queued %s for %v held by %v behind %v at %d", e.Session, e.WaitsFor, e.HeldBy, e.Behind, e.Position))
		case Refused:
			out = append(out, fmt.Sprintf("refused %s: %s", e.Session, e.Reason))
		}
	}
	return out
}

func want(t testing.TB, got []string, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(lines, got); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
}

// TestModesMeet: each pair of verbs on one node and on a node and its parent.
func TestModesMeet(t *testing.T) {
	cases := []struct {
		held, asked string
		ok          bool
	}{
		{"kv:a:r", "kv:a:r", true},
		{"kv:a:r", "kv:a:rw", false},
		{"kv:a:rw", "kv:a:s", true}, // a snapshot waits for nobody
		{"kv:a:a", "kv:a:a", true},
		{"kv:a:a", "kv:a:r", false},
		{"kv:a:r", "kv:a:u", true},
		{"kv:a:u", "kv:a:r", false}, // asymmetric
		{"kv:a:rw", "kv:a/b:r", false},
		{"kv:a/b:rw", "kv:a/c:rw", true},
		{"kv:a/b:rw", "kv:a:r", false},
		{"kv:a/b:r", "kv:a:r", true},
		{"kv:a:rw", "vector:a:rw", true},
		{"kv:a:rw", "kv:ab:rw", true},
		{"fs:/d:rw", "fs:/d/x:r", false},
		{"net:x.example:443", "net:x.example:443", true},
		{"secret:A", "secret:A", true},
	}
	for _, c := range cases {
		d := newDesk(t, Config{})
		d.ask("one", c.held)
		_, waits := d.ask("two", c.asked), false
		if _, waits = d.WaitsFor("two"); waits == c.ok {
			t.Errorf("%s held, %s asked: waits %v, want %v", c.held, c.asked, waits, !c.ok)
		}
	}
}

func TestAllOrNothing(t *testing.T) {
	d := newDesk(t, Config{})
	want(t, d.ask("a", "kv:x:rw"), "granted a")
	want(t, d.ask("b", "kv:x:rw", "kv:y:rw"), "queued b for [kv:x:rw] held by [a] behind [] at 1")
	want(t, d.ask("c", "kv:y:rw"), "queued c for [kv:y:rw] held by [] behind [b] at 2")
	want(t, d.ask("d", "kv:z:rw"), "granted d")
	want(t, show(d.Close(t0, "a")), "granted b")
	want(t, show(d.Cancel(t0, "c")), "refused c: cancelled")
	want(t, show(d.Close(t0, "b")))
	want(t, show(d.Close(t0, "b")))
	want(t, show(d.Close(t0, "d")))
	if left := d.left(); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// TestOrder: readers do not pass a waiting writer, classes go first, and
// compatible ones share.
func TestOrder(t *testing.T) {
	d := newDesk(t, Config{})
	d.ask("r1", "kv:x:r")
	want(t, d.ask("w", "kv:x:rw"), "queued w for [kv:x:rw] held by [r1] behind [] at 1")
	want(t, d.ask("r2", "kv:x:r"), "queued r2 for [kv:x:r] held by [] behind [w] at 2")
	want(t, d.askAs("r3", Interactive, 0, "kv:x:r"), "granted r3")
	d.askAs("w2", Interactive, 0, "kv:x:rw")
	want(t, show(d.Close(t0, "r1")))
	want(t, show(d.Close(t0, "r3")), "granted w2")
	want(t, show(d.Close(t0, "w2")), "granted w")
	want(t, show(d.Close(t0, "w")), "granted r2")
}

func TestPools(t *testing.T) {
	d := newDesk(t, Config{Pools: map[string]int64{"slot": 3, "llm/o": 2, "llm/o/big": 1}})
	want(t, d.ask("a", "slot:*#2", "llm:o:big"), "granted a")
	want(t, d.ask("b", "llm:o:small", "llm:other:x#50"), "granted b")
	want(t, d.ask("c", "llm:o:big"), "queued c for [llm:o:big] held by [a b] behind [] at 1")
	want(t, d.ask("n", "slot:*#4"), "refused n: never")
	want(t, d.ask("a", "slot:*#2"), "refused a: never") // with what it holds
	want(t, d.ask("g", "gpu:*"), "refused g: never")    // no such pool here
	want(t, d.ask("two", "slot:*#2"), "queued two for [slot:*#2] held by [a] behind [] at 1")
	want(t, d.ask("one", "slot:*"), "queued one for [slot:*] held by [] behind [two] at 2") // no overtaking
	want(t, show(d.Close(t0, "b")))
	want(t, show(d.Close(t0, "a")), "granted c", "granted two", "granted one")
}

func TestDeadlockVictim(t *testing.T) {
	d := newDesk(t, Config{})
	d.ask("a", "kv:x:r")
	d.ask("b", "kv:x:r")
	d.ask("c", "kv:y:rw")
	d.askAs("a", Normal, 10, "kv:x:rw", "kv:y:rw")
	got := d.Submit(t0, Request{Session: "b", Class: Normal, Cost: 1, Tokens: tokens(t, "kv:x:rw")})
	cycle := []Edge{{"b", "kv:x:rw", "a"}, {"a", "kv:x:rw", "b"}}
	if diff := cmp.Diff([]Effect{Refused{Session: "b", Reason: Deadlock, Cycle: cycle}}, got); diff != "" {
		t.Fatalf("the cheaper one is the victim (-want +got):\n%s", diff)
	}
	want(t, show(d.Close(t0, "b"))) // the victim kept its read until now
	want(t, show(d.Close(t0, "c")), "granted a")
}

func TestDeadline(t *testing.T) {
	d := newDesk(t, Config{})
	d.ask("a", "kv:x:rw")
	d.Submit(t0, Request{Session: "b", Class: Normal, Tokens: tokens(t, "kv:x:rw"), Deadline: t0.Add(time.Second)})
	d.ask("c", "kv:x:r")
	if at, ok := d.NextDeadline(); !ok || !at.Equal(t0.Add(time.Second)) {
		t.Errorf("next deadline %v %v", at, ok)
	}
	want(t, show(d.Tick(t0.Add(999*time.Millisecond))))
	want(t, show(d.Tick(t0.Add(time.Second))), "refused b: timeout")
	if at, ok := d.NextDeadline(); !ok || !at.Equal(t0.Add(30*time.Second)) {
		t.Errorf("next is that c ages, not %v", at)
	}
	w, ok := d.WaitsFor("c")
	if !ok || cmp.Diff(w, Wait{Session: "c", Tokens: []string{"kv:x:r"}, WaitsFor: []string{"kv:x:r"}, HeldBy: []string{"a"}, Position: 1, Since: t0, Class: "normal"}) != "" {
		t.Errorf("wait of c: %+v", w)
	}
	got := d.Close(t0.Add(3*time.Second), "a")
	if diff := cmp.Diff([]Effect{Granted{Session: "c", Fence: 2, Waited: 3 * time.Second}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRefusals(t *testing.T) {
	d := newDesk(t, Config{MaxWaiting: 1, MaxTokens: 2, Epoch: 7})
	got := d.Submit(t0, Request{Session: "a", Tokens: tokens(t, "kv:x:rw")})
	if g, ok := got[0].(Granted); !ok || g.Fence != 7<<40+1 {
		t.Errorf("fence of epoch 7: %+v", got)
	}
	want(t, d.ask("many", "kv:a", "kv:b", "kv:c"), "refused many: too many")
	d.ask("b", "kv:x:r")
	want(t, d.ask("b", "kv:y:r"), "refused b: busy")
	want(t, d.ask("c", "kv:x:r"), "refused c: full")
	want(t, show(d.Close(t0, "b")), "refused b: closed")
	if l := d.Leases(); len(l) != 1 || l[0].Session != "a" {
		t.Errorf("leases: %+v", l)
	}
}
