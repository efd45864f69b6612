package scheduler

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/token"
)

func (d desk) call(parent, session string, texts ...string) []string {
	d.t.Helper()
	return show(d.Submit(t0, Request{Session: session, Parent: parent, Class: Normal, Tokens: tokens(d.t, texts...)}))
}

// TestLending: a child has what its parent has, past whoever waits for it; its
// siblings have not.
func TestLending(t *testing.T) {
	d := newDesk(t, Config{Pools: map[string]int64{"slot": 2}})
	want(t, d.ask("p", "kv:x:rw", "slot:*"), "granted p")
	want(t, d.ask("other", "kv:x:rw", "slot:*#2"), "queued other for [kv:x:rw slot:*#2] held by [p] behind [] at 1")
	want(t, d.call("p", "c1", "kv:x:rw", "slot:*"), "granted c1")
	want(t, d.call("p", "c2", "kv:x:r"), "queued c2 for [kv:x:r] held by [c1] behind [] at 1")
	want(t, d.call("c1", "g", "kv:x/y:rw"), "granted g")
	want(t, d.call("gone", "o", "kv:z"), "refused o: orphan")
	want(t, d.ask("p", "kv:z"), "granted p") // another branch of it
	want(t, show(d.Close(t0, "g")))
	want(t, show(d.Close(t0, "c1")), "granted c2")
	if n := d.nodes["#slot"]; n.used != 1 {
		t.Errorf("slots used: %d", n.used)
	}
	want(t, show(d.Close(t0, "p")), "granted other") // with it goes c2
	want(t, show(d.Close(t0, "other")))
	if left := d.left(); left != "" {
		t.Error(left)
	}
}

// TestFamilyDeadlock: the parent waits for the child, the child for somebody
// who waits for the parent.
func TestFamilyDeadlock(t *testing.T) {
	d := newDesk(t, Config{})
	d.ask("p", "kv:x:rw")
	d.ask("o", "kv:y:rw")
	d.askAs("o", Normal, 9, "kv:x:rw")
	got := d.Submit(t0, Request{Session: "c", Parent: "p", Class: Normal, Tokens: tokens(t, "kv:y:rw")})
	cycle := []Edge{{"c", "kv:y:rw", "o"}, {"o", "kv:x:rw", "p"}, {"p", "", "c"}}
	for _, e := range got {
		if r, ok := e.(Refused); ok {
			if diff := cmp.Diff(cycle, r.Cycle); diff != "" {
				t.Errorf("cycle (-want +got):\n%s", diff)
			}
			return
		}
	}
	t.Errorf("no deadlock found: %v", show(got))
}

