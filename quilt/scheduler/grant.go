package scheduler

import (
	"time"

	"github.com/ariacomputecompany/firmware/token"
)

// compatible in both directions: neither would keep the other out.
func bothWays(a, b token.Mode) bool { return token.Compatible(a, b) && token.Compatible(b, a) }

// ok: the claim fits beside all other holders, and no earlier waiter asks here
// for what conflicts.
func (e *entry) ok() bool {
	n := e.n
	if n.pool {
		need := e.units - e.borrowable()
		return need <= 0 || n.used+need <= n.cap && !e.behind(units)
	}
	if !e.fits() {
		return false
	}
	if e.covered() {
		return true
	}
	for g := range token.Modes {
		if !bothWays(token.Mode(g), e.want) && e.behind(g) {
			return false
		}
	}
	return true
}

// fits: the lock goes with those of all others but the session's ancestors.
func (e *entry) fits() bool {
	x := e.q.s
	own := x.on(e.n)
	if own != nil && own.mode == e.want {
		return true
	}
	for g := range token.Modes {
		if e.n.holders[g].n == 0 || token.Compatible(token.Mode(g), e.want) {
			continue
		}
		others := e.n.holders[g].n
		for y := x; y != nil; y = y.parent() {
			if h := y.on(e.n); h != nil && int(h.mode) == g {
				others--
			}
		}
		if others > 0 {
			return false
		}
	}
	return true
}

// covered: the session or one that waits for it holds as much already, so
// nobody who waits has a better claim.
func (e *entry) covered() bool {
	for y := e.q.s; y != nil; y = y.parent() {
		if h := y.on(e.n); h != nil && token.Sup(h.mode, e.want) == h.mode {
			return true
		}
	}
	return false
}

// borrowable are the units that ancestors hold and do not use while they wait.
func (e *entry) borrowable() (n int64) {
	for y := e.q.s.parent(); y != nil; y = y.parent() {
		if h := y.on(e.n); h != nil {
			n += h.units - h.lent
		}
	}
	return min(n, e.units)
}

// behind: somebody waits here in queue g whose turn comes before e's.
func (e *entry) behind(g int) bool {
	for r := range int(e.q.rank) {
		if here := e.n.queues[r]; here != nil && here.waiting[g].head != nil {
			return true
		}
	}
	here := e.n.queues[e.q.rank]
	if here == nil {
		return false
	}
	head := here.waiting[g].head
	return head != nil && head.q != e.q && head.q.before(e.q)
}

// try finds the first claim that cannot be had, or -1.
func (s *Scheduler) try(q *request) int {
	for i := range q.entries {
		if !q.entries[i].ok() {
			return i
		}
	}
	return -1
}

// grant gives q everything it asked for.
func (s *Scheduler) grant(q *request, now int64) {
	x := q.s
	if x.pending == q {
		s.leaveQueue(q)
		x.tenant.paced(now)
	}
	if x.family.waits() {
		s.hastened = append(s.hastened, x)
	}
	s.virtual = max(s.virtual, q.tag)
	s.fence++
	if x.fence == 0 {
		x.since = now
	}
	x.fence = s.fence
	for _, t := range q.tokens {
		if !q.late(t) {
			x.tokens = append(x.tokens, t)
			x.tenant.held++
		}
	}
	for i := range q.entries {
		s.take(&q.entries[i])
	}
	s.out = append(s.out, Granted{Session: x.id, Fence: s.fence, Waited: time.Duration(now - q.since)})
}

func (s *Scheduler) take(e *entry) {
	x := e.q.s
	h := x.on(e.n)
	if h != nil {
		h.leave()
	} else {
		h = s.spare.hold(x, e.n)
		e.n.refs++
		x.held = append(x.held, h)
	}
	h.mode = e.want
	need := e.units
	for y := x.parent(); y != nil && need > 0; y = y.parent() {
		if l := y.on(e.n); l != nil && l.units > l.lent {
			n := min(need, l.units-l.lent)
			l.lent += n
			h.loans = append(h.loans, loan{l, n})
			need -= n
		}
	}
	h.units += need
	h.enter()
}

// enqueue makes x's request wait; blocked is its first failing claim. What
// waits is as small as can be: there may be very many.
func (s *Scheduler) enqueue(scratch *request, blocked int, deadline time.Time) *request {
	q := &request{}
	*q = *scratch
	q.entries = make([]entry, len(scratch.entries))
	copy(q.entries, scratch.entries)
	clear(scratch.entries)
	*scratch = request{entries: scratch.entries[:0]}
	s.spare.requests = append(s.spare.requests, scratch)

	q.s.pending = q
	q.s.tenant.waiting++
	for i := range q.entries {
		q.entries[i].q = q
		q.entries[i].enter()
	}
	q.park(blocked)
	if q.aged = q.since; q.ages() {
		s.ageing[q.rank].push(q)
	}
	if !deadline.IsZero() {
		q.deadline = deadline.UnixNano()
		s.deadlines.push(mark{q: q})
	}
	return q
}

