package engine

import (
	"context"
	"slices"
	"sync"
	"time"

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
	// unclaimed: it came from the engine before, and no service took it up yet.
	unclaimed bool
	until     time.Time // its ttl= ends it then; zero: it does not
	lapsed    bool
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
	release, err := l.enter(ctx, x, want)
	if err != nil {
		return nil, err
	}
	select {
	case x.turn <- struct{}{}:
	case <-ctx.Done():
		release()
		return nil, context.Cause(ctx)
	}
	defer func() { <-x.turn }()
	// The request before may have brought it. Another lock would have a later fence, and
	// whichever of the two writes second would be stale.
	l.mu.Lock()
	var holds []broker.Hold
	if l.live[execution] == x {
		holds = l.join(x, want)
	}
	l.mu.Unlock()
	if holds != nil {
		release()
		return holds, nil
	}
	holds, err = l.ask(ctx, x, want)
	if err != nil {
		release()
		return nil, err
	}
	last := holds[len(holds)-1].Done
	holds[len(holds)-1].Done = func() { last(); release() }
	return holds, nil
}

// enter waits until no more than the units of its tokens are in use by x itself:
// llm:openai:gpt4#2 is two calls at once. They end by themselves.
func (l *leases) enter(ctx context.Context, x *session, want token.Set) (release func(), err error) {
	var in []chan struct{}
	var once sync.Once
	release = func() {
		once.Do(func() {
			for _, c := range in {
				<-c
			}
		})
	}
	for _, t := range want {
		c := l.places(x, t)
		if c == nil {
			continue
		}
		select {
		case c <- struct{}{}:
			in = append(in, c)
		case <-ctx.Done():
			release()
			return nil, context.Cause(ctx)
		}
	}
	return release, nil
}

// places of x's token that covers t; nil if t is not counted by use.
func (l *leases) places(x *session, t token.Token) chan struct{} {
	if !t.OnUse() || t.Units() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, own := range x.req.tokens {
		if !own.Covers(t) {
			continue
		}
		if x.calls[own] == nil {
			if x.calls == nil {
				x.calls = map[token.Token]chan struct{}{}
			}
			x.calls[own] = make(chan struct{}, own.Units())
		}
		return x.calls[own]
	}
	return nil
}

// ask submits x's request and waits for the answer. The caller has x's turn.
func (l *leases) ask(ctx context.Context, x *session, want token.Set) ([]broker.Hold, error) {
	l.mu.Lock()
	if l.live[x.req.Execution] != x {
		l.mu.Unlock()
		return nil, fault.New(fault.Cancelled, "execution %s has ended", x.req.Execution)
	}
	answer, wait := l.submit(x, want, true)
	l.mu.Unlock()
	if wait != nil {
		tellWait(ctx, Queued{WaitsFor: wait.WaitsFor, HeldBy: wait.HeldBy, Position: wait.Position})
	}
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
	r := e.(scheduler.Refused)
	if r.Reason == unrecorded {
		l.mu.Lock()
		effects, _ := l.table.Release(l.now(), x.req.Execution, want...)
		l.deliver(effects, "")
		l.mu.Unlock()
	}
	return nil, refusal(r, x.req.Unit)
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
// lock covers nothing below itself, and units are counted for each use.
func enough(held, need token.Token) bool {
	return need.Units() == 0 && held.Covers(need) && token.Sup(held.Mode(), need.Mode()) == held.Mode() &&
		(held.Mode() != token.IX || held.Path() == need.Path())
}

// keep notes what was granted.
func (l *leases) keep(x *session, want token.Set, fence uint64) []broker.Hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	holds := make([]broker.Hold, len(want))
	for i, t := range want {
		k := &lock{token: t, fence: x.lent(t, fence), users: 1}
		x.locks = append(x.locks, k)
		if ttl := x.ttlOf(t); ttl > 0 {
			l.lapses(x, k, time.Now().Add(ttl))
		}
		holds[i] = l.hold(x, k, t)
	}
	return holds
}

func (l *leases) hold(x *session, k *lock, t token.Token) broker.Hold {
	done := false
	return broker.Hold{Token: t, Fence: k.fence, Until: k.until, Done: func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if done {
			return
		}
		if done = true; l.live[x.req.Execution] != x {
			return // its end gave everything back
		}
		if k.lapsed {
			return
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
	if !l.giveUp(x, k) {
		x.late = append(x.late, k)
	}
}

func (l *leases) giveUp(x *session, k *lock) bool {
	effects, ok := l.table.Release(l.now(), x.req.Execution, k.token)
	if !ok {
		return false
	}
	l.counts.Released++
	l.tell(x.req.Execution, TokenEvent{Kind: "released", Tokens: []string{k.token.String()}})
	l.deliver(effects, "")
	return true
}

// giveLate gives back what nested sessions of x had borrowed. The caller holds mu.
func (l *leases) giveLate(x *session) {
	late := x.late
	x.late = nil
	for _, k := range late {
		if !l.giveUp(x, k) {
			x.late = append(x.late, k)
		}
	}
}
