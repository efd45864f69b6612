package engine

import (
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/token"
)

// ttl= bounds how long a token is had. One that is locked on use (hold=tx) is given
// back so long after each lock was taken; every other so long after the lease was
// granted: then it allows nothing any more, and what it locked is free. What an
// execution may use ends no later than what its caller may.

// bound notes when x's tokens end, which has them since a time. The caller holds mu.
func (l *leases) bound(x *session, since time.Time) {
	x.ends = map[token.Token]time.Time{}
	for _, t := range x.req.tokens {
		end := x.callersEnd(t)
		if ttl := t.Params().TTL; ttl > 0 && !t.HoldsTx() {
			end = sooner(end, since.Add(ttl))
		}
		if end.IsZero() {
			continue
		}
		x.ends[t] = end
		x.timers = append(x.timers, time.AfterFunc(time.Until(end), func() { l.expire(x, t) }))
	}
}

// callersEnd is when the last token ends by which x's caller may let it use t; zero:
// one of them does not end, or there is no caller.
func (x *session) callersEnd(t token.Token) (last time.Time) {
	if x.parent == nil {
		return last
	}
	for _, p := range x.parent.req.tokens {
		if !p.Covers(t) {
			continue
		}
		end := x.parent.ends[p]
		if end.IsZero() {
			return end
		}
		if end.After(last) {
			last = end
		}
	}
	return last
}

// sooner of two ends, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// expire gives back what one token of x's lease locked.
func (l *leases) expire(x *session, t token.Token) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live[x.req.Execution] != x {
		return
	}
	l.tell(x.req.Execution, TokenEvent{Kind: "expired", Tokens: []string{t.String()}, Reason: "its ttl is over"})
	at := slices.Index(x.lease, t)
	if at < 0 {
		return
	}
	x.lease = slices.Delete(x.lease, at, at+1)
	if k := (&lock{token: t, fence: x.fence}); !l.giveUp(x, k) {
		x.late = append(x.late, k)
	}
}

// ends is when the tokens of an execution end.
func (l *leases) ends(execution string) func(token.Token) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.live[execution]
	if x == nil || len(x.ends) == 0 {
		return nil
	}
	return func(t token.Token) time.Time { return x.ends[t] } // never changed after bound
}

// ttlOf is how long x may keep a lock of t.
func (x *session) ttlOf(t token.Token) time.Duration {
	for _, own := range x.req.tokens {
		if own.HoldsTx() && own.Covers(t) {
			return own.Params().TTL
		}
	}
	return 0
}

// lapses takes a lock away from x at a time, whoever uses it. The caller holds mu.
func (l *leases) lapses(x *session, k *lock, until time.Time) {
	k.until = until
	x.timers = append(x.timers, time.AfterFunc(time.Until(until), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.live[x.req.Execution] != x || !slices.Contains(x.locks, k) {
			return
		}
		k.lapsed = true
		l.tell(x.req.Execution, TokenEvent{Kind: "expired", Tokens: []string{k.token.String()}, Reason: "its ttl is over"})
		l.giveBack(x, k)
	}))
}

// unbind ends the timers of one that has ended. The caller holds mu.
func (x *session) unbind() {
	for _, t := range x.timers {
		t.Stop()
	}
}