// TestFamilies: at random, nobody outside a family ever holds beside it what
// conflicts, and everything ends when whoever runs ends.
func TestFamilies(t *testing.T) {
	list := make([]token.Token, len(someTokens))
	for i, s := range someTokens {
		list[i] = tokens(t, s)[0]
	}
	deadlocks := 0
	for seed := range uint64(800) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := New(someConfig)
		var ids []string
		for i := range 150 {
			id := fmt.Sprint("s", i)
			if len(ids) > 0 && r.IntN(4) == 0 {
				s.Close(t0, ids[r.IntN(len(ids))])
			} else if x := s.sessions[anyOf(ids, r)]; x != nil && len(x.tokens) > 0 && r.IntN(4) == 0 {
				for _, e := range giveBack(s, x.id, x.tokens[r.IntN(len(x.tokens))]) {
					if f, ok := e.(Refused); ok && f.Reason == Deadlock {
						deadlocks++
					}
				}
			} else {
				q := Request{Session: id, Class: Class(r.IntN(classes)), Tokens: []token.Token{list[r.IntN(len(list))], list[r.IntN(len(list))]}}
				if len(ids) > 0 && r.IntN(2) == 0 {
					q.Parent = ids[r.IntN(len(ids))]
				} else if len(ids) > 0 && r.IntN(3) == 0 {
					q.Session = ids[r.IntN(len(ids))]
				}
				for _, e := range s.Submit(t0, q) {
					if f, ok := e.(Refused); ok && f.Reason == Deadlock {
						deadlocks++
					}
				}
				ids = append(ids, id)
			}
			if err := s.Check(); err != nil {
				t.Fatalf("seed %d step %d: %v", seed, i, err)
			}
		}
		for len(s.sessions) > 0 {
			var run *session
			for _, x := range s.byOrder() {
				if !x.blocked() {
					run = x
				}
			}
			if run == nil {
				for _, x := range s.byOrder() {
					t.Logf("%s fence %d parent %q tokens %v", x.id, x.fence, x.parentID(), x.tokens)
					if x.pending != nil {
						t.Logf("   rank %d at %d %+v", x.pending.rank, x.pending.at, x.pending.explain(0))
					}
					x.blockers(func(_ *entry, y *session) bool { t.Logf("   -> %s", y.id); return false })
				}
				t.Fatalf("seed %d: %d sessions and none runs: an undetected deadlock", seed, len(s.sessions))
			}
			s.Close(t0, run.id)
			if err := s.Check(); err != nil {
				t.Fatalf("seed %d, %s closed: %v", seed, run.id, err)
			}
		}
		if left := s.left(); left != "" {
			t.Fatalf("seed %d: %s", seed, left)
		}
	}
	if deadlocks == 0 {
		t.Error("no deadlock ever arose")
	}
}

// anyOf is any of them, or none.
func anyOf(ids []string, r *rand.Rand) string {
	if len(ids) == 0 {
		return ""
	}
	return ids[r.IntN(len(ids))]
}

func giveBack(s *Scheduler, id string, t token.Token) []Effect {
	effects, _ := s.Release(t0, id, t)
	return effects
}

func TestRelease(t *testing.T) {
	d := newDesk(t, Config{Pools: map[string]int64{"slot": 3}})
	d.ask("a", "kv:x:rw", "kv:y:rw", "slot:*#3")
	d.ask("b", "kv:x:r")
	d.ask("c", "slot:*")
	d.ask("e", "kv:y:rw")
	one := func(s string) token.Token { return tokens(t, s)[0] }
	if _, ok := d.Release(t0, "a", one("kv:z:rw")); ok {
		t.Error("gave back what it does not hold")
	}
	if _, ok := d.Downgrade(t0, "a", one("kv:x:rw"), one("kv:y:r")); ok {
		t.Error("downgraded to something else")
	}
	effects, _ := d.Downgrade(t0, "a", one("kv:x:rw"), one("kv:x:r"))
	want(t, show(effects), "granted b")
	effects, _ = d.Downgrade(t0, "a", one("slot:*#3"), one("slot:*#2"))
	want(t, show(effects), "granted c")
	effects, _ = d.Release(t0, "a", one("kv:y:rw"))
	want(t, show(effects), "granted e")
	want(t, d.ask("a", "kv:x:rw"), "queued a for [kv:x:rw] held by [b] behind [] at 1") // upgrade
	want(t, show(d.Close(t0, "b")), "granted a")
}

// TestHoldTx: the token is authority at the start and a lock in a transaction.
func TestHoldTx(t *testing.T) {
	d := newDesk(t, Config{})
	list := tokens(t, "kv:x:rw?hold=tx")
	want(t, show(d.Submit(t0, Request{Session: "a", Tokens: list})), "granted a")
	want(t, show(d.Submit(t0, Request{Session: "b", Tokens: list})), "granted b")
	want(t, show(d.Submit(t0, Request{Session: "a", Tx: true, Tokens: list})), "granted a")
	d.Submit(t0, Request{Session: "b", Tx: true, Tokens: list})
	if w, ok := d.WaitsFor("b"); !ok || w.HeldBy[0] != "a" {
		t.Errorf("b must wait for a's transaction: %+v", w)
	}
	effects, _ := d.Release(t0, "a", list...)
	want(t, show(effects), "granted b")
}
