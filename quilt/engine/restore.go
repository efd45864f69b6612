package engine

import (
	"time"

	"github.com/ariacomputecompany/firmware/quilt/scheduler"
	"github.com/ariacomputecompany/firmware/token"
)

// restore makes the session of an execution that had lease and locks in another
// engine. Its authority was checked there; a caller that is not here any more,
// because it was a session of a process that lost its stream, bounds and lends
// nothing more. The locks stay its own until it ends: who held them for it is
// gone, and nobody else may believe to be first. False if they cannot be had.
func (l *leases) restore(req checked, lease Lease, locks token.Set) (Lease, bool) {
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
		if !t.OnUse() {
			x.lease = append(x.lease, t)
		}
	}
	if !l.table.Restore(l.now(), l.request(x, x.lease, false), lease.Fence, lease.Since) {
		l.mu.Unlock()
		return lease, false
	}
	l.live[req.Execution] = x
	for _, t := range locks {
		fence, ok := l.retake(x, t)
		if !ok {
			l.mu.Unlock()
			return lease, false
		}
		x.locks = append(x.locks, &lock{token: t, fence: x.lent(t, fence), users: 1})
	}
	l.mu.Unlock()
	again := l.begun(req.Execution, lease.Fence)
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

// retake gives x a lock it had. The caller holds mu.
func (l *leases) retake(x *session, t token.Token) (fence uint64, ok bool) {
	for _, e := range l.table.Submit(l.now(), l.request(x, token.Set{t}, true)) {
		if g, is := e.(scheduler.Granted); is && g.Session == x.req.Execution {
			return g.Fence, true
		}
	}
	return 0, false
}

// locked lists what an execution holds beside its lease.
func (l *leases) locked(execution string) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.live[execution]; x != nil {
		for _, k := range append(x.locks[:len(x.locks):len(x.locks)], x.late...) {
			out = append(out, k.token.String())
		}
	}
	return out
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
