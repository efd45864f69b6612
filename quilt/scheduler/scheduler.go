// Package scheduler decides who holds which token and who waits for whom. It is
// pure: time is handed in, everything that happens comes back as effects, and
// the same calls give the same effects. It reads no clock, disk, network or
// randomness, starts no goroutine and has no locks; its one owner calls it from
// one goroutine. Fencing writes, ending containers and checking authority are
// its callers' business.
//
// A session's first request is all-or-nothing and holds nothing while it waits,
// in the order (class, arrival), and no later incompatible request overtakes
// it. A session that holds something asks incrementally; such requests go
// before all first ones, and the one that would close a cycle is found at once.
// What can never be granted is refused at once.
package scheduler

import (
	"time"

	"github.com/ariacomputecompany/firmware/token"
)

// Class orders waiting first requests.
type Class uint8

const (
	System Class = iota
	Interactive
	Normal
	Batch
)

const classes = int(Batch) + 1

func (c Class) String() string {
	return [classes]string{"system", "interactive", "normal", "batch"}[c]
}

// Config of a scheduler. The zero Config is usable.
type Config struct {
	// Pools are counted resources: "slot", "mem", "gpu", "llm/openai",
	// "llm/openai/gpt4" to units. A token takes its units from every pool on the
	// way from its path to its scheme. A model, tool or agent without a pool is
	// not limited; a gpu, cpu, mem or slot without one can never be had.
	Pools map[string]int64
	// Epoch is the high part of every fence and must rise with every start.
	// At most 24 bits.
	Epoch uint64
	// MaxWaiting bounds the queue of one tenant; 0 is 10,000.
	MaxWaiting int
	// MaxTokens bounds one request; 0 is 256.
	MaxTokens int
}

// Request asks for tokens. The zero Class is System: set it.
type Request struct {
	Session  string        // first use opens the session
	Tokens   []token.Token // all or none; what the session holds already is free
	Tenant   string
	Class    Class
	Cost     int64     // work done so far, any rising measure: the cheapest is the victim of a deadlock
	Deadline time.Time // of the wait; zero is for ever
}

// Scheduler is the table of holders and waiters.
type Scheduler struct {
	cfg       Config
	nodes     map[string]*node
	sessions  map[string]*session
	waiting   map[string]int // by tenant
	deadlines waitHeap
	ticket    uint64
	fence     uint64
	mark      uint64
	work      []*node  // touched, to be looked at
	out       []Effect // of the call that runs
}

// session is who holds and waits. It has at most one request waiting.
type session struct {
	id      string
	order   uint64 // of opening
	tenant  string
	class   Class
	cost    int64
	defeats int
	held    []*hold
	tokens  []token.Token // granted, in order of grants
	fence   uint64
	since   time.Time // of the first grant
	pending *request
	mark    uint64
}

// New makes an empty table.
func New(cfg Config) *Scheduler {
	if cfg.MaxWaiting == 0 {
		cfg.MaxWaiting = 10_000
	}
	if cfg.MaxTokens == 0 {
		cfg.MaxTokens = 256
	}
	return &Scheduler{
		cfg: cfg, fence: cfg.Epoch << 40,
		nodes: map[string]*node{}, sessions: map[string]*session{}, waiting: map[string]int{},
	}
}

// Submit asks. The effects hold exactly one of Granted, Queued and Refused for
// the request; after Queued exactly one of Granted and Refused comes with a
// later call. Other sessions' effects can come with it.
func (s *Scheduler) Submit(now time.Time, r Request) []Effect {
	x, opened := s.sessions[r.Session], false
	if x == nil {
		s.ticket++
		x, opened = &session{id: r.Session, order: s.ticket, tenant: r.Tenant, class: r.Class}, true
		s.sessions[r.Session] = x
	}
	if x.pending != nil {
		return []Effect{Refused{Session: r.Session, Reason: Busy}}
	}
	x.cost = r.Cost
	s.ticket++
	q := &request{ticket: s.ticket, s: x, tokens: r.Tokens, since: now, rank: 1 + int(r.Class)}
	if len(x.held) > 0 {
		q.rank = 0
	}
	if no := s.admit(q, r); no != nil {
		s.forget(q)
		if opened {
			delete(s.sessions, r.Session)
		}
		return []Effect{*no}
	}
	blocked := s.try(q)
	if blocked < 0 {
		s.grant(q, now)
		return s.effects()
	}
	s.enqueue(q, blocked, r.Deadline)
	position := q.entries[blocked].position()
	if q.rank == 0 {
		s.breakCycles(x, now)
	}
	if x.pending == q {
		w := q.explain(position)
		s.out = append(s.out, Queued{Session: x.id, WaitsFor: w.WaitsFor, HeldBy: w.HeldBy, Behind: w.Behind, Position: position})
	}
	return s.effects()
}

// admit fills in the claims or says why the request can never wait here.
func (s *Scheduler) admit(q *request, r Request) *Refused {
	if len(r.Tokens) > s.cfg.MaxTokens {
		return &Refused{Session: r.Session, Reason: TooMany}
	}
	if s.waiting[q.s.tenant] >= s.cfg.MaxWaiting {
		return &Refused{Session: r.Session, Reason: Full}
	}
	return s.expand(q)
}

// Cancel ends the waiting request of a session with Refused; it keeps what it
// holds. It has no effect when nothing waits.
func (s *Scheduler) Cancel(now time.Time, id string) []Effect {
	if x := s.sessions[id]; x != nil && x.pending != nil {
		s.drop(x, Refused{Session: id, Reason: Cancelled}, now)
	}
	return s.effects()
}

// Close ends a session: a waiting request ends with Refused, everything held
// is free. It may be called for any id, any number of times.
func (s *Scheduler) Close(now time.Time, id string) []Effect {
	x := s.sessions[id]
	if x == nil {
		return nil
	}
	delete(s.sessions, id)
	if q := x.pending; q != nil {
		s.unqueue(q)
		s.out = append(s.out, Refused{Session: id, Reason: Closed})
	}
	for _, h := range x.held {
		h.leave()
		s.touch(h.n)
		s.release(h.n)
	}
	x.held = nil
	s.drain(now)
	return s.effects()
}

// Tick ends the requests whose deadline is not after now.
func (s *Scheduler) Tick(now time.Time) []Effect {
	for q := s.deadlines.top(); q != nil && !q.deadline.After(now); q = s.deadlines.top() {
		s.drop(q.s, Refused{Session: q.s.id, Reason: Timeout}, now)
	}
	return s.effects()
}

// NextDeadline is when Tick has something to do next.
func (s *Scheduler) NextDeadline() (time.Time, bool) {
	if q := s.deadlines.top(); q != nil {
		return q.deadline, true
	}
	return time.Time{}, false
}

// drop ends x's waiting request with e.
func (s *Scheduler) drop(x *session, e Refused, now time.Time) {
	s.unqueue(x.pending)
	s.out = append(s.out, e)
	if x.fence == 0 { // it was never granted anything
		delete(s.sessions, x.id)
	}
	s.drain(now)
}

func (s *Scheduler) effects() []Effect {
	out := s.out
	s.out = nil
	return out
}
