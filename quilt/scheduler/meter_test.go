package scheduler

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestRateWindow: in no window w are more than n + n·w/per operations let
// through (I14), whatever the clock does, and who waits as told gets in.
func TestRateWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := int64(rapid.IntRange(1, 20).Draw(t, "n"))
		per := time.Duration(rapid.IntRange(1, 5000).Draw(t, "per")) * time.Millisecond
		m, now, latest := NewMeter(), t0, t0
		m.SetRate("k", n, per)
		type use struct {
			at time.Time
			n  int64
		}
		var uses []use
		for range 60 {
			now = now.Add(time.Duration(rapid.IntRange(-200, 2000).Draw(t, "ms")) * time.Millisecond)
			if now.Before(latest) {
				now = latest // the meter's clock does not go back
			}
			latest = now
			ask := int64(rapid.IntRange(1, 25).Draw(t, "ask"))
			ok, wait := m.Take(now, ask, "k", "unlimited")
			if !ok && wait > 0 {
				now = now.Add(wait)
				latest = now
				if ok, _ = m.Take(now, ask, "k"); !ok {
					t.Fatalf("waited %v as told and did not get %d", wait, ask)
				}
			}
			if ok != (ask <= n) {
				t.Fatalf("%d of %d: %v, wait %v", ask, n, ok, wait)
			}
			if !ok {
				continue
			}
			uses = append(uses, use{now, ask})
			sum := int64(0)
			for i := len(uses) - 1; i >= 0; i-- {
				sum += uses[i].n
				w := now.Sub(uses[i].at)
				if most := float64(n) + float64(n)*float64(w)/float64(per); float64(sum) > most+1e-6 {
					t.Fatalf("%d operations in %v, at most %.2f", sum, w, most)
				}
			}
		}
	})
}

func TestRateOfTwoKeys(t *testing.T) {
	m := NewMeter()
	m.SetRate("tenant", 10, time.Second)
	m.SetRate("provider", 2, time.Second)
	m.Take(t0, 2, "tenant", "provider")
	if ok, wait := m.Take(t0, 1, "tenant", "provider"); ok || wait < 500*time.Millisecond || wait > 501*time.Millisecond {
		t.Errorf("the provider's rate is used up: %v, wait %v", ok, wait)
	}
	if ok, _ := m.Take(t0, 8, "tenant"); !ok {
		t.Error("what was refused was charged to the tenant")
	}
	m = NewMeter()
	m.SetRate("k", 100, time.Second)
	m.Slow(t0, "k", 3)
	m.Slow(t0, "k", 90) // never raises
	if ok, _ := m.Take(t0, 4, "k"); ok {
		t.Error("the provider said that three are left")
	}
	if ok, _ := m.Take(t0, 3, "k"); !ok {
		t.Error("three are left")
	}
}

// TestBudget: with reservations nothing is ever overspent, and without enough
// left the key is named.
func TestBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMeter()
		limit := int64(rapid.IntRange(0, 1000).Draw(t, "limit"))
		m.SetBudget("run", limit)
		m.SetBudget("day", 10_000)
		var open []int64
		spent := int64(0)
		for range 50 {
			if len(open) > 0 && rapid.Bool().Draw(t, "settle") {
				actual := rapid.Int64Range(0, open[0]).Draw(t, "actual")
				m.Settle(open[0], actual, "run", "day")
				open, spent = open[1:], spent+actual
				continue
			}
			estimate := rapid.Int64Range(0, 300).Draw(t, "estimate")
			left, _ := m.Left("run")
			ok, short := m.Reserve(estimate, "day", "run")
			if ok != (estimate <= left) || !ok && short != "run" {
				t.Fatalf("%d of %d left: %v, short of %q", estimate, left, ok, short)
			}
			if ok {
				open = append(open, estimate)
			}
		}
		reserved := int64(0)
		for _, n := range open {
			reserved += n
		}
		if left, _ := m.Left("run"); left != limit-spent-reserved || left < 0 {
			t.Fatalf("left %d of %d, spent %d, reserved %d", left, limit, spent, reserved)
		}
	})
}
