package llmgate

import "time"

// window is a limit on an amount in any stretch of time of a given length. What
// a call uses counts from its reservation until a whole length after its end:
// whenever the provider books it in between, no stretch holds more than the
// limit. Old amounts are kept in a bounded number of slices, each rounded up.
type window struct {
	limit  int64
	length time.Duration
	open   int64   // reserved by calls under way
	used   int64   // sum of past
	past   []spent // by time of expiry
	until  time.Time
}

type spent struct {
	amount int64
	end    time.Time // when it counts no more
}

const cuts = 120 // of a window: half a second of a minute

func (w *window) forget(now time.Time) {
	n := 0
	for n < len(w.past) && !w.past[n].end.After(now) {
		w.used -= w.past[n].amount
		n++
	}
	w.past = w.past[n:]
}

// free says whether amount fits now; otherwise when to look again, zero if only
// the end of a call under way can help.
func (w *window) free(now time.Time, amount int64) (ok bool, again time.Time) {
	w.forget(now)
	if now.Before(w.until) {
		return false, w.until
	}
	over := w.open + w.used + amount - w.limit
	if w.limit == 0 || over <= 0 {
		return true, time.Time{}
	}
	for _, p := range w.past {
		if over -= p.amount; over <= 0 {
			return false, p.end
		}
	}
	return false, time.Time{}
}

func (w *window) settle(now time.Time, reserved, actual int64) {
	w.open -= reserved
	w.add(now.Add(w.length), actual)
}

// add books an amount until end, rounded up to the next slice.
func (w *window) add(end time.Time, amount int64) {
	if amount <= 0 || w.limit == 0 {
		return
	}
	w.used += amount
	step := w.length / cuts
	end = end.Truncate(step).Add(step)
	for i := len(w.past); i > 0; i-- {
		switch p := &w.past[i-1]; {
		case p.end.Equal(end):
			p.amount += amount
			return
		case p.end.Before(end):
			w.past = append(w.past[:i], append([]spent{{amount, end}}, w.past[i:]...)...)
			return
		}
	}
	w.past = append([]spent{{amount, end}}, w.past...)
}

// lower believes a provider that says how much is left until a time; it never
// raises what is left.
func (w *window) lower(now time.Time, left int64, until time.Time) {
	w.forget(now)
	if have := w.limit - w.used - w.open; w.limit > 0 && left < have {
		w.add(until, have-max(0, left))
	}
}
