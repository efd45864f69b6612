package scheduler

import "slices"

// family ties a nested execution to the one that waits for it.
type family struct {
	parent   *session
	children []*session
}

// waits: a session with children counts as waiting for them, though another
// branch of it may still ask for something or give something back.
func (f *family) waits() bool { return f != nil && len(f.children) > 0 }

func (x *session) parent() *session {
	if x.family == nil {
		return nil
	}
	return x.family.parent
}

// descends: y waits, directly or not, for x to end.
func (x *session) descends(y *session) bool {
	for p := x.parent(); p != nil; p = p.parent() {
		if p == y {
			return true
		}
	}
	return false
}

// familyHolds: x or one of those that wait for it holds something.
func (x *session) familyHolds() bool {
	for ; x != nil; x = x.parent() {
		if len(x.held) > 0 {
			return true
		}
	}
	return false
}

// below calls f for every session that x waits for as its ancestor.
func (x *session) below(f func(*session)) {
	if x.family == nil {
		return
	}
	for _, c := range x.family.children {
		f(c)
		c.below(f)
	}
}

// open makes the session; nil if its parent is not there.
func (s *Scheduler) open(r Request) *session {
	var parent *session
	if r.Parent != "" {
		parent = s.sessions[r.Parent]
		if parent == nil || parent.tenant.name != r.Tenant {
			return nil
		}
	}
	s.ticket++
	x := s.spare.session()
	x.id, x.order, x.tenant = r.Session, s.ticket, s.tenant(r.Tenant)
	x.class, x.urgency, x.preempt = r.Class, r.Class, r.Preemptible
	x.tenant.sessions++
	s.sessions[x.id] = x
	if parent != nil {
		if parent.family == nil {
			parent.family = &family{}
		}
		parent.family.children = append(parent.family.children, x)
		x.family = &family{parent: parent}
	}
	return x
}

// end forgets a session that holds nothing and does not wait.
func (s *Scheduler) end(x *session) {
	delete(s.sessions, x.id)
	x.tenant.sessions--
	x.tenant.held -= len(x.tokens)
	if p := x.parent(); p != nil {
		i := slices.Index(p.family.children, x)
		p.family.children = slices.Delete(p.family.children, i, i+1)
	}
	s.spare.keep(x)
}

// spares are ended objects that the next grants use again: on the fast path
// nothing is allocated but the effect. A request that ever waited is not used
// again, for marks in heaps may still point to it.
type spares struct {
	sessions []*session
	requests []*request
	holds    []*hold
}

const spareMax = 1024

func (p *spares) session() *session {
	if n := len(p.sessions); n > 0 {
		x := p.sessions[n-1]
		p.sessions = p.sessions[:n-1]
		return x
	}
	return &session{}
}

func (p *spares) keep(x *session) {
	if len(p.sessions) >= spareMax || cap(x.held) > 64 || cap(x.tokens) > 64 {
		return
	}
	clear(x.held[:cap(x.held)])
	clear(x.tokens[:cap(x.tokens)])
	*x = session{held: x.held[:0], tokens: x.tokens[:0]}
	p.sessions = append(p.sessions, x)
}

func (p *spares) request() *request {
	if n := len(p.requests); n > 0 {
		q := p.requests[n-1]
		p.requests = p.requests[:n-1]
		return q
	}
	return &request{}
}

func (p *spares) hold(x *session, n *node) *hold {
	var h *hold
	if k := len(p.holds); k > 0 {
		h = p.holds[k-1]
		p.holds = p.holds[:k-1]
	} else {
		h = &hold{}
	}
	h.s, h.n = x, n
	return h
}

// discard ends a request that does not wait; its nodes stay in use only by holds.
func (s *Scheduler) discard(q *request) {
	for i := range q.entries {
		s.release(q.entries[i].n)
	}
	if q.parks > 0 || len(s.spare.requests) >= spareMax || cap(q.entries) > 64 {
		q.entries = nil
		return
	}
	clear(q.entries)
	*q = request{entries: q.entries[:0]}
	s.spare.requests = append(s.spare.requests, q)
}

// free ends a hold: its units go back to the pool and to who lent them.
func (s *Scheduler) free(h *hold) {
	h.leave()
	for _, l := range h.loans {
		l.lender.lent -= l.units
	}
	s.touch(h.n)
	s.release(h.n)
	if len(s.spare.holds) < spareMax {
		*h = hold{}
		s.spare.holds = append(s.spare.holds, h)
	}
}
