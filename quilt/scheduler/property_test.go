package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ariacomputecompany/firmware/token"
)

var someTokens = []string{
	"kv:a:s", "kv:a:r", "kv:a:a", "kv:a:u", "kv:a:rw", "kv:a/x:r", "kv:a/x:rw", "kv:a/y:a", "kv:a/y:rw", "kv:b:u", "kv:b:rw",
	"fs:/r/s/t:rw", "fs:/r:r", "lock:l", "gpu:0", "gpu:*", "gpu:*#2", "slot:*", "slot:*#3", "llm:o:big", "llm:o:small", "secret:S",
}

var somePools = map[string]int64{"gpu": 3, "slot": 4, "llm/o": 2, "llm/o/big": 1}

const ageAfter = 30 * time.Second

// Two tenants: the second has twice the weight and at most three slots.
var (
	weights    = map[string]int{"": 1, "acme": 2}
	someConfig = Config{Pools: somePools, Tenants: map[string]Tenant{"acme": {Weight: 2, Pools: map[string]int64{"slot": 3}}}}
)

// tenantOf: every session has one tenant for all its life.
func tenantOf(id string) string {
	if id[len(id)-1]%3 == 0 {
		return "acme"
	}
	return ""
}

// machine drives the scheduler and the model side by side and checks, after
// every action, I1, I2, I4, I6, I7, I8, I9, I10 and I11.
type machine struct {
	s     *Scheduler
	m     *model
	now   time.Time
	fence uint64
	open  map[string]bool // requests that wait: each must end once
	limit map[string]time.Time

	victims, timeouts int
}

func newMachine() *machine {
	return &machine{
		s: New(someConfig), m: newModel(someConfig), now: t0,
		open: map[string]bool{}, limit: map[string]time.Time{},
	}
}

// failer is what rapid's and testing's T have in common.
type failer interface {
	Fatalf(format string, args ...any)
}

func (x *machine) submit(t failer, id string, class Class, cost int64, list []token.Token, deadline time.Time) {
	effects := x.s.Submit(x.now, Request{Session: id, Tenant: tenantOf(id), Class: class, Cost: cost, Tokens: list, Deadline: deadline})
	if x.open[id] {
		if r, ok := effects[0].(Refused); len(effects) != 1 || !ok || r.Reason != Busy {
			t.Fatalf("a second request of %s: %v", id, effects)
		}
		return
	}
	x.open[id] = true
	x.limit[id] = deadline
	if x.m.submit(x.now, id, tenantOf(id), class, list) {
		if r, ok := effects[0].(Refused); len(effects) != 1 || !ok || r.Reason != Never {
			t.Fatalf("%s can never be granted: %v", id, effects)
		}
		delete(x.open, id)
		return
	}
	x.follow(t, effects)
	x.settled(t)
}

// follow applies the effects of one call to the model.
func (x *machine) follow(t failer, effects []Effect) {
	var granted []string
	for _, e := range effects {
		switch e := e.(type) {
		case Granted:
			if e.Fence <= x.fence {
				t.Fatalf("fence %d after %d", e.Fence, x.fence)
			}
			x.fence = e.Fence
			granted = append(granted, e.Session)
			x.end(t, e.Session)
		case Refused:
			x.refused(t, e)
			x.end(t, e.Session)
		case Queued:
			if !x.open[e.Session] || len(e.WaitsFor) == 0 || len(e.HeldBy)+len(e.Behind) == 0 || e.Position < 1 {
				t.Fatalf("a wait without a reason: %+v", e)
			}
		}
	}
	slices.Sort(granted)
	if want := x.m.settle(); !slices.Equal(want, granted) {
		t.Fatalf("granted %v, want %v", granted, want)
	}
}

func (x *machine) refused(t failer, r Refused) {
	switch r.Reason {
	case Deadlock:
		x.victims++
		if stuck := x.m.stuck(); !stuck[r.Session] {
			t.Fatalf("%s is a victim and not in a deadlock; stuck are %v", r.Session, stuck)
		}
		if len(r.Cycle) < 2 || r.Cycle[0].Session != r.Session {
			t.Fatalf("cycle %+v", r.Cycle)
		}
		for i, e := range r.Cycle {
			if e.HeldBy != r.Cycle[(i+1)%len(r.Cycle)].Session || e.Token == "" {
				t.Fatalf("cycle %+v", r.Cycle)
			}
		}
	case Timeout:
		x.timeouts++
		if at := x.limit[r.Session]; at.IsZero() || at.After(x.now) {
			t.Fatalf("%s timed out at %v, limit %v", r.Session, x.now, at)
		}
	}
	delete(x.m.waiting, r.Session)
}

func (x *machine) end(t failer, id string) {
	if !x.open[id] {
		t.Fatalf("the request of %s ended twice", id)
	}
	delete(x.open, id)
}

func (x *machine) close(t failer, id string) {
	effects := x.s.Close(x.now, id)
	delete(x.m.held, id)
	delete(x.m.tokens, id)
	if x.open[id] {
		if r, ok := effects[0].(Refused); !ok || r.Session != id || r.Reason != Closed {
			t.Fatalf("close of a waiting session: %v", effects)
		}
	}
	x.follow(t, effects)
	x.settled(t)
}

