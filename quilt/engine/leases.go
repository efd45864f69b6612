package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/token"
)

// Lease is what one execution holds.
type Lease struct {
	ID        string
	Execution string
	Unit      string
	Tenant    string
	Tokens    token.Set
	Fence     uint64
	Since     time.Time
}

// Wait is one execution that waits for its lease.
type Wait struct {
	Execution string
	Unit      string
	Tokens    token.Set
	WaitsFor  []string // executions
	Since     time.Time
}

// leases grants all tokens of an execution at once or lets it wait holding
// nothing. Order: arrival; a later request may pass an earlier one only if the
// two are compatible, so nobody starves. Since every execution takes all it may
// ever hold in its first request, no cycle can form.
type leases struct {
	mu      sync.Mutex
	fence   uint64
	held    []Lease
	waiting []*waiter
}

type waiter struct {
	lease   Lease
	granted chan Lease // one element
}

func newLeases(firstFence uint64) *leases { return &leases{fence: firstFence} }

// acquire returns with the lease, or with the cause of ctx. queued is called at
// most once, if the lease could not be had at once.
func (l *leases) acquire(ctx context.Context, req checked, queued func(Queued)) (Lease, error) {
	if err := context.Cause(ctx); err != nil {
		return Lease{}, err
	}
	w := &waiter{granted: make(chan Lease, 1), lease: Lease{
		Execution: req.Execution, Unit: req.Unit, Tenant: req.Tenant, Tokens: req.tokens, Since: time.Now(),
	}}
	if q, waits := l.enqueue(w); waits {
		queued(q)
	}
	select {
	case lease := <-w.granted:
		return lease, nil
	case <-ctx.Done():
		// Whether it was granted meanwhile does not matter: both go away.
		l.release(req.Execution)
		return Lease{}, context.Cause(ctx)
	}
}

func (l *leases) enqueue(w *waiter) (Queued, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, w)
	l.grant()
	at := slices.Index(l.waiting, w)
	if at < 0 {
		return Queued{}, false
	}
	q := Queued{Position: at + 1}
	for _, h := range l.held {
		if blocked := conflicts(w.lease, h); len(blocked) > 0 {
			q.HeldBy = append(q.HeldBy, h.Execution)
			q.WaitsFor = append(q.WaitsFor, blocked...)
		}
	}
	for _, earlier := range l.waiting[:at] {
		q.WaitsFor = append(q.WaitsFor, conflicts(w.lease, earlier.lease)...)
	}
	slices.Sort(q.WaitsFor)
	q.WaitsFor = slices.Compact(q.WaitsFor)
	return q, true
}

// release gives back what an execution holds and forgets what it waits for.
func (l *leases) release(execution string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = slices.DeleteFunc(l.held, func(h Lease) bool { return h.Execution == execution })
	l.waiting = slices.DeleteFunc(l.waiting, func(w *waiter) bool { return w.lease.Execution == execution })
	l.grant()
}

// grant gives leases to all who can have them now, in order.
func (l *leases) grant() {
	var still []*waiter
	for _, w := range l.waiting {
		if l.blocked(w, still) {
			still = append(still, w)
			continue
		}
		l.fence++
		w.lease.Fence = l.fence
		w.lease.ID = fmt.Sprintf("l%x", l.fence)
		w.lease.Since = time.Now()
		l.held = append(l.held, w.lease)
		w.granted <- w.lease
	}
	l.waiting = still
}

func (l *leases) blocked(w *waiter, earlier []*waiter) bool {
	for _, h := range l.held {
		if len(conflicts(w.lease, h)) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(earlier, func(e *waiter) bool { return len(conflicts(w.lease, e.lease)) > 0 })
}

func (l *leases) snapshot() ([]Lease, []Wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var waits []Wait
	for i, w := range l.waiting {
		wait := Wait{Execution: w.lease.Execution, Unit: w.lease.Unit, Tokens: w.lease.Tokens, Since: w.lease.Since}
		for _, h := range l.held {
			if len(conflicts(w.lease, h)) > 0 {
				wait.WaitsFor = append(wait.WaitsFor, h.Execution)
			}
		}
		for _, e := range l.waiting[:i] {
			if len(conflicts(w.lease, e.lease)) > 0 {
				wait.WaitsFor = append(wait.WaitsFor, e.lease.Execution)
			}
		}
		waits = append(waits, wait)
	}
	return slices.Clone(l.held), waits
}

// conflicts lists the tokens of asked that held stands in the way of. Tenants
// do not share data, so their claims never meet.
func conflicts(asked, held Lease) []string {
	if asked.Tenant != held.Tenant {
		return nil
	}
	var out []string
	for _, a := range asked.Tokens {
		if slices.ContainsFunc(held.Tokens, func(h token.Token) bool { return conflict(a, h) }) {
			out = append(out, a.String())
		}
	}
	return out
}

// conflict compares two claims where the deeper one meets the other: a claim is
// an intention on every node above its own.
func conflict(asked, held token.Token) bool {
	if asked.Scheme() != held.Scheme() {
		return false
	}
	a, h := asked.Segments(), held.Segments()
	n := min(len(a), len(h))
	if !slices.Equal(a[:n], h[:n]) {
		return false
	}
	am, hm := asked.Mode(), held.Mode()
	if len(a) > n {
		am = am.Above()
	}
	if len(h) > n {
		hm = hm.Above()
	}
	return !token.Compatible(hm, am)
}
