package scheduler

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/token"
)

// explainMax bounds the lists of one explanation.
const explainMax = 16

func compatibleAt(g int, e *entry) bool { return token.Compatible(token.Mode(g), e.want) }
func bothWaysAt(g int, e *entry) bool   { return bothWays(token.Mode(g), e.want) }

// Wait is one waiting request and why it waits.
type Wait struct {
	Session  string
	Tokens   []string // asked for
	WaitsFor []string // of these, those that cannot be had now
	HeldBy   []string // sessions that hold what conflicts
	Behind   []string // sessions whose turn is earlier
	Position int      // 1 is next; among those who wait at the same place
	Since    time.Time
	Deadline time.Time // zero: none
	Tenant   string
	Class    string // as aged
	Parent   string // the session that waits for this one
}

// Lease is what one session holds.
type Lease struct {
	Session string
	Tokens  []string
	Fence   uint64 // of its latest grant
	Since   time.Time
	Tenant  string
	Class   string // its own, or inherited from whom it keeps waiting
	Parent  string // the session that lends to this one
}

// WaitsFor explains the wait of a session; false if it does not wait.
func (s *Scheduler) WaitsFor(id string) (Wait, bool) {
	x := s.sessions[id]
	if x == nil || x.pending == nil {
		return Wait{}, false
	}
	return x.pending.explain(0), true
}

// Waits explains every wait, oldest first.
func (s *Scheduler) Waits() []Wait {
	var out []Wait
	for _, x := range s.byOrder() {
		if x.pending != nil {
			out = append(out, x.pending.explain(0))
		}
	}
	return out
}

// Leases lists every session that was granted something, oldest first.
func (s *Scheduler) Leases() []Lease {
	var out []Lease
	for _, x := range s.byOrder() {
		if x.fence != 0 {
			out = append(out, Lease{
				Session: x.id, Tokens: token.NewSet(x.tokens...).Strings(), Fence: x.fence, Since: time.Unix(0, x.since),
				Tenant: x.tenant.name, Class: x.urgency.String(), Parent: x.parentID(),
			})
		}
	}
	return out
}

func (s *Scheduler) byOrder() []*session {
	out := make([]*session, 0, len(s.sessions))
	for _, x := range s.sessions {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b *session) int { return cmp.Compare(a.order, b.order) })
	return out
}

// explain takes the position if it is known, for finding it is a walk.
func (q *request) explain(position int) Wait {
	const limit = explainMax
	w := Wait{
		Session: q.s.id, Since: time.Unix(0, q.since), Position: position,
		Tenant: q.s.tenant.name, Class: q.class().String(), Parent: q.s.parentID(),
	}
	if q.deadline != 0 {
		w.Deadline = time.Unix(0, q.deadline)
	}
	for _, t := range q.tokens {
		w.Tokens = append(w.Tokens, t.String())
	}
	for i := range q.entries {
		e := &q.entries[i]
		if e.ok() {
			continue
		}
		if w.Position == 0 {
			w.Position = e.place()
		}
		w.WaitsFor = addOnce(w.WaitsFor, e.token.String(), limit)
		e.holders(func(y *session) bool {
			w.HeldBy = addOnce(w.HeldBy, y.id, limit)
			return len(w.HeldBy) == limit
		})
		for r := 0; r <= int(q.rank); r++ {
			e.earlier(r, func(y *session) bool {
				w.Behind = addOnce(w.Behind, y.id, limit)
				return len(w.Behind) == limit
			})
		}
	}
	return w
}

// place counts those whose turn at this node is earlier, and the request itself.
func (e *entry) place() int {
	n := 1
	for r := 0; r <= int(e.q.rank); r++ {
		here := e.n.queues[r]
		if here == nil {
			continue
		}
		for g := range here.waiting {
			for w := here.waiting[g].head; w != nil && (r < int(e.q.rank) || w.q.before(e.q)); w = w.next {
				n++
			}
		}
	}
	return n
}

func addOnce(list []string, x string, limit int) []string {
	if len(list) == limit || slices.Contains(list, x) {
		return list
	}
	return append(list, x)
}

func (x *session) parentID() string {
	if p := x.parent(); p != nil {
		return p.id
	}
	return ""
}

func (q *request) class() Class {
	if q.rank == 0 {
		return q.s.urgency
	}
	return Class(q.rank - 1)
}

// Pool is how much of a counted resource is in use.
type Pool struct {
	Path, Tenant string // Tenant is "" for what all share
	Capacity     int64
	Used         int64
	Waiting      int // requests that have a claim on it
}

// Pools lists those that somebody holds, waits for, or lately asked for.
func (s *Scheduler) Pools() []Pool {
	var out []Pool
	for key, n := range s.nodes {
		if !n.pool {
			continue
		}
		p := Pool{Path: key[1:], Capacity: n.cap, Used: n.used}
		if name, path, ok := strings.Cut(p.Path, "\x00"); ok {
			p.Tenant, p.Path = name, path
		}
		for _, here := range n.queues {
			if here != nil {
				p.Waiting += here.count
			}
		}
		out = append(out, p)
	}
	return out
}

// Waiting is how many requests wait.
func (s *Scheduler) Waiting() (n int) {
	for _, t := range s.tenants {
		n += t.waiting
	}
	return n
}
