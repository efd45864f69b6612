package scheduler

import (
	"time"

	"github.com/ariacomputecompany/firmware/token"
)

// Tenant is one tenant's terms. Zero fields are the defaults of Config.
type Tenant struct {
	Weight     int              // of its share of the pools beside others; 0 is 1
	MaxWaiting int              // requests
	MaxHeld    int              // tokens
	Pools      map[string]int64 // at most so many units of a pool at once
}

func (t Tenant) maxWaiting(cfg Config) int {
	if t.MaxWaiting > 0 {
		return t.MaxWaiting
	}
	return cfg.MaxWaiting
}

func (t Tenant) maxHeld(cfg Config) int {
	if t.MaxHeld > 0 {
		return t.MaxHeld
	}
	return cfg.MaxHeld
}

// tenant is what the table knows of one tenant while it has sessions, and a
// while longer.
type tenant struct {
	name     string
	terms    Tenant
	sessions int
	waiting  int
	held     int    // tokens
	finish   uint64 // virtual time at which all it asked for so far has had its turn
	pace     time.Duration
	last     int64 // when a waiting request of it was granted
	plans    map[string]*plan
}

// Bounds of what is kept for speed.
const (
	tenantsMax = 1024
	plansMax   = 1024 // of one tenant
)

func (s *Scheduler) tenant(name string) *tenant {
	if t := s.tenants[name]; t != nil {
		return t
	}
	if len(s.tenants) >= tenantsMax {
		for name, t := range s.tenants {
			if t.sessions == 0 {
				s.forgetPlans(t)
				delete(s.tenants, name)
			}
		}
	}
	t := &tenant{name: name, terms: s.cfg.terms(name), plans: map[string]*plan{}}
	s.tenants[name] = t
	return t
}

// shareUnit is what a request for a whole pool costs a tenant of weight 1.
const shareUnit = 1 << 32

// tag gives a first request its place among all tenants: start-time fair
// queueing on the dominant share. A tenant's requests are spaced by the largest
// part of a pool each asks for, over its weight; the clock is the tag last
// granted of those that took from a pool. Who asked for less than its share so
// far comes first. What asks for no pool costs nothing and moves no clock: it is
// granted however far ahead its tenant's tags are. The time a unit is held does not count.
func (s *Scheduler) tag(q *request) {
	t := q.s.tenant
	q.tag = max(s.virtual, t.finish)
	var share uint64
	for i := range q.entries {
		if e := &q.entries[i]; e.n.pool && e.n.cap > 0 {
			share = max(share, uint64(float64(e.units)/float64(e.n.cap)*shareUnit))
		}
	}
	q.shares = share > 0
	t.finish = q.tag + share/uint64(max(t.terms.Weight, 1))
}

// paced notes that a waiting request was granted.
func (t *tenant) paced(now int64) {
	if t.last != 0 {
		t.pace += (time.Duration(now-t.last) - t.pace) / 8
	}
	t.last = now
}

// retryAfter guesses when a quarter of the queue will have moved.
func (t *tenant) retryAfter() time.Duration {
	return min(max(t.pace*time.Duration(t.waiting/4+1), 100*time.Millisecond), time.Minute)
}

// Reconfigure sets pools, tenants and bounds anew. Nobody loses what it holds:
// a pool that shrank is overdrawn until enough came back. Epoch is not changed.
// A waiting request that can never be granted any more is refused.
func (s *Scheduler) Reconfigure(at time.Time, cfg Config) []Effect {
	now := s.clock(at)
	s.out = s.out[:0]
	s.cfg = cfg.withDefaults()
	for _, t := range s.tenants {
		t.terms = s.cfg.terms(t.name)
		s.forgetPlans(t)
	}
	for _, n := range s.nodes {
		if n.pool {
			n.cap = s.capacity(n.key)
		}
		s.touch(n)
	}
	for _, x := range s.byOrder() {
		if x.pending == nil {
			continue
		}
		if e := x.pending.never(); e != nil {
			s.drop(x, Refused{Session: x.id, Reason: Never, Token: e.token.String()})
		}
	}
	s.drain(now)
	return s.effects()
}

// shared: the machine has these once, whatever the tenant.
func shared(t token.Token) bool {
	switch t.Scheme() {
	case "gpu", "cpu", "mem", "slot":
		return true
	}
	return false
}
