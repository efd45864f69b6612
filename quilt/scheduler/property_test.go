package scheduler

import (
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

// machine drives the scheduler and the model side by side and checks, after
// every action, I1, I2, I4, I6, I7, I8, I9, I10 and I11.
type machine struct {
	s     *Scheduler
	m     *model
	now   time.Time
	fence uint64
	open  map[string]bool // requests that wait: each must end once
	limit map[string]time.Time

	victims int
}

func newMachine() *machine {
	return &machine{
		s: New(Config{Pools: somePools}), m: newModel(somePools), now: t0,
		open: map[string]bool{}, limit: map[string]time.Time{},
	}
}

// failer is what rapid's and testing's T have in common.
type failer interface {
	Fatalf(format string, args ...any)
}

func (x *machine) submit(t failer, id string, class Class, cost int64, list []token.Token, deadline time.Time) {
	effects := x.s.Submit(x.now, Request{Session: id, Class: class, Cost: cost, Tokens: list, Deadline: deadline})
	if x.open[id] {
		if r, ok := effects[0].(Refused); len(effects) != 1 || !ok || r.Reason != Busy {
			t.Fatalf("a second request of %s: %v", id, effects)
		}
		return
	}
	x.open[id] = true
	x.limit[id] = deadline
	if x.m.submit(id, class, list) {
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
	if x.open[id] {
		if r, ok := effects[0].(Refused); !ok || r.Session != id || r.Reason != Closed {
			t.Fatalf("close of a waiting session: %v", effects)
		}
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
	if len(x.open)+len(x.s.nodes)+len(x.s.sessions)+len(x.s.waiting) > 0 {
		t.Fatalf("left: %v %v %v %v", x.open, x.s.nodes, x.s.sessions, x.s.waiting)
	}
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
			"close": func(t *rapid.T) { x.close(t, id.Draw(t, "session")) },
			"tick": func(t *rapid.T) {
				x.now = x.now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "seconds")) * time.Second)
				x.follow(t, x.s.Tick(x.now))
				x.settled(t)
			},
		})
		x.finish(t)
	})
}