func (q *request) park(i int) {
	e := &q.entries[i]
	q.parks++
	q.at = int16(i)
	e.n.queues[q.rank].parked[e.index()].push(mark{q: q, parks: q.parks})
}

// leaveQueue takes q out of all queues; who stood behind it is looked at again.
func (s *Scheduler) leaveQueue(q *request) {
	if q.ages() {
		s.ageing[q.rank].drop(q)
	}
	q.s.pending = nil
	q.s.tenant.waiting--
	for i := range q.entries {
		q.entries[i].leave()
		s.touch(q.entries[i].n)
	}
}

// unqueue ends q without a grant.
func (s *Scheduler) unqueue(q *request) {
	s.leaveQueue(q)
	s.discard(q)
}

func (s *Scheduler) touch(n *node) {
	if !n.dirty && n.queues != [ranks]*queue{} {
		n.dirty = true
		s.work = append(s.work, n)
	}
}

// drain looks at touched nodes until nothing more can be granted.
func (s *Scheduler) drain(now int64) {
	s.drainNodes(now)
	for len(s.hastened) > 0 {
		x := s.hastened[0]
		s.hastened = s.hastened[1:]
		if s.sessions[x.id] == x {
			s.hasten(x)
		}
		s.drainNodes(now)
	}
}

// hasten looks after those who wait when x, which waits for nested sessions, got
// something in another branch. Nested sessions that asked when nobody above them
// held anything ask incrementally from here on: behind others' first requests
// they could wait for ever. And a grant to one that waits itself may close a
// cycle, of nested sessions or of who wants the same units.
func (s *Scheduler) hasten(x *session) {
	var wait []*session
	x.below(func(y *session) {
		if y.pending == nil {
			return
		}
		if y.pending.rank > 0 {
			s.incremental(y.pending)
		}
		wait = append(wait, y)
	})
	for _, h := range x.held {
		if here := h.n.queues[0]; h.n.pool && here != nil {
			for e := here.waiting[units].head; e != nil; e = e.next {
				wait = append(wait, e.q.s)
			}
		}
	}
	for _, y := range wait {
		s.breakCycles(y)
	}
}

// incremental makes a waiting first request one of rank 0. It becomes another
// request, for marks of the old one lie in heaps by its turn.
func (s *Scheduler) incremental(old *request) {
	if old.ages() {
		s.ageing[old.rank].drop(old)
	}
	for i := range old.entries {
		old.entries[i].leave()
		s.touch(old.entries[i].n)
	}
	q := &request{}
	*q = *old
	q.rank, q.tag, old.entries = 0, 0, nil
	q.s.pending = q
	for i := range q.entries {
		q.entries[i].q = q
		q.entries[i].enter()
	}
	q.park(int(q.at))
	s.touch(q.entries[q.at].n)
	if q.deadline != 0 {
		s.deadlines.push(mark{q: q})
	}
}

func (s *Scheduler) drainNodes(now int64) {
	for i := 0; i < len(s.work); i++ {
		n := s.work[i]
		n.dirty = false
		s.wakeIncremental(n, now)
		for r := 1; r < ranks; r++ {
			s.wake(n, r, now)
		}
	}
	clear(s.work)
	s.work = s.work[:0]
}

// wakeIncremental tries all of rank 0 that are parked at n: what each holds
// already differs, so one blocked says nothing about the next.
func (s *Scheduler) wakeIncremental(n *node, now int64) {
	var again []*request
	for {
		q, g := n.first(0, nil)
		if q == nil {
			break
		}
		n.queues[0].parked[g].pop()
		if i := s.try(q); i < 0 {
			s.settle(q, now)
		} else if q.entries[i].n != n {
			q.park(i)
		} else {
			again = append(again, q)
		}
	}
	for _, q := range again {
		if i := s.try(q); i >= 0 {
			q.park(i)
		} else {
			s.settle(q, now)
		}
	}
}

// settle grants a request that waited.
func (s *Scheduler) settle(q *request, now int64) {
	s.grant(q, now)
	s.discard(q)
}

// wake tries the first requests parked at n. Where the first of a mode stays
// blocked here, all later ones of that mode are blocked here as well.
func (s *Scheduler) wake(n *node, rank int, now int64) {
	var blocked [token.Modes + 1]bool
	for {
		q, g := n.first(rank, &blocked)
		if q == nil {
			return
		}
		i := s.try(q)
		if i >= 0 && q.entries[i].n == n {
			blocked[g] = true
			continue
		}
		n.queues[rank].parked[g].pop()
		if i < 0 {
			s.settle(q, now)
		} else {
			q.park(i)
		}
	}
}

// first is the earliest request parked at n whose mode is not skipped.
func (n *node) first(rank int, skip *[token.Modes + 1]bool) (best *request, g int) {
	here := n.queues[rank]
	if here == nil {
		return nil, 0
	}
	for i := range here.parked {
		if skip != nil && skip[i] {
			continue
		}
		if q := here.parked[i].top(); q != nil && (best == nil || q.before(best)) {
			best, g = q, i
		}
	}
	return best, g
}
