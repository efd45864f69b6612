package engine

import (
	"context"
	"slices"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
	"github.com/ariacomputecompany/firmware/token"
)

// lock is one token that a session holds beside its first request: for an
// operation, or for as long as a transaction goes on. Operations inside a
// transaction use its lock, and it is given back when none uses it any more.
type lock struct {
	token token.Token
	fence uint64
	users int
}

// taker is what an execution's operations take tokens with.
func (l *leases) taker(execution string) broker.Take {
	return func(ctx context.Context, want token.Set) ([]broker.Hold, error) { return l.take(ctx, execution, want) }
}

// take locks all of want or nothing, waiting until that can be had. What the
// session's locks cover already is used with them. A session has one request
// under way; the next waits for its turn. Fault: Deadlock with the cycle, what
// refusal says; the cause of ctx.
func (l *leases) take(ctx context.Context, execution string, want token.Set) ([]broker.Hold, error) {
	l.mu.Lock()
	x := l.live[execution]
	if x == nil {
		l.mu.Unlock()
		return nil, fault.New(fault.Cancelled, "execution %s has ended", execution)
	}
	if holds := l.join(x, want); holds != nil {
		l.mu.Unlock()
		return holds, nil
	}
	l.mu.Unlock()
	select {
	case x.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-x.turn }()
	return l.ask(ctx, x, want)
}

// ask submits x's request and waits for the answer. The caller has x's turn.
func (l *leases) ask(ctx context.Context, x *session, want token.Set) ([]broker.Hold, error) {
	l.mu.Lock()
	if l.live[x.req.Execution] != x {
		l.mu.Unlock()
		return nil, fault.New(fault.Cancelled, "execution %s has ended", x.req.Execution)
	}
	answer, _ := l.submit(x, want, true)
	l.mu.Unlock()
	var e scheduler.Effect
	select {
	case e = <-answer:
	case <-ctx.Done(): // also in a planned restart, after a moment
		l.mu.Lock()
		l.deliver(l.table.Cancel(l.now(), x.req.Execution), "")
		l.mu.Unlock()
		e = <-answer // cancelled, or granted a moment before
		if g, ok := e.(scheduler.Granted); ok {
			for _, h := range l.keep(x, want, g.Fence) {
				h.Done()
			}
		}
		return nil, context.Cause(ctx)
	}
	if g, ok := e.(scheduler.Granted); ok {
		return l.keep(x, want, g.Fence), nil
	}
	return nil, refusal(e.(scheduler.Refused), x.req.Unit)
}

// join uses locks that x has; nil if they do not cover all of want. The caller
// holds mu.
func (l *leases) join(x *session, want token.Set) []broker.Hold {
	found := make([]*lock, len(want))
	for i, t := range want {
		at := slices.IndexFunc(x.locks, func(k *lock) bool { return enough(k.token, t) })
		if at < 0 {
			return nil
		}
		found[i] = x.locks[at]
	}
	holds := make([]broker.Hold, len(want))
	for i, k := range found {
		k.users++
		holds[i] = l.hold(x, k, k.token)
	}
	return holds
}

// enough: whoever locked held needs no other lock for need. A shared writer's
// lock covers nothing below itself.
func enough(held, need token.Token) bool {
	return held.Covers(need) && token.Sup(held.Mode(), need.Mode()) == held.Mode() &&
		(held.Mode() != token.IX || held.Path() == need.Path())
}

// keep notes what was granted.
func (l *leases) keep(x *session, want token.Set, fence uint64) []broker.Hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	holds := make([]broker.Hold, len(want))
	for i, t := range want {
		k := &lock{token: t, fence: fence, users: 1}
		x.locks = append(x.locks, k)
		holds[i] = l.hold(x, k, t)
	}
	return holds
}

func (l *leases) hold(x *session, k *lock, t token.Token) broker.Hold {
	done := false
	return broker.Hold{Token: t, Fence: k.fence, Done: func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if done {
			return
		}
		if done = true; l.live[x.req.Execution] != x {
			return // its end gave everything back
		}
		if k.users--; k.users == 0 {
			l.giveBack(x, k)
		}
	}}
}

// giveBack lets go of a lock that nobody uses. The caller holds mu.
func (l *leases) giveBack(x *session, k *lock) {
	i := slices.Index(x.locks, k)
	x.locks = slices.Delete(x.locks, i, i+1)
	effects, ok := l.table.Release(l.now(), x.req.Execution, k.token)
	if !ok {
		return
	}
	l.tell(x.req.Execution, TokenEvent{Kind: "released", Tokens: []string{k.token.String()}})
	l.deliver(effects, "")
}
