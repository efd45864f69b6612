package engine

import (
	"context"
	"fmt"
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
	Lent      map[token.Token]uint64 `json:"-"` // fences of tokens that an ancestor lends
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
	Opens     time.Time // it waits for a rate, which lets it through then; nobody holds anything
	Limit     string    // whose rate that is
}

// leases is the scheduler's one owner: it hands it the time and carries its
// effects to those who wait, to watchers and to the audit.
type leases struct {
	mu     sync.Mutex
	table  *scheduler.Scheduler
	epoch  uint64
	live   map[string]*session // by execution
	news   *journal
	counts Counts
	began  time.Time
	timer  *time.Timer
	moved  <-chan struct{} // closed when everything goes to another engine
}

// session is one execution in the table, or a caller's own. Its first request
// takes what it holds as long as it lives; what it holds only for an operation
// comes and goes (take).
type session struct {
	req     checked
	parent  *session
	lease   token.Set // of the first request
	fence   uint64    // of the lease
	closing bool
	asked   token.Set             // by the request that is under way
	answer  chan scheduler.Effect // to it; one element; nil: none waits
	turn    chan struct{}         // full while a request of take is under way
	locks   []*lock
	late    []*lock // that could not be given back yet: nested ones use their units
	calls   map[token.Token]chan struct{}
	revoke  func(by string) // asks it to end soon; may be nil
	ends    map[token.Token]time.Time
	timers  []*time.Timer // of what ends
}

func newLeases(cfg scheduler.Config, audit *Audit) *leases {
	return &leases{
		table: scheduler.New(cfg), epoch: cfg.Epoch, began: time.Now(), news: newJournal(audit), live: map[string]*session{},
		counts: Counts{Refused: map[string]uint64{}},
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
	answer, wait, err := l.open(req)
	if err != nil {
		l.refused(&req, err)
		return Lease{}, err
	}
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
			return l.begun(req.Execution, g.Fence, time.Now()), nil
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

// begun notes the fence of a lease that is held since a time.
func (l *leases) begun(execution string, fence uint64, since time.Time) Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.live[execution]
	x.fence = fence
	l.bound(x, since)
	out := Lease{ID: fmt.Sprintf("l%x", fence), Execution: execution, Unit: x.req.Unit, Fence: fence}
	for _, t := range x.lease {
		if f := x.lent(t, fence); f != fence {
			if out.Lent == nil {
				out.Lent = map[token.Token]uint64{}
			}
			out.Lent[t] = f
		}
	}
	return out
}

// lent is the fence to write under t with. Who uses a lock that an ancestor holds
// writes with the ancestor's: with a later one it would lock its writes out.
func (x *session) lent(t token.Token, own uint64) uint64 {
	for p := x.parent; p != nil; p = p.parent {
		for _, k := range p.locks {
			if enough(k.token, t) {
				return k.fence
			}
		}
		for _, o := range p.lease {
			if t.Mode() != token.None && enough(o, t) {
				return p.lent(o, p.fence)
			}
		}
	}
	return own
}

// open makes the session and asks for what it holds as long as it lives.
func (l *leases) open(req checked) (<-chan scheduler.Effect, *scheduler.Queued, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := &session{req: req, turn: make(chan struct{}, 1), revoke: req.revoke}
	if l.live[req.Execution] != nil {
		return nil, nil, fault.New(fault.Conflict, "%q is live already", req.Execution).WithHint("every execution and session needs an id of its own")
	}
	if err := l.adopt(x); err != nil {
		return nil, nil, err
	}
	l.live[req.Execution] = x
	for _, t := range req.tokens {
		if !t.OnUse() && !req.held {
			x.lease = append(x.lease, t)
		}
	}
	answer, wait := l.submit(x, x.lease, false)
	return answer, wait, nil
}

// submit asks for x, which has no request under way. The caller holds mu.
func (l *leases) submit(x *session, tokens token.Set, tx bool) (<-chan scheduler.Effect, *scheduler.Queued) {
	answer := make(chan scheduler.Effect, 1)
	x.asked, x.answer = tokens, answer
	return answer, l.deliver(l.table.Submit(l.now(), l.request(x, tokens, tx)), x.req.Execution)
}

func (l *leases) request(x *session, tokens token.Set, tx bool) scheduler.Request {
	now := l.now()
	return scheduler.Request{
		Session: x.req.Execution, Parent: x.req.Standing.Parent, Tokens: tokens, Tenant: x.req.Tenant, Class: x.req.class,
		Preemptible: x.req.Standing.Preemptible, Tx: tx, Deadline: deadline(now, tokens), Cost: int64(now.Sub(x.req.began)),
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

// deliver records effects, and then carries them to who waits for them: nobody
// learns of a grant that the audit does not have. It returns the one that says
// that session waits.
func (l *leases) deliver(effects []scheduler.Effect, session string) (wait *scheduler.Queued) {
	for _, e := range effects {
		if q, ok := e.(scheduler.Queued); ok && q.Session == session {
			wait = &q
		}
		l.record(e)
	}
	unwritten := l.news.audit.flush()
	for _, e := range effects {
		var to string
		switch e2 := e.(type) {
		case scheduler.Granted:
			if to = e2.Session; unwritten != nil {
				e = scheduler.Refused{Session: to, Reason: unrecorded}
			}
		case scheduler.Refused:
			to = e2.Session
		case scheduler.Revoke:
			if x := l.live[e2.Session]; x != nil && x.revoke != nil {
				go x.revoke(e2.For)
			}
		}
		if x := l.live[to]; x != nil && x.answer != nil {
			x.answer <- e
			x.answer = nil
		}
	}
	l.arm()
	return wait
}

// record tells watchers, counters and the audit of an effect.
func (l *leases) record(e scheduler.Effect) {
	switch e := e.(type) {
	case scheduler.Queued:
		l.counts.Queued++
		l.tell(e.Session, TokenEvent{Kind: "queued", HeldBy: append(e.HeldBy, e.Behind...)})
	case scheduler.Granted:
		l.counts.Granted++
		l.counts.Waited += e.Waited
		l.tell(e.Session, TokenEvent{Kind: "granted", Fence: e.Fence})
	case scheduler.Refused:
		l.counts.Refused[string(e.Reason)]++
		l.tell(e.Session, TokenEvent{Kind: "refused", Reason: string(e.Reason)})
	case scheduler.Raised:
		l.tell(e.Session, TokenEvent{Kind: "raised", Reason: e.Class.String() + " by " + e.By})
	case scheduler.Revoke:
		l.counts.Revoked++
		l.tell(e.Session, TokenEvent{Kind: "revoke", Reason: "for " + e.For})
	}
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
	l.audit(x, l.news.put(x.named(e)))
}

// named adds who it is about.
func (x *session) named(e TokenEvent) TokenEvent {
	e.Time, e.Execution, e.Unit, e.Tenant = time.Now(), x.req.Execution, x.req.Unit, x.req.Tenant
	return e
}

// audit adds an event to what is written next.
func (l *leases) audit(x *session, e TokenEvent) {
	if e.Time.IsZero() {
		e = x.named(e)
	}
	l.news.audit.add(e, x.req.chain)
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
		x.unbind()
		l.counts.Released++
		l.tell(execution, TokenEvent{Kind: "released", Tokens: x.req.tokens.Strings()})
	}
	l.deliver(effects, "")
	delete(l.live, execution)
	if x != nil && x.parent != nil {
		l.giveLate(x.parent)
	}
}
