package scheduler

import (
	"maps"
	"strings"
	"time"
)

// Meter counts what is used up rather than held: operations in a time (rate) and
// amounts in all (budget), each under a key its caller chooses, such as
// "acme/llm:openai:gpt4". Whoever must wait for a rate stands in no queue, so it
// adds no edge to the wait-for graph. Pure, like the Scheduler.
type Meter struct {
	rates   map[string]*rate
	budgets map[string]*budget
	start   int64 // times are counted from here: floats are exact enough for years
	now     int64
}

// rate is a generic cell rate bucket: full is the time at which everything
// admitted so far has been worked off at the steady rate.
type rate struct {
	each  float64 // nanoseconds that one operation takes of the rate
	burst int64   // operations that may come at once
	full  float64
}

type budget struct{ limit, spent, reserved int64 }

// NewMeter makes a meter that knows no limit.
func NewMeter() *Meter {
	return &Meter{rates: map[string]*rate{}, budgets: map[string]*budget{}}
}

func (m *Meter) clock(at time.Time) float64 {
	if m.start == 0 {
		m.start = at.UnixNano()
	}
	m.now = max(m.now, at.UnixNano()-m.start)
	return float64(m.now)
}

// SetRate limits a key to n operations in any window per: at most n at once,
// and n more for each per. It keeps what was used already.
func (m *Meter) SetRate(key string, n int64, per time.Duration) {
	r := m.rates[key]
	if r == nil {
		r = &rate{}
		m.rates[key] = r
	}
	r.each, r.burst = float64(per)/float64(n), n
}

// SetBudget limits what can be spent under a key in all.
func (m *Meter) SetBudget(key string, limit int64) {
	b := m.budgets[key]
	if b == nil {
		b = &budget{}
		m.budgets[key] = b
	}
	b.limit = limit
}

// Forget drops a key's limits and what was used of them.
func (m *Meter) Forget(key string) {
	delete(m.rates, key)
	delete(m.budgets, key)
}

// ForgetBelow drops every key that begins with prefix.
func (m *Meter) ForgetBelow(prefix string) {
	maps.DeleteFunc(m.rates, func(key string, _ *rate) bool { return strings.HasPrefix(key, prefix) })
	maps.DeleteFunc(m.budgets, func(key string, _ *budget) bool { return strings.HasPrefix(key, prefix) })
}

// Take uses n operations of every key's rate, or of none; wait says when to ask
// again. A wait below zero means never: more than may come at once. A key
// without a rate has no limit.
func (m *Meter) Take(at time.Time, n int64, keys ...string) (ok bool, wait time.Duration) {
	now := m.clock(at)
	for _, key := range keys {
		r := m.rates[key]
		if r == nil {
			continue
		}
		if n > r.burst {
			return false, -1
		}
		ahead := max(r.full-now, 0) + float64(n)*r.each
		if over := ahead - float64(r.burst)*r.each; over > 0 {
			wait = max(wait, time.Duration(over)+1)
		}
	}
	if wait > 0 {
		return false, wait
	}
	for _, key := range keys {
		if r := m.rates[key]; r != nil {
			r.full = max(r.full, now) + float64(n)*r.each
		}
	}
	return true, 0
}

// Give gives n operations back that were taken and not made.
func (m *Meter) Give(at time.Time, n int64, keys ...string) {
	m.clock(at)
	for _, key := range keys {
		if r := m.rates[key]; r != nil {
			r.full -= float64(n) * r.each
		}
	}
}

// Slow lowers what is left of a rate to n operations, as a provider reported; it
// never raises it.
func (m *Meter) Slow(at time.Time, key string, n int64) {
	now := m.clock(at)
	if r := m.rates[key]; r != nil {
		r.full = max(r.full, now+float64(r.burst-n)*r.each)
	}
}

// Reserve sets the estimate aside from every key's budget, or fails and names
// the key that has too little left. A key without a budget has no limit. Each
// Reserve is ended by one Settle.
func (m *Meter) Reserve(estimate int64, keys ...string) (ok bool, short string) {
	if estimate < 0 {
		return false, ""
	}
	for _, key := range keys {
		if b := m.budgets[key]; b != nil && estimate > b.limit-b.spent-b.reserved {
			return false, key
		}
	}
	for _, key := range keys {
		if b := m.budgets[key]; b != nil {
			b.reserved += estimate
		}
	}
	return true, ""
}

// Settle ends a reservation with what was really used. More than the estimate
// is charged in full, so that the next one is refused.
func (m *Meter) Settle(estimate, actual int64, keys ...string) {
	for _, key := range keys {
		if b := m.budgets[key]; b != nil {
			b.reserved = max(0, b.reserved-estimate)
			b.spent += max(0, actual)
		}
	}
}

// Left of a budget, reservations taken off; false if the key has none.
func (m *Meter) Left(key string) (int64, bool) {
	b := m.budgets[key]
	if b == nil {
		return 0, false
	}
	return max(0, b.limit-b.spent-b.reserved), true
}

// Spent calls f for every budget that was used, reservations counted as spent.
func (m *Meter) Spent(f func(key string, spent int64)) {
	for key, b := range m.budgets {
		if n := b.spent + b.reserved; n > 0 {
			f(key, n)
		}
	}
}
