package scheduler

import (
	"cmp"
	"slices"
)

// immune: a session that lost so often is chosen again only if all others on
// the cycle have lost as often.
const immune = 3

// breakCycles refuses victims until x's new incremental request is on no cycle.
// Only an incremental request can close one: whoever waits with a first request
// holds nothing. So nothing else needs a look, and no timeout is a detector.
// The caller drains.
func (s *Scheduler) breakCycles(x *session) {
	for x.pending != nil {
		cycle := s.cycle(x)
		if cycle == nil {
			return
		}
		v := victim(cycle)
		v.defeats++
		at := slices.Index(cycle, v)
		ring := append(slices.Clone(cycle[at:]), cycle[:at]...)
		s.drop(v, Refused{Session: v.id, Reason: Deadlock, Cycle: s.edges(ring)})
	}
}

// victim is the cheapest of those that wait in the queue; who waits for a nested
// session has no request to refuse.
func victim(cycle []*session) *session {
	var v *session
	for _, y := range cycle {
		if y.pending != nil && (v == nil || cheaper(y, v) < 0) {
			v = y
		}
	}
	return v
}

// cheaper orders victims: not immune, least urgent, least work done, least
// often beaten, youngest.
func cheaper(a, b *session) int {
	return cmp.Or(
		cmp.Compare(min(a.defeats/immune, 1), min(b.defeats/immune, 1)),
		-cmp.Compare(a.urgency, b.urgency),
		cmp.Compare(a.cost, b.cost),
		cmp.Compare(a.defeats, b.defeats),
		-cmp.Compare(a.order, b.order),
	)
}

// blockers calls f for each session that x waits for: conflicting holders,
// earlier incremental waiters that conflict, and with no entry nested sessions.
// It stops when f returns true.
func (x *session) blockers(f func(*entry, *session) bool) bool {
	if x.family != nil {
		for _, c := range x.family.children {
			if f(nil, c) {
				return true
			}
		}
	}
	if x.pending == nil {
		return false
	}
	for i := range x.pending.entries {
		if e := &x.pending.entries[i]; e.blockers(func(y *session) bool { return f(e, y) }) {
			return true
		}
	}
	return false
}

// blocked: x does nothing until somebody else does something.
func (x *session) blocked() bool { return x.pending != nil || x.family.waits() }

func (e *entry) blockers(f func(*session) bool) bool {
	if e.n.pool {
		return e.units > e.borrowable() && (e.holders(f) || e.earlier(0, f))
	}
	return e.holders(f) || !e.covered() && e.earlier(0, f)
}

// holders calls f for the other holders that conflict. An ancestor's lock never
// does; its units do, beyond what it lends.
func (e *entry) holders(f func(*session) bool) bool {
	x := e.q.s
	if own := x.on(e.n); !e.n.pool && own != nil && own.mode == e.want {
		return false
	}
	for g := range e.n.holders {
		if e.n.holders[g].n == 0 || !e.conflicts(g) {
			continue
		}
		for h := e.n.holders[g].head; h != nil; h = h.next {
			if h.s != x && (e.n.pool || x.family == nil || !x.descends(h.s)) && f(h.s) {
				return true
			}
		}
	}
	return false
}

// conflicts: holders in list g keep e out as long as they hold.
func (e *entry) conflicts(g int) bool {
	if e.n.pool {
		return g == units && e.n.used+e.units-e.borrowable() > e.n.cap
	}
	return g < units && !compatibleAt(g, e)
}

// earlier calls f for those of a rank that wait here before e and conflict.
func (e *entry) earlier(rank int, f func(*session) bool) bool {
	here := e.n.queues[rank]
	if here == nil || here.count == 0 {
		return false
	}
	for g := range here.waiting {
		if e.n.pool != (g == units) || g < units && bothWaysAt(g, e) {
			continue
		}
		for w := here.waiting[g].head; w != nil; w = w.next {
			if rank == int(e.q.rank) && !w.q.before(e.q) {
				break
			}
			if f(w.q.s) {
				return true
			}
		}
	}
	return false
}

