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
	Tenant    string
	Class     string
}

// Wait is one execution that waits for its lease.
type Wait struct {
	Execution string
	Unit      string
	Tokens    []string
	Blocked   []string // of these, those that cannot be had now
	HeldBy    []string // executions
	Behind    []string // executions whose turn is earlier
	Position  int
	Since     time.Time
	Tenant    string
	Class     string
}

// leases is the scheduler's one owner: it hands it the time and carries its
// effects to the executions that wait, to watchers and to the audit. An
// execution is a session, and its one request is all it will ever hold.
type leases struct {
	mu      sync.Mutex
	table   *scheduler.Scheduler
	live    map[string]checked               // of live sessions, by execution
	answers map[string]chan scheduler.Effect // of waiting ones; one element
	news    *journal
	began   time.Time
	timer   *time.Timer
}

func newLeases(epoch uint64, audit *Audit) *leases {
	return &leases{
		table: scheduler.New(scheduler.Config{Epoch: epoch}), began: time.Now(), news: newJournal(audit),
		live: map[string]checked{}, answers: map[string]chan scheduler.Effect{},
	}
}

// now is a clock that no one can set back or forth.
func (l *leases) now() time.Time { return l.began.Add(time.Since(l.began)) }

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
	l.live[req.Execution], l.answers[req.Execution] = req, answer
	effects := l.table.Submit(l.now(), scheduler.Request{
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
			l.tell(e.Session, TokenEvent{Kind: "queued", HeldBy: append(e.HeldBy, e.Behind...)})
			if e.Session == session {
				wait = &e
			}
		case scheduler.Granted:
			to = e.Session
			l.tell(to, TokenEvent{Kind: "granted", Fence: e.Fence})
		case scheduler.Refused:
			to = e.Session
			l.tell(to, TokenEvent{Kind: "refused", Reason: string(e.Reason)})
		case scheduler.Raised:
			l.tell(e.Session, TokenEvent{Kind: "raised", Reason: e.Class.String() + " by " + e.By})
		case scheduler.Revoke:
			l.tell(e.Session, TokenEvent{Kind: "revoke", Reason: "for " + e.For})
		}
		if answer := l.answers[to]; answer != nil {
			answer <- e
			delete(l.answers, to)
		}
	}
	l.arm()
	return wait
}

// tell adds what is known of the execution to an event.
func (l *leases) tell(execution string, e TokenEvent) {
	req := l.live[execution]
	e.Time, e.Execution, e.Unit, e.Tenant, e.Tokens = time.Now(), execution, req.Unit, req.Tenant, req.tokens.Strings()
	l.news.put(e)
}

// arm sees to it that waiting requests grow old in time.
func (l *leases) arm() {
	next, ok := l.table.NextDeadline()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if ok {
		l.timer = time.AfterFunc(next.Sub(l.now()), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.deliver(l.table.Tick(l.now()), "")
		})
	}
}

// release gives back what an execution holds and forgets what it waits for.
func (l *leases) release(execution string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.answers, execution)
	effects := l.table.Close(l.now(), execution)
	if _, ok := l.live[execution]; ok {
		l.tell(execution, TokenEvent{Kind: "released"})
	}
	l.deliver(effects, "")
	delete(l.live, execution)
}

func (l *leases) snapshot() (held []Lease, waits []Wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view()
}

func (l *leases) view() (held []Lease, waits []Wait) {
	for _, h := range l.table.Leases() {
		held = append(held, Lease{
			ID: fmt.Sprintf("l%x", h.Fence), Execution: h.Session, Unit: l.live[h.Session].Unit,
			Tokens: h.Tokens, Fence: h.Fence, Since: h.Since, Tenant: h.Tenant, Class: h.Class,
		})
	}
	for _, w := range l.table.Waits() {
		waits = append(waits, Wait{
			Execution: w.Session, Unit: l.live[w.Session].Unit, Tokens: w.Tokens, Blocked: w.WaitsFor,
			HeldBy: w.HeldBy, Behind: w.Behind, Position: w.Position, Since: w.Since, Tenant: w.Tenant, Class: w.Class,
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
			if e.Token == "" {
				steps = append(steps, fmt.Sprintf("%s waits for its call %s", e.Session, e.HeldBy))
				continue
			}
			steps = append(steps, fmt.Sprintf("%s waits for %s, held by %s", e.Session, e.Token, e.HeldBy))
		}
		return fault.New(fault.Deadlock, "waiting would never end: %s", strings.Join(steps, "; ")).
			WithHint("take both tokens at the start, or run it again")
	case scheduler.Full:
		return fault.New(fault.Exhausted, "too many executions of this tenant wait for tokens").
			WithHint("try again in about %s", r.RetryAfter.Round(100*time.Millisecond))
	case scheduler.Quota:
		return fault.New(fault.Exhausted, "this tenant would hold too many tokens").
			WithHint("try again in about %s", r.RetryAfter.Round(100*time.Millisecond))
	case scheduler.TooMany:
		return fault.New(fault.Invalid, "%s asks for too many tokens", unit).WithHint("ask for a token above them")
	}
	return fmt.Errorf("scheduler refused: %s", r.Reason)
}
