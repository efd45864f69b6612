package engine

import (
	"context"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/token"
)

// SessionRequest opens a session: a lease without a container, for work that its
// caller does itself. Tokens are what it may ever use; it holds none of them yet.
type SessionRequest struct {
	ID, Tenant, Unit string
	Tokens           []string
	Standing         Standing
	Revoked          func(by string) // a more urgent one waits; the session is closed soon
}

// Session is open until Close. Its methods may be called concurrently.
type Session struct {
	engine *Engine
	call   broker.Call
	once   sync.Once
}

// Open opens a session. Faults: Invalid, Denied, Conflict (the id is live),
// Cancelled (its parent has ended), Unavailable.
func (e *Engine) Open(ctx context.Context, r SessionRequest) (*Session, error) {
	c, err := e.checkSession(r)
	if err != nil {
		return nil, err
	}
	if err := e.stand(&c); err != nil {
		return nil, err
	}
	s := &Session{engine: e}
	c.revoke = func(by string) {
		if r.Revoked != nil {
			r.Revoked(by)
		}
	}
	lease, err := e.leases.acquire(ctx, c, func(Queued) {})
	if err != nil {
		return nil, err
	}
	s.call = broker.Call{Execution: r.ID, Unit: r.Unit, Grant: broker.Grant{Tenant: r.Tenant, Tokens: c.tokens, Fence: lease.Fence,
		Take: e.leases.taker(r.ID), Ends: e.leases.ends(r.ID), Charge: e.charger(r.ID)}}
	return s, nil
}

func (e *Engine) checkSession(r SessionRequest) (checked, error) {
	c := checked{Request: Request{Execution: r.ID, Tenant: r.Tenant, Unit: r.Unit, Standing: r.Standing}, held: true}
	if err := checkName("session", r.ID); err != nil {
		return c, err
	}
	if r.Tenant != "" {
		if err := checkName("tenant", r.Tenant); err != nil {
			return c, err
		}
	}
	var err error
	c.tokens, err = token.ParseSet(r.Tokens)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing && err == nil {
		err = fault.New(fault.Unavailable, "quiltd is stopping").WithHint("try again when it is up")
	}
	return c, err
}

// Held is what one Acquire of a session got.
type Held struct {
	Fence  uint64
	holds  []broker.Hold
	charge []broker.Charge

	estimate broker.Spend
}

// Acquire takes all of the tokens or none, waiting for them, and charges the
// estimate to each that has a rate or a budget. waits is called at most once, if
// they cannot be had at once.
func (s *Session) Acquire(ctx context.Context, tokens []string, estimate broker.Spend, waits func(Queued)) (*Held, error) {
	set, err := token.ParseSet(tokens)
	if err != nil {
		return nil, err
	}
	if out := set.Outside(s.call.Grant.Tokens); len(out) > 0 {
		return nil, fault.New(fault.Denied, "%s may not use %s", s.call.Unit, out[0]).WithHint("the session was opened without it")
	}
	h := &Held{estimate: estimate}
	for _, t := range set {
		if t.Scheme() != "llm" && t.Scheme() != "tool" && t.Scheme() != "agent" && t.Scheme() != "net" {
			continue
		}
		c, err := s.call.Charge(ctx, t, estimate)
		if err != nil {
			h.Release(broker.Spend{})
			return nil, err
		}
		h.charge = append(h.charge, c)
	}
	if h.holds, err = s.engine.leases.take(withWaits(ctx, waits), s.call.Execution, set); err != nil {
		h.Release(broker.Spend{})
		return nil, err
	}
	for _, hold := range h.holds {
		h.Fence = max(h.Fence, hold.Fence)
	}
	return h, nil
}

// Keep gives everything back; what was estimated counts as used.
func (h *Held) Keep() { h.Release(h.estimate) }

// Release gives everything back; used is what was really spent.
func (h *Held) Release(used broker.Spend) {
	for _, hold := range h.holds {
		hold.Done()
	}
	for _, c := range h.charge {
		c.Settle(used)
	}
}

// Close ends what the session waits for, and then everything it holds is free.
func (s *Session) Close() {
	s.once.Do(func() {
		s.engine.endNested(s.call.Execution, s.call.Unit)
		s.engine.leases.release(s.call.Execution)
		s.engine.ledger.forget(s.call.Execution)
	})
}

// waitsKey carries who is to learn of a wait through the broker's calls.
type waitsKey struct{}

func withWaits(ctx context.Context, waits func(Queued)) context.Context {
	return context.WithValue(ctx, waitsKey{}, waits)
}

func tellWait(ctx context.Context, q Queued) {
	if waits, ok := ctx.Value(waitsKey{}).(func(Queued)); ok && waits != nil {
		waits(q)
	}
}

// endNested kills what an execution waits for and returns when nothing of it is
// left.
func (e *Engine) endNested(execution, unit string) {
	for _, id := range e.leases.under(execution) {
		e.mu.Lock()
		y := e.live[id]
		e.mu.Unlock()
		if y != nil {
			y.end(errKilled{unit + ", which called it, has ended"})
			<-y.rest
			continue
		}
		e.leases.end(id)
	}
}

// session looks one up.
func (l *leases) session(id string) (*session, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.live[id]
	return x, x != nil
}

// end asks the owner of a session to close it, and waits a little until it did.
func (l *leases) end(id string) {
	x, ok := l.session(id)
	if !ok {
		return
	}
	x.revoke("its caller, which ended")
	for began := time.Now(); time.Since(began) < RevokeGrace; time.Sleep(time.Millisecond) {
		if y, ok := l.session(id); !ok || y != x {
			return
		}
	}
}
