package engine

import (
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
	"github.com/ariacomputecompany/firmware/token"
)

// restore makes the session of an execution that had lease and locks in another
// engine. Its authority was checked there; a caller that is not here any more,
// because it was a session of a process that lost its stream, bounds and lends
// nothing more. The locks keep their fences; each stays its own until the service
// that took it gives it up (reuse), or it ends: nobody else may believe to be
// first. False if they cannot be had. shown is the fence in the table.
func (l *leases) restore(req checked, lease Lease, shown uint64, locks []*lock) (Lease, bool) {
	l.mu.Lock()
	if l.live[req.Standing.Parent] == nil {
		req.Standing.Parent = ""
	}
	x := &session{req: req, turn: make(chan struct{}, 1), asked: req.tokens, revoke: req.revoke, fence: lease.Fence}
	if l.adopt(x) != nil {
		l.mu.Unlock()
		return lease, false
	}
	for _, t := range req.tokens {
		if ttl := t.Params().TTL; !t.OnUse() && (ttl == 0 || time.Since(lease.Since) < ttl) {
			x.lease = append(x.lease, t)
		}
	}
	shown = max(shown, lease.Fence)
	ok := l.table.Restore(l.now(), l.request(x, x.lease, false), shown, lease.Since)
	for _, k := range locks {
		ok = ok && l.table.Restore(l.now(), l.request(x, token.Set{k.token}, true), shown, lease.Since)
		if k.users == 0 {
			x.late = append(x.late, k)
			continue
		}
		x.locks = append(x.locks, k)
		if !k.until.IsZero() {
			l.lapses(x, k, k.until)
		}
	}
	if !ok {
		l.mu.Unlock()
		return lease, false
	}
	l.live[req.Execution] = x
	l.mu.Unlock()
	again := l.begun(req.Execution, lease.Fence, lease.Since)
	again.ID, again.Since = lease.ID, lease.Since
	return again, true
}

// reopen asks again for an execution that waited in another engine, since then.
func (l *leases) reopen(req checked, since time.Time) <-chan scheduler.Effect {
	if _, ok := l.session(req.Standing.Parent); !ok {
		req.Standing.Parent = ""
	}
	answer, _, err := l.open(req)
	if err != nil {
		l.refused(&req, err)
		never := make(chan scheduler.Effect, 1)
		never <- scheduler.Refused{Session: req.Execution, Reason: scheduler.Orphan}
		return never
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.table.Rewait(req.Execution, since)
	return answer
}

// carriedLock is a lock between two engines.
type carriedLock struct {
	Token string
	Fence uint64
	Until time.Time `json:",omitzero"`
	Late  bool      `json:",omitempty"` // nobody uses it, but nested ones use its units
}

// locked lists what an execution holds beside its lease.
func (l *leases) locked(execution string) (out []carriedLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.live[execution]
	if x == nil {
		return nil
	}
	for i, k := range slices.Concat(x.locks, x.late) {
		out = append(out, carriedLock{k.token.String(), k.fence, k.until, i >= len(x.locks)})
	}
	return out
}

// locks of an execution as they were.
func (c *Carried) locks() (out []*lock, err error) {
	for _, h := range c.Locks {
		t, err := token.Parse(h.Token)
		if err != nil {
			return nil, err
		}
		k := &lock{token: t, fence: h.Fence, users: 1, unclaimed: true, until: h.Until}
		if h.Late {
			k.users, k.unclaimed = 0, false
		}
		out = append(out, k)
	}
	return out, nil
}

// reuse is what services take their locks up with that they had in the engine
// before: the first use is the one that restore kept alive.
func (l *leases) reuse(execution string) broker.Retake {
	return func(locked token.Token, fence uint64) (broker.Hold, bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		x := l.live[execution]
		if x == nil {
			return broker.Hold{}, false
		}
		at := slices.IndexFunc(x.locks, func(k *lock) bool { return k.token == locked && k.fence == fence })
		if at < 0 {
			return broker.Hold{}, false
		}
		k := x.locks[at]
		if !k.unclaimed {
			k.users++
		}
		k.unclaimed = false
		return l.hold(x, k, k.token), true
	}
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
