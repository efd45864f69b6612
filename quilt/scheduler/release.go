package scheduler

import (
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/token"
)

// Release gives back some of what a session holds. False, and nothing happens,
// if it does not hold one of them or lends units of a pool; locks it lent stay
// with whom it lent them to.
func (s *Scheduler) Release(at time.Time, id string, tokens ...token.Token) ([]Effect, bool) {
	return s.exchange(at, id, tokens, nil)
}

// Downgrade holds to instead of from, which must cover it and take from the same
// pools. False as for Release.
func (s *Scheduler) Downgrade(at time.Time, id string, from, to token.Token) ([]Effect, bool) {
	if !from.Covers(to) || !weaker(from, to) {
		return nil, false
	}
	return s.exchange(at, id, []token.Token{from}, []token.Token{to})
}

// weaker: to keeps nobody out that from lets in. An atomic writer lets other
// writers in, so a reader is not weaker; and it covers nothing below itself.
func weaker(from, to token.Token) bool {
	f, t := from.Mode(), to.Mode()
	if t == token.None {
		return true
	}
	return token.Sup(f, t) == f && (f != token.IX || from.Path() == to.Path())
}

func (s *Scheduler) exchange(at time.Time, id string, out, in []token.Token) ([]Effect, bool) {
	now := s.clock(at)
	s.out = s.out[:0]
	x := s.sessions[id]
	if x == nil || slices.ContainsFunc(x.held, func(h *hold) bool { return h.lent > 0 }) {
		return nil, false
	}
	left := slices.Clone(x.tokens)
	for _, t := range out {
		i := slices.Index(left, t)
		if i < 0 {
			return nil, false
		}
		left = slices.Delete(left, i, i+1)
	}
	for i := range in {
		for _, st := range s.plan(x.tenant, &in[i]).steps {
			if st.n.pool && x.on(st.n) == nil {
				return nil, false
			}
		}
	}
	s.hold(x, append(left, in...))
	s.drain(now)
	return s.effects(), true
}

// hold makes x hold exactly these, which are no more than it holds. A request
// of x that waits keeps its place, but may now have to wait for more.
func (s *Scheduler) hold(x *session, tokens []token.Token) {
	q := x.pending
	if q != nil {
		for i := range q.entries {
			q.entries[i].leave()
			s.touch(q.entries[i].n)
		}
	}
	x.tenant.held += len(tokens) - len(x.tokens)
	x.tokens = tokens
	x.urgency = x.class
	s.shrink(x)
	// What x does not hold any more may keep its nested sessions waiting now.
	var nested []*session
	x.below(func(y *session) { nested = append(nested, y) })
	for _, y := range nested {
		if y.pending != nil && y.pending.rank == 0 {
			s.breakCycles(y)
		}
	}
	if q == nil {
		return
	}
	q.raise()
	for i := range q.entries {
		q.entries[i].enter()
	}
	if i := s.try(q); i >= 0 {
		q.park(i)
		s.breakCycles(x)
		return
	}
	q.park(0)
	s.touch(q.entries[0].n)
}

// shrink lets go of what x's tokens no longer ask for. What they ask for below a
// node that was held can always be had.
func (s *Scheduler) shrink(x *session) {
	want := &request{s: x, tokens: x.tokens, tx: true}
	s.mark++
	for i := range want.tokens {
		t := &want.tokens[i]
		for _, st := range s.plan(x.tenant, t).steps {
			s.claim(want, st, t)
		}
	}
	x.held = slices.DeleteFunc(x.held, func(h *hold) bool {
		i := slices.IndexFunc(want.entries, func(e entry) bool { return e.n == h.n })
		if i < 0 {
			s.free(h)
			return true
		}
		h.reduce(want.entries[i].mode, want.entries[i].units)
		s.touch(h.n)
		return false
	})
	for i := range want.entries {
		e := &want.entries[i]
		e.want = e.mode
		if x.on(e.n) == nil {
			s.take(e)
		}
	}
	s.discard(want)
}

// reduce lowers a hold; units borrowed go back last.
func (h *hold) reduce(mode token.Mode, total int64) {
	h.leave()
	h.mode = mode
	var borrowed int64
	for _, l := range h.loans {
		borrowed += l.units
	}
	h.units = max(0, min(h.units, total-borrowed))
	for i := range h.loans {
		l := &h.loans[i]
		back := min(max(0, borrowed-total), l.units)
		l.units -= back
		l.lender.lent -= back
		borrowed -= back
	}
	h.enter()
}
