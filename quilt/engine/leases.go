package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
)

// Lease is what one execution holds.
type Lease struct {
	ID        string
	Execution string
	Unit      string
	Tokens    []string
	Fence     uint64
	Since     time.Time
}

// Wait is one execution that waits for its lease.
type Wait struct {
	Execution string
	Unit      string
	Tokens    []string
	WaitsFor  []string // executions
	Since     time.Time
}

// leases is the scheduler's one owner: it hands it the time and carries its
// effects to the executions that wait. An execution is a session, and its one
// request is all it will ever hold.
type leases struct {
	mu      sync.Mutex
	table   *scheduler.Scheduler
	units   map[string]string                // of live sessions, by execution
	answers map[string]chan scheduler.Effect // of waiting ones; one element
}

func newLeases(epoch uint64) *leases {
	return &leases{
		table: scheduler.New(scheduler.Config{Epoch: epoch}),
		units: map[string]string{}, answers: map[string]chan scheduler.Effect{},
	}
}

// acquire returns with the lease, a fault that says why there is none, or the
// cause of ctx. queued is called at most once, if the lease could not be had at
// once. Without a lease nothing is held.
func (l *leases) acquire(ctx context.Context, req checked, queued func(Queued)) (Lease, error) {
	if ctx.Err() != nil {
		return Lease{}, context.Cause(ctx)
	}
	answer, wait := l.submit(req)
	if wait != nil {
		queued(Queued{WaitsFor: wait.WaitsFor, HeldBy: wait.HeldBy, Position: wait.Position})
	}
	select {
	case e := <-answer:
		if g, ok := e.(scheduler.Granted); ok {
			return Lease{ID: fmt.Sprintf("l%x", g.Fence), Execution: req.Execution, Unit: req.Unit, Fence: g.Fence}, nil
		}
		l.release(req.Execution)
		return Lease{}, refusal(e.(scheduler.Refused), req.Unit)
	case <-ctx.Done():
		// Whether it was granted meanwhile does not matter: both go away.
		l.release(req.Execution)
		return Lease{}, context.Cause(ctx)
	}
}

func (l *leases) submit(req checked) (<-chan scheduler.Effect, *scheduler.Queued) {
	l.mu.Lock()
	defer l.mu.Unlock()
	answer := make(chan scheduler.Effect, 1)
	l.units[req.Execution], l.answers[req.Execution] = req.Unit, answer
	effects := l.table.Submit(time.Now(), scheduler.Request{
		Session: req.Execution, Tokens: req.tokens, Tenant: req.Tenant, Class: scheduler.Normal,
	})
	return answer, l.deliver(effects, req.Execution)
}

// deliver carries effects to who waits for them, and returns the one that says
// that session waits.
func (l *leases) deliver(effects []scheduler.Effect, session string) (wait *scheduler.Queued) {
	for _, e := range effects {
		var to string
		switch e := e.(type) {
		case scheduler.Queued:
			if e.Session == session {
				wait = &e
			}
			continue
		case scheduler.Granted:
			to = e.Session
		case scheduler.Refused:
			to = e.Session
		}
		if answer := l.answers[to]; answer != nil {
			answer <- e
			delete(l.answers, to)
		}
	}
	return wait
}

// release gives back what an execution holds and forgets what it waits for.
func (l *leases) release(execution string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.answers, execution)
	delete(l.units, execution)
	l.deliver(l.table.Close(time.Now(), execution), "")
}

func (l *leases) snapshot() (held []Lease, waits []Wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.table.Leases() {
		held = append(held, Lease{
			ID: fmt.Sprintf("l%x", h.Fence), Execution: h.Session, Unit: l.units[h.Session],
			Tokens: h.Tokens, Fence: h.Fence, Since: h.Since,
		})
	}
	for _, w := range l.table.Waits() {
		waits = append(waits, Wait{
			Execution: w.Session, Unit: l.units[w.Session], Tokens: w.Tokens,
			WaitsFor: append(w.HeldBy, w.Behind...), Since: w.Since,
		})
	}
	return held, waits
}

// refusal says for people why the scheduler refused.
func refusal(r scheduler.Refused, unit string) error {
	switch r.Reason {
	case scheduler.Never:
		return fault.New(fault.Exhausted, "%s can never have %s: it is more than there is", unit, r.Token).
			WithHint("ask for fewer units")
	case scheduler.Deadlock:
		var steps []string
		for _, e := range r.Cycle {
			steps = append(steps, fmt.Sprintf("%s waits for %s, held by %s", e.Session, e.Token, e.HeldBy))
		}
		return fault.New(fault.Deadlock, "waiting would never end: %s", strings.Join(steps, "; ")).
			WithHint("take both tokens at the start, or run it again")
	case scheduler.Full:
		return fault.New(fault.Exhausted, "too many executions wait for tokens").WithHint("try again when some have ended")
	case scheduler.TooMany:
		return fault.New(fault.Invalid, "%s asks for too many tokens", unit).WithHint("ask for a token above them")
	}
	return fmt.Errorf("scheduler refused: %s", r.Reason)
}