// cycle is a deadlocked ring of sessions through x, each waiting for the next,
// or nil. First the blocked sessions that x can reach; a ring without pools is
// one. Else those that could run were all others done are taken away again and
// again (with counted pools a ring is necessary but not sufficient); then a ring
// through what is left.
func (s *Scheduler) cycle(x *session) []*session {
	ring := s.reach(x)
	if ring == nil || !slices.ContainsFunc(ring, (*session).pools) {
		return ring
	}
	stuck := s.mark
	for again := true; again; {
		again = false
		for _, r := range s.reached {
			if r.stuck == stuck && r.couldRun(stuck) {
				r.stuck = 0
				again = true
			}
		}
	}
	if x.stuck != stuck {
		return nil
	}
	return s.ring(x, stuck)
}

// reached is a session that a search came to, and the place in the list of the
// one that waits for it.
type reached struct {
	*session
	from int
}

// reach lists in s.reached the blocked sessions that x waits for, directly or
// not, the nearest first, and stamps them as stuck. It returns a shortest ring
// that leads back to x, or nil; a ring without pools ends the search.
func (s *Scheduler) reach(x *session) (ring []*session) {
	s.mark++
	x.stuck = s.mark
	s.reached = append(s.reached[:0], reached{x, 0})
	for i := 0; i < len(s.reached); i++ {
		if s.reached[i].blockers(func(_ *entry, z *session) bool {
			if z == x && ring == nil {
				ring = s.path(i)
				return !slices.ContainsFunc(ring, (*session).pools)
			}
			if z.stuck != s.mark && z.blocked() {
				z.stuck = s.mark
				s.reached = append(s.reached, reached{z, i})
			}
			return false
		}) {
			break
		}
	}
	return ring
}

// path is how the search came from its start to the i-th it reached.
func (s *Scheduler) path(i int) []*session {
	var out []*session
	for ; i > 0; i = s.reached[i].from {
		out = append(out, s.reached[i].session)
	}
	out = append(out, s.reached[0].session)
	slices.Reverse(out)
	return out
}

// ring walks from x within the stuck until it comes back.
func (s *Scheduler) ring(x *session, stuck uint64) []*session {
	s.mark++
	var path []*session
	var walk func(y *session) bool
	walk = func(y *session) bool {
		y.mark = s.mark
		path = append(path, y)
		if y.blockers(func(_ *entry, z *session) bool {
			return z == x || z.stuck == stuck && z.mark != s.mark && walk(z)
		}) {
			return true
		}
		path = path[:len(path)-1]
		return false
	}
	if !walk(x) {
		return nil
	}
	return path
}

// couldRun: y's request could be granted once everybody who is not stuck is done.
func (y *session) couldRun(stuck uint64) bool {
	inTheWay := func(z *session) bool { return z.stuck == stuck && z != y }
	if y.family != nil && slices.ContainsFunc(y.family.children, inTheWay) {
		return false
	}
	if y.pending == nil {
		return true
	}
	for i := range y.pending.entries {
		e := &y.pending.entries[i]
		if !e.n.pool {
			if e.blockers(inTheWay) {
				return false
			}
			continue
		}
		held := e.units - e.borrowable()
		if held <= 0 {
			continue
		}
		for h := e.n.holders[units].head; h != nil; h = h.next {
			if h.s == y || h.s.stuck == stuck {
				held += h.units
			}
		}
		if held > e.n.cap || e.earlier(0, inTheWay) {
			return false
		}
	}
	return true
}

// edges says for each session of a ring what it waits for and why.
func (s *Scheduler) edges(ring []*session) []Edge {
	out := make([]Edge, len(ring))
	for i, x := range ring {
		next := ring[(i+1)%len(ring)]
		out[i] = Edge{Session: x.id, HeldBy: next.id}
		x.blockers(func(e *entry, y *session) bool {
			if y == next && e != nil {
				out[i].Token = e.token.String()
			}
			return y == next
		})
	}
	return out
}

// pools: x waits for units of a pool, perhaps beside locks.
func (x *session) pools() bool {
	if x.pending == nil {
		return false
	}
	for i := range x.pending.entries {
		if x.pending.entries[i].n.pool {
			return true
		}
	}
	return false
}
