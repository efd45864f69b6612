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
		return n.used+e.units <= n.cap && !e.behind(units)
	}
	own := e.q.s.on(n)
	if own != nil && own.mode == e.want {
		return true
	}
	for g := range token.Modes {
		others := n.holders[g].n
		if own != nil && int(own.mode) == g {
			others--
		}
		if others > 0 && !token.Compatible(token.Mode(g), e.want) {
			return false
		}
	}
	for g := range token.Modes {
		if !bothWays(token.Mode(g), e.want) && e.behind(g) {
			return false
		}
	}
	return true
}

// behind: somebody waits here in queue g whose turn comes before e's.
func (e *entry) behind(g int) bool {
	if e.n.queues == nil {
		return false
	}
	for r := 0; r < e.q.rank; r++ {
		if e.n.waiting[r][g].head != nil {
			return true
		}
	}
	head := e.n.waiting[e.q.rank][g].head
	return head != nil && head.q.ticket < e.q.ticket
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
func (s *Scheduler) grant(q *request, now time.Time) {
	if q.queued {
		s.leaveQueue(q)
	}
	s.fence++
	x := q.s
	if x.fence == 0 {
		x.since = now
	}
	x.fence = s.fence
	x.tokens = append(x.tokens, q.tokens...)
	for i := range q.entries {
		e := &q.entries[i]
		h := x.on(e.n)
		if h != nil {
			h.leave()
			s.release(e.n) // one use for each hold
		} else {
			h = &hold{s: x, n: e.n}
			x.held = append(x.held, h)
		}
		h.mode = e.want
		h.units += e.units
		h.enter()
	}
	s.out = append(s.out, Granted{Session: x.id, Fence: s.fence, Waited: now.Sub(q.since)})
}

// enqueue makes q wait; blocked is its first failing claim.
func (s *Scheduler) enqueue(q *request, blocked int, deadline time.Time) {
	q.queued = true
	q.s.pending = q
	s.waiting[q.s.tenant]++
	for i := range q.entries {
		q.entries[i].enter()
	}
	q.park(blocked)
	if !deadline.IsZero() {
		q.deadline = deadline
		s.deadlines.push(mark{key: uint64(deadline.UnixNano()), q: q})
	}
}

func (q *request) park(i int) {
	e := &q.entries[i]
	q.parks++
	e.n.parked[q.rank][e.index()].push(mark{key: q.ticket, q: q, parks: q.parks})
}

// leaveQueue takes q out of all queues; who stood behind it is looked at again.
func (s *Scheduler) leaveQueue(q *request) {
	q.queued = false
	q.s.pending = nil
	if s.waiting[q.s.tenant]--; s.waiting[q.s.tenant] == 0 {
		delete(s.waiting, q.s.tenant)
	}
	for i := range q.entries {
		q.entries[i].leave()
		s.touch(q.entries[i].n)
	}
}

// unqueue ends q without a grant.
func (s *Scheduler) unqueue(q *request) {
	s.leaveQueue(q)
	s.forget(q)
}

func (s *Scheduler) touch(n *node) {
	if !n.dirty {
		n.dirty = true
		s.work = append(s.work, n)
	}
}

// drain looks at touched nodes until nothing more can be granted.
func (s *Scheduler) drain(now time.Time) {
	for len(s.work) > 0 {
		n := s.work[0]
		s.work = s.work[1:]
		n.dirty = false
		if n.queues == nil {
			continue
		}
		s.wakeIncremental(n, now)
		for r := 1; r < ranks; r++ {
			s.wake(n, r, now)
		}
	}
	s.work = nil
}

// wakeIncremental tries all of rank 0 that are parked at n: what each holds
// already differs, so one blocked says nothing about the next.
func (s *Scheduler) wakeIncremental(n *node, now time.Time) {
	var again []*request
	for {
		q, g := n.first(0, nil)
		if q == nil {
			break
		}
		n.parked[0][g].pop()
		if i := s.try(q); i < 0 {
			s.grant(q, now)
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
			s.grant(q, now)
		}
	}
}

// wake tries the first requests parked at n. Where the first of a mode stays
// blocked here, all later ones of that mode are blocked here as well.
func (s *Scheduler) wake(n *node, rank int, now time.Time) {
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
		n.parked[rank][g].pop()
		if i < 0 {
			s.grant(q, now)
		} else {
			q.park(i)
		}
	}
}

// first is the earliest request parked at n whose mode is not skipped.
func (n *node) first(rank int, skip *[token.Modes + 1]bool) (best *request, g int) {
	for i := range n.parked[rank] {
		if skip != nil && skip[i] {
			continue
		}
		if q := n.parked[rank][i].top(); q != nil && (best == nil || q.ticket < best.ticket) {
			best, g = q, i
		}
	}
	return best, g
}