// tick: time passes, or jumps; back it goes for nobody.
func (x *machine) tick(t failer, d time.Duration) {
	effects := x.s.Tick(x.now.Add(d))
	if d > 0 {
		x.now = x.now.Add(d)
	}
	x.m.age(x.now)
	x.follow(t, effects)
	x.settled(t)
}

// give gives back the n-th token that id holds, or holds it weaker.
func (x *machine) give(t failer, id string, n int, weak bool) {
	list := x.m.tokens[id]
	if len(list) == 0 {
		return
	}
	from := list[n%len(list)]
	var effects []Effect
	var ok bool
	to, err := token.Parse(from.Scheme() + ":" + from.Path() + ":r")
	if weak && err == nil && from.Covers(to) && weaker(from, to) {
		effects, ok = x.s.Downgrade(x.now, id, from, to)
		x.m.exchange(id, tenantOf(id), from, to)
	} else {
		effects, ok = x.s.Release(x.now, id, from)
		x.m.exchange(id, tenantOf(id), from)
	}
	if !ok {
		t.Fatalf("%s holds %v and cannot give it back", id, from)
	}
	if x.s.sessions[id].fence != 0 && len(x.m.held[id]) == 0 && !x.open[id] {
		effects = append(slices.Clone(effects), x.s.Close(x.now, id)...)
		delete(x.m.held, id)
		delete(x.m.tokens, id)
	}
	x.follow(t, effects)
	x.settled(t)
}

func (x *machine) settled(t failer) {
	if err := x.m.check(x.s); err != nil {
		t.Fatalf("%v", err)
	}
	if stuck := x.m.stuck(); len(stuck) > 0 {
		t.Fatalf("undetected deadlock of %v", stuck)
	}
	for id, at := range x.limit {
		if x.open[id] && !at.IsZero() && !at.After(x.now) && x.s.deadlines.top() == nil {
			t.Fatalf("%s has a deadline nobody knows", id)
		}
	}
}

// finish closes whoever runs until nobody is left (I11), then I12.
func (x *machine) finish(t failer) {
	for len(x.m.held)+len(x.m.waiting) > 0 {
		var runs []string
		for id := range x.m.held {
			if !x.open[id] {
				runs = append(runs, id)
			}
		}
		if len(runs) == 0 {
			t.Fatalf("nobody runs and %d wait", len(x.m.waiting))
		}
		slices.Sort(runs)
		x.close(t, runs[0])
	}
	for id := range x.s.sessions {
		x.s.Close(x.now, id)
	}
	if left := x.s.left(); len(x.open) > 0 || left != "" {
		t.Fatalf("left: %v %s", x.open, left)
	}
}

// left says what is left in a table from which everybody went (I12).
func (s *Scheduler) left() string {
	for name, t := range s.tenants {
		if t.sessions+t.waiting+t.held != 0 {
			return fmt.Sprintf("tenant %q: %d sessions, %d waiting, %d held", name, t.sessions, t.waiting, t.held)
		}
		s.forgetPlans(t)
	}
	if len(s.nodes)+len(s.sessions) > 0 {
		return fmt.Sprintf("nodes %v, sessions %v", slices.Collect(maps.Keys(s.nodes)), s.sessions)
	}
	for r := range s.ageing {
		if s.ageing[r].head != nil {
			return "somebody grows old"
		}
	}
	return ""
}

func TestAgainstModel(t *testing.T) {
	ids := []string{"a", "b", "c", "d", "e", "f", "g"}
	rapid.Check(t, func(t *rapid.T) {
		x := newMachine()
		id := rapid.SampledFrom(ids)
		t.Repeat(map[string]func(*rapid.T){
			"submit": func(t *rapid.T) {
				texts := rapid.SliceOfN(rapid.SampledFrom(someTokens), 1, 3).Draw(t, "tokens")
				list := make([]token.Token, len(texts))
				for i, s := range texts {
					list[i], _ = token.Parse(s)
				}
				var deadline time.Time
				if n := rapid.IntRange(0, 20).Draw(t, "deadline"); n > 10 {
					deadline = x.now.Add(time.Duration(n) * time.Second)
				}
				x.submit(t, id.Draw(t, "session"), Class(rapid.IntRange(0, 3).Draw(t, "class")), int64(rapid.IntRange(0, 5).Draw(t, "cost")), list, deadline)
			},
			"cancel": func(t *rapid.T) {
				x.follow(t, x.s.Cancel(x.now, id.Draw(t, "session")))
				x.settled(t)
			},
			"give": func(t *rapid.T) {
				x.give(t, id.Draw(t, "session"), rapid.IntRange(0, 5).Draw(t, "which"), rapid.Bool().Draw(t, "weaker"))
			},
			"close": func(t *rapid.T) { x.close(t, id.Draw(t, "session")) },
			"tick": func(t *rapid.T) {
				x.tick(t, time.Duration(rapid.IntRange(-3, 20).Draw(t, "seconds"))*time.Second)
			},
		})
		x.finish(t)
	})
}
