package scheduler

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (d desk) askOf(tenant, session string, texts ...string) []string {
	d.t.Helper()
	return show(d.Submit(t0, Request{Session: session, Tenant: tenant, Class: Normal, Tokens: tokens(d.t, texts...)}))
}

// TestTenantsApart: equal paths of two tenants are two places; what the machine
// has once is not.
func TestTenantsApart(t *testing.T) {
	d := newDesk(t, Config{Pools: map[string]int64{"slot": 1}})
	want(t, d.askOf("a", "a1", "kv:x:rw", "gpu:0"), "refused a1: never") // no such pool
	want(t, d.askOf("a", "a1", "kv:x:rw", "slot:*"), "granted a1")
	want(t, d.askOf("b", "b1", "kv:x:rw"), "granted b1")
	want(t, d.askOf("b", "b2", "slot:*"), "queued b2 for [slot:*] held by [a1] behind [] at 1")
	want(t, d.askOf("a", "a2", "kv:x/y:r"), "queued a2 for [kv:x/y:r] held by [a1] behind [] at 1")
	want(t, show(d.Close(t0, "b1")))
	want(t, show(d.Close(t0, "a1")), "granted a2", "granted b2")
}

func TestTenantsPart(t *testing.T) {
	d := newDesk(t, Config{
		Pools: map[string]int64{"slot": 4}, MaxHeld: 3,
		Tenants: map[string]Tenant{"a": {Pools: map[string]int64{"slot": 1}, MaxWaiting: 1}},
	})
	want(t, d.askOf("a", "a1", "slot:*"), "granted a1")
	want(t, d.askOf("a", "big", "slot:*#2"), "refused big: never")
	want(t, d.askOf("a", "a2", "slot:*"), "queued a2 for [slot:*] held by [a1] behind [] at 1")
	want(t, d.askOf("b", "b1", "slot:*#3"), "granted b1")
	got := d.Submit(t0, Request{Session: "a3", Tenant: "a", Tokens: tokens(t, "slot:*")})
	if r, ok := got[0].(Refused); !ok || r.Reason != Full || r.RetryAfter < 100*time.Millisecond {
		t.Errorf("a third of a: %+v", got)
	}
	want(t, d.askOf("b", "b2", "kv:a", "kv:b", "kv:c"), "refused b2: quota")
	want(t, show(d.Close(t0, "a1")), "granted a2")
}

// TestReconfigure: pools shrink under holders and grow under waiters.
func TestReconfigure(t *testing.T) {
	d := newDesk(t, Config{Pools: map[string]int64{"slot": 2}})
	d.askOf("a", "a1", "slot:*#2")
	d.askOf("b", "b1", "slot:*")
	d.askOf("b", "b2", "slot:*#2")
	want(t, show(d.Reconfigure(t0, Config{Pools: map[string]int64{"slot": 1}})), "refused b2: never")
	want(t, show(d.Reconfigure(t0, Config{Pools: map[string]int64{"slot": 3}})), "granted b1")
	want(t, d.askOf("a", "a2", "slot:*"), "queued a2 for [slot:*] held by [b1 a1] behind [] at 1")
	want(t, show(d.Close(t0, "a1")), "granted a2")
}

// TestAgeing: a batch request gets its turn however many normal ones come.
func TestAgeing(t *testing.T) {
	d := newDesk(t, Config{})
	d.ask("holder", "kv:x:rw")
	d.askAs("old", Batch, 0, "kv:x:rw")
	now, next := t0, "holder"
	for i := range 200 {
		now = now.Add(time.Second)
		id := fmt.Sprint("n", i)
		d.Submit(now, Request{Session: id, Class: Normal, Tokens: tokens(t, "kv:x:rw")})
		d.Tick(now)
		for _, e := range d.Close(now, next) {
			if g, ok := e.(Granted); ok {
				next = g.Session
			}
		}
		if next == "old" {
			if waited := now.Sub(t0); waited < 30*time.Second || waited > 61*time.Second {
				t.Errorf("it waited %v", waited)
			}
			return
		}
	}
	t.Error("a batch request starved")
}

// TestFairness: one tenant floods at ten times its share for ten seconds; the
// Jain index of what the two get per weight is at least 0.99.
func TestFairness(t *testing.T) {
	for _, weights := range [][2]int{{1, 1}, {1, 3}} {
		s := New(Config{
			Pools:   map[string]int64{"slot": 10},
			Tenants: map[string]Tenant{"flood": {Weight: weights[0]}, "calm": {Weight: weights[1]}},
		})
		list := tokens(t, "slot:*")
		ends := map[time.Duration][]string{} // each holds for 50 ms
		got := map[string]int{}
		var at time.Duration
		note := func(effects []Effect) {
			for _, e := range effects {
				if g, ok := e.(Granted); ok {
					got[s.sessions[g.Session].tenant.name]++
					ends[at+50*time.Millisecond] = append(ends[at+50*time.Millisecond], g.Session)
				}
			}
		}
		for n := 0; at < 10*time.Second; at += time.Millisecond {
			now := t0.Add(at)
			for _, id := range ends[at] {
				note(s.Close(now, id))
			}
			s.Tick(now)
			if at%(5*time.Millisecond) == 0 { // 200 a second can be served in all
				for range 5 {
					n++
					note(s.Submit(now, Request{Session: fmt.Sprint("f", n), Tenant: "flood", Class: Normal, Tokens: list}))
				}
				n++
				note(s.Submit(now, Request{Session: fmt.Sprint("c", n), Tenant: "calm", Class: Normal, Tokens: list}))
			}
		}
		a, b := float64(got["flood"])/float64(weights[0]), float64(got["calm"])/float64(weights[1])
		if jain := (a + b) * (a + b) / (2 * (a*a + b*b)); jain < 0.99 {
			t.Errorf("weights %v: grants %v, Jain index %.4f", weights, got, jain)
		}
	}
}

// TestPress: who keeps a more urgent one waiting inherits its class, through a
// chain; a preemptible one is asked to go, once.
func TestPress(t *testing.T) {
	d := newDesk(t, Config{})
	d.Submit(t0, Request{Session: "low", Class: Batch, Preemptible: true, Tokens: tokens(t, "kv:x:rw")})
	d.askAs("mid", Normal, 0, "kv:y:rw")
	revoked := 0
	count := func(effects []Effect) {
		for _, e := range effects {
			if r, ok := e.(Revoke); ok && r.Session == "low" {
				revoked++
			}
		}
	}
	count(d.Submit(t0, Request{Session: "mid", Class: Normal, Tokens: tokens(t, "kv:x:rw")}))
	got := d.Submit(t0, Request{Session: "high", Class: Interactive, Tokens: tokens(t, "kv:y:rw")})
	if diff := cmp.Diff([]Effect{
		Raised{Session: "mid", Class: Interactive, By: "high"}, Raised{Session: "low", Class: Interactive, By: "high"},
	}, slices.Clone(got[:len(got)-1])); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	count(got)
	count(d.Submit(t0, Request{Session: "one", Class: System, Tokens: tokens(t, "kv:x:r")}))
	if revoked != 1 {
		t.Errorf("asked to go %d times", revoked)
	}
	if l := d.Leases(); l[0].Class != "system" {
		t.Errorf("low is %s", l[0].Class)
	}
	_, ok := d.Release(t0, "low", tokens(t, "kv:x:rw")...)
	if l := d.Leases(); !ok || l[0].Class != "batch" {
		t.Errorf("low stays %s after it gave back", l[0].Class)
	}
}
