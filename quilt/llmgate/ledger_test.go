package llmgate

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// Callers that want more than there is, in simulated time: however the provider
// books a call between its beginning and its end, no stretch of a minute holds
// more than the limit, and little of it is wasted.
func TestNoMinuteHoldsMoreThanTheLimit(t *testing.T) {
	const limit = 10_000
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		l, now := newLedger(nil), time.Unix(1_700_000_000, 0)
		type call struct {
			b             *begun
			start, end    time.Time
			reserve, used int64
		}
		var open, all []call
		finish := func(i int) {
			c := open[i]
			c.end = now
			if c.b.settle(now, used{requests: 1, tokens: c.used}) {
				t.Fatalf("seed %d: more was used than reserved", seed)
			}
			all, open = append(all, c), append(open[:i], open[i+1:]...)
		}
		for range 20_000 {
			now = now.Add(time.Duration(r.IntN(100)) * time.Millisecond)
			if len(open) > 0 && r.IntN(3) == 0 {
				finish(r.IntN(len(open)))
				continue
			}
			want := 1 + r.Int64N(100)
			b, s, err := l.reserve(now, []claim{{key: "t", meter: perMinute, unit: tokens, limit: limit, amount: want}})
			if err != nil || (b == nil) == (s == nil) {
				t.Fatalf("seed %d: %v %v %v", seed, b, s, err)
			}
			if b != nil {
				open = append(open, call{b: b, start: now, reserve: want, used: r.Int64N(want + 1)})
			} else if s.never {
				t.Fatalf("seed %d: %d tokens are said to be possible never", seed, want)
			}
		}
		var booked []spent
		var sum int64
		for _, c := range all {
			at := []time.Time{c.start, c.end}[r.IntN(2)]
			booked, sum = append(booked, spent{c.used, at}), sum+c.used
		}
		for i, a := range booked { // the worst stretch begins at a booking
			if i%7 != 0 {
				continue
			}
			var in int64
			for _, b := range booked {
				if !b.end.Before(a.end) && b.end.Sub(a.end) < time.Minute {
					in += b.amount
				}
			}
			if in > limit {
				t.Fatalf("seed %d: %d tokens in a minute, limit %d", seed, in, limit)
			}
		}
		if len(open) > 1000 || sum == 0 {
			t.Errorf("seed %d: %d open, %d used", seed, len(open), sum)
		}
	}
}

// All claims of a call are met or none is.
func TestAllOrNothing(t *testing.T) {
	l, now := newLedger(nil), time.Unix(1_700_000_000, 0)
	money := claim{key: "run/x/usd/", meter: inAll, unit: micros, limit: 100, amount: 60}
	slot := claim{key: "calls/", meter: atOnce, unit: calls, limit: 1, amount: 1}
	first, _, _ := l.reserve(now, []claim{money, slot})
	if first == nil {
		t.Fatal("refused although all is free")
	}
	for range 3 {
		if b, s, _ := l.reserve(now, []claim{{key: "requests/", meter: perMinute, unit: requests, limit: 5, amount: 1}, slot}); b != nil || s.claim.key != "calls/" || s.never {
			t.Fatalf("%+v %+v", b, s)
		}
	}
	if w := l.windows["requests/"]; w.open+w.used != 0 {
		t.Errorf("a refused call left %d requests behind", w.open+w.used)
	}
	if _, s, _ := l.reserve(now, []claim{money}); s == nil || s.never {
		t.Errorf("money that may come back is refused for good: %+v", s)
	}
	first.settle(now, used{requests: 1, micros: 50})
	first.settle(now, used{requests: 1, micros: 50})
	if got := l.spentOf("run/x/usd/"); got != 50 {
		t.Errorf("settled twice: %d spent", got)
	}
	if _, s, _ := l.reserve(now, []claim{money}); s == nil || !s.never {
		t.Errorf("60 of the 50 that are left: %+v", s)
	}
}

// Without the disk no money is spent.
func TestNoDiskNoMoney(t *testing.T) {
	full := errors.New("no space left on device")
	l, now := newLedger(func(string, int64) error { return full }), time.Now()
	day := claim{key: dayKey(now, ""), meter: inAll, unit: micros, limit: 100, amount: 10}
	if b, _, err := l.reserve(now, []claim{day}); b != nil || !errors.Is(err, full) {
		t.Errorf("%v, %v", b, err)
	}
	if b, _, err := l.reserve(now, []claim{{key: "run/x/", meter: inAll, unit: tokens, limit: 100, amount: 10}}); b == nil || err != nil {
		t.Errorf("tokens of a run need no disk: %v", err)
	}
}

// Runs that are over do not stay in memory; those that may come back do.
func TestSweep(t *testing.T) {
	l, now := newLedger(nil), time.Now()
	for _, run := range []string{"a", "b"} {
		b, _, _ := l.reserve(now, []claim{{key: runPrefix + run, meter: inAll, unit: tokens, limit: 100, amount: 10}})
		b.settle(now, used{tokens: 10})
	}
	now = now.Add(longest / 2)
	b, _, _ := l.reserve(now, []claim{{key: runPrefix + "b", meter: inAll, unit: tokens, limit: 100, amount: 10}})
	b.settle(now, used{tokens: 5})
	l.sweep(now.Add(longest/2 + time.Minute))
	if a, b := l.spentOf(runPrefix+"a"), l.spentOf(runPrefix+"b"); a != 0 || b != 15 {
		t.Errorf("a has %d, b has %d; want 0 and 15", a, b)
	}
}
