package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
	"github.com/ariacomputecompany/firmware/token"
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
// effects to those who wait, to watchers and to the audit.
type leases struct {
	mu    sync.Mutex
	table *scheduler.Scheduler
	live  map[string]*session // by execution
	news  *journal
	began time.Time
	timer *time.Timer
	moved <-chan struct{} // closed when everything goes to another engine
}

// session is one execution in the table. Its first request takes what it holds
// as long as it lives; what it holds only for an operation comes and goes
// (take).
type session struct {
	req    checked
	asked  token.Set             // by the request that is under way
	answer chan scheduler.Effect // to it; one element; nil: none waits
	turn   chan struct{}         // full while a request of take is under way
	locks  []*lock
}

func newLeases(epoch uint64, audit *Audit) *leases {
	return &leases{
		table: scheduler.New(scheduler.Config{Epoch: epoch}), began: time.Now(), news: newJournal(audit),
		live: map[string]*session{},
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
	answer, wait := l.open(req)
	if wait != nil {
		queued(Queued{WaitsFor: wait.WaitsFor, HeldBy: wait.HeldBy, Position: wait.Position})
	}
	return l.await(ctx, req, answer)
}

// await is the second half of acquire.
func (l *leases) await(ctx context.Context, req checked, answer <-chan scheduler.Effect) (Lease, error) {
	select {
	case e := <-answer:
		if g, ok := e.(scheduler.Granted); ok {
			return Lease{ID: fmt.Sprintf("l%x", g.Fence), Execution: req.Execution, Unit: req.Unit, Fence: g.Fence}, nil
		}
		l.release(req.Execution)
		return Lease{}, refusal(e.(scheduler.Refused), req.Unit)
	case <-l.moved:
		return Lease{}, errMoved // the next engine asks again; whatever was granted goes with this one
	case <-ctx.Done():
		// Whether it was granted meanwhile does not matter: both go away.
		l.release(req.Execution)
		return Lease{}, context.Cause(ctx)
	}
}

// restore makes the session of an execution that had lease in another engine.
func (l *leases) restore(req checked, lease Lease) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := &session{req: req, turn: make(chan struct{}, 1), asked: req.tokens}
	if !l.table.Restore(l.now(), l.request(x, req.tokens, false), lease.Fence, lease.Since) {
		return false
	}
	l.live[req.Execution] = x
	return true
}

// reopen asks again for an execution that waited in another engine.
func (l *leases) reopen(req checked, since time.Time) <-chan scheduler.Effect {
	answer, _ := l.open(req)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.table.Rewait(req.Execution, since)
	return answer
}

func (l *leases) fence() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.table.Fence()
}

func (l *leases) setFence(f uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.table.SetFence(f)
}

// open makes the session and asks for what it holds as long as it lives.
func (l *leases) open(req checked) (<-chan scheduler.Effect, *scheduler.Queued) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := &session{req: req, turn: make(chan struct{}, 1)}
	l.live[req.Execution] = x
	return l.submit(x, req.tokens, false)
}

// submit asks for x, which has no request under way. The caller holds mu.
func (l *leases) submit(x *session, tokens token.Set, tx bool) (<-chan scheduler.Effect, *scheduler.Queued) {
	answer := make(chan scheduler.Effect, 1)
	x.asked, x.answer = tokens, answer
	return answer, l.deliver(l.table.Submit(l.now(), l.request(x, tokens, tx)), x.req.Execution)
}

func (l *leases) request(x *session, tokens token.Set, tx bool) scheduler.Request {
	return scheduler.Request{
		Session: x.req.Execution, Tokens: tokens, Tenant: x.req.Tenant, Class: scheduler.Normal, Tx: tx,
		Deadline: deadline(l.now(), tokens),
	}
}

// deadline is when the first of the tokens that say wait= has waited enough.
func deadline(now time.Time, tokens token.Set) (end time.Time) {
	for _, t := range tokens {
		if w := t.Params().Wait; w > 0 && !t.HoldsTx() && (end.IsZero() || now.Add(w).Before(end)) {
			end = now.Add(w)
		}
	}
	return end
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
		if x := l.live[to]; x != nil && x.answer != nil {
			x.answer <- e
			x.answer = nil
		}
	}
	l.arm()
	return wait
}

// tell adds what is known of the execution to an event. One that names no
// tokens is about those asked for last.
func (l *leases) tell(execution string, e TokenEvent) {
	x := l.live[execution]
	if x == nil {
		return
	}
	if e.Tokens == nil {
		e.Tokens = x.asked.Strings()
	}
	e.Time, e.Execution, e.Unit, e.Tenant = time.Now(), execution, x.req.Unit, x.req.Tenant
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
	x := l.live[execution]
	effects := l.table.Close(l.now(), execution)
	if x != nil {
		l.tell(execution, TokenEvent{Kind: "released", Tokens: x.req.tokens.Strings()})
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
			ID: fmt.Sprintf("l%x", h.Fence), Execution: h.Session, Unit: l.live[h.Session].req.Unit,
			Tokens: h.Tokens, Fence: h.Fence, Since: h.Since, Tenant: h.Tenant, Class: h.Class,
		})
	}
	for _, w := range l.table.Waits() {
		waits = append(waits, Wait{
			Execution: w.Session, Unit: l.live[w.Session].req.Unit, Tokens: w.Tokens, Blocked: w.WaitsFor,
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
			WithHint("take both tokens at once, or in the same order everywhere; or run it again")
	case scheduler.Timeout:
		return fault.New(fault.Timeout, "the tokens of %s were not free within the wait= they name", unit).
			WithHint("arc tokens shows who holds them; wait longer, or ask for less")
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
