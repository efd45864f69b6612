package llmgate

import (
	"math"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// meter of a claim: how its amount is counted.
type meter string

const (
	atOnce    meter = "calls at once"
	perMinute meter = "per minute"
	inAll     meter = "in all" // of a run or a day
)

// claim is an amount under one key and its limit. All claims of a call are met
// together or none is.
type claim struct {
	key    string
	meter  meter
	limit  int64
	amount int64
	length time.Duration // of perMinute, if not a minute
	unit   unit
	what   string // for people: "tokens per minute of openai"
}

// unit of what is counted.
type unit string

const (
	calls    unit = "calls" // under way; nothing of them remains
	requests unit = "requests"
	tokens   unit = "tokens"
	micros   unit = "micro-dollars"
)

// ledger knows what is used. It takes the time from its caller and is otherwise
// without clock or disk; keep is told what budgets that outlive us may reach.
type ledger struct {
	keep func(key string, amount int64) error // before a budget rises above what was kept

	mu      sync.Mutex
	windows map[string]*window
	sums    map[string]*sum
	changed chan struct{} // closed and renewed when something is given back
}

// sum is what was spent under a key, or holds calls under way.
type sum struct {
	spent, open int64
	kept        int64 // on disk: never below spent + open
	touched     time.Time
}

func newLedger(keep func(string, int64) error) *ledger {
	return &ledger{keep: keep, windows: map[string]*window{}, sums: map[string]*sum{}, changed: make(chan struct{})}
}

// begun is a set of claims that were met; settle ends it, once.
type begun struct {
	ledger *ledger
	claims []claim
	once   sync.Once
}

// short says why a call cannot begin.
type short struct {
	claim claim
	never bool            // waiting does not help
	again time.Time       // look again then; zero: when changed
	wake  <-chan struct{} // closed when something was given back
}

// reserve meets every claim, or names the first that cannot be met. An error is
// that of the disk: nothing is reserved then.
func (l *ledger) reserve(now time.Time, claims []claim) (*begun, *short, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range claims {
		if s := l.lacks(now, c); s != nil {
			s.claim, s.wake = c, l.changed
			return nil, s, nil
		}
	}
	for _, c := range claims {
		if !strings.HasPrefix(c.key, dayPrefix) {
			continue
		}
		if err := l.secure(c); err != nil {
			return nil, nil, err
		}
	}
	for _, c := range claims {
		if c.meter == perMinute {
			l.window(c).open += c.amount
		} else {
			s := l.sum(c.key)
			s.open, s.touched = s.open+c.amount, now
		}
	}
	return &begun{ledger: l, claims: claims}, nil, nil
}

func (l *ledger) lacks(now time.Time, c claim) *short {
	if c.limit > 0 && c.amount > c.limit {
		return &short{never: true}
	}
	if c.meter == perMinute {
		if ok, again := l.window(c).free(now, c.amount); !ok {
			return &short{again: again}
		}
		return nil
	}
	s := l.sum(c.key)
	switch {
	case c.limit == 0 || s.spent+s.open+c.amount <= c.limit:
		return nil
	case c.meter == inAll && s.spent+c.amount > c.limit:
		return &short{never: true} // nothing under way can give back enough
	}
	return &short{}
}

// secure has a budget's new height on disk before the money can be spent. It
// takes a step more than is needed, so that the disk is asked now and then; what
// a crash leaves of the step counts as spent.
func (l *ledger) secure(c claim) error {
	s := l.sum(c.key)
	need := s.spent + s.open + c.amount
	if need <= s.kept || l.keep == nil {
		return nil
	}
	height := min(need+max(c.limit/100, c.amount), max(need, c.limit))
	if err := l.keep(c.key, height); err != nil {
		return fault.Wrap(err, fault.Unavailable, "what models cost cannot be written down, so nothing is spent").
			WithHint("is there space on the disk of quiltd's data folder?")
	}
	s.kept = height
	return nil
}

// restore sets what an earlier process may have spent.
func (l *ledger) restore(key string, amount int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.sum(key) = sum{spent: amount, kept: amount}
}

// spentOf is what is spent under a key, without calls under way.
func (l *ledger) spentOf(key string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sum(key).spent
}

// heights are the sums of keys with a prefix, calls under way included.
func (l *ledger) heights(prefix string) map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]int64{}
	for k, s := range l.sums {
		if strings.HasPrefix(k, prefix) {
			out[k] = s.spent + s.open
		}
	}
	return out
}

func (l *ledger) window(c claim) *window {
	w := l.windows[c.key]
	if w == nil {
		w = &window{length: time.Minute}
		l.windows[c.key] = w
	}
	w.limit = c.limit
	if c.length > 0 {
		w.length = c.length
	}
	return w
}

func (l *ledger) sum(key string) *sum {
	s := l.sums[key]
	if s == nil {
		s = &sum{}
		l.sums[key] = s
	}
	return s
}

// used is what a call came to. tokens and micros below zero: not known, so the
// whole reservation counts.
type used struct {
	requests, tokens, micros int64
	answer                   *llm.Usage // of a good answer that says so
}

var unknown = used{requests: 1, tokens: -1, micros: -1}

// settle ends the reservation with what was used. More than reserved counts in
// full, and is returned as true: somebody must hear of it.
func (b *begun) settle(now time.Time, u used) (over bool) {
	b.once.Do(func() {
		l := b.ledger
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, c := range b.claims {
			actual := c.actual(u)
			over = over || actual > c.amount
			switch c.meter {
			case atOnce:
				l.sum(c.key).open -= c.amount
			case perMinute:
				l.window(c).settle(now, c.amount, actual)
			case inAll:
				s := l.sum(c.key)
				s.open -= c.amount
				s.spent += actual
			}
		}
		close(l.changed)
		l.changed = make(chan struct{})
	})
	return over
}

func (c claim) actual(u used) int64 {
	n := int64(0)
	switch c.unit {
	case requests:
		n = u.requests
	case tokens:
		n = u.tokens
	case micros:
		n = u.micros
	}
	if n < 0 {
		return c.amount
	}
	return n
}

// runPrefix begins the keys of what one run may use; dayPrefix those of a day.
const (
	runPrefix = "run/"
	dayPrefix = "day/"
)

// sweep drops what is counted for runs that asked nothing for longer than any
// execution may last.
func (l *ledger) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, s := range l.sums {
		if strings.HasPrefix(k, runPrefix) && s.open == 0 && now.Sub(s.touched) > longest {
			delete(l.sums, k)
		}
	}
	for k, w := range l.windows {
		if w.forget(now); strings.HasPrefix(k, runPrefix) && w.open == 0 && w.used == 0 {
			delete(l.windows, k)
		}
	}
}

// longest an execution may last (docs/spec/limits.md), and a little more.
const longest = 25 * time.Hour

// pause keeps everybody from a key until a time, as a provider asked.
func (l *ledger) pause(key string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.window(claim{key: key})
	if until.After(w.until) {
		w.until = until
	}
}

// lower believes a provider that less is left.
func (l *ledger) lower(now time.Time, key string, left int64, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.windows[key]; w != nil && left < math.MaxInt64 {
		w.lower(now, left, until)
	}
}
