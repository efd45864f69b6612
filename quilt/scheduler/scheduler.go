// Package scheduler decides who holds which token and who waits for whom. It is
// pure: time is handed in, everything that happens comes back as effects, and
// the same calls give the same effects. It reads no clock, disk, network or
// randomness, starts no goroutine and has no locks; its one owner calls it from
// one goroutine. Fencing writes, ending containers and checking authority are
// its callers' business.
//
// Every tenant has a tree of its own; only what the machine has once (gpu, cpu,
// mem, slot) and the configured pools are shared. A session's first request is
// all-or-nothing and holds nothing while it waits, in the order (class, fair
// tag, arrival), and no later incompatible request overtakes it. A session that
// holds something asks incrementally; such requests go before all first ones,
// and the one that would close a cycle is found at once. What can never be
// granted is refused at once.
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
	// Tenants are those with terms of their own; all others have Tenant{}.
	Tenants map[string]Tenant
	// Epoch is the high part of every fence and must rise with every start.
	// At most 24 bits.
	Epoch uint64
	// MaxWaiting bounds the queue of one tenant; 0 is 10,000.
	MaxWaiting int
	// MaxHeld bounds the tokens one tenant holds; 0 is 10,000.
	MaxHeld int
	// MaxTokens bounds one request; 0 is 256.
	MaxTokens int
	// AgeAfter is how long a first request waits for one class more; 0 is 30 s.
	AgeAfter time.Duration
}

// Request asks for tokens. The zero Class is System: set it.
type Request struct {
	Session     string        // first use opens the session
	Parent      string        // of a new session: it waits for this one to end, whatever else it asks for, and lends it what it holds
	Tokens      []token.Token // all or none; what the session holds already is free
	Tenant      string
	Class       Class
	Cost        int64     // work done so far, any rising measure: the cheapest is the victim of a deadlock
	Deadline    time.Time // of the wait; zero is for ever
	Preemptible bool      // more urgent ones may ask to have it ended
	Tx          bool      // inside a transaction: tokens with hold=tx are locked now, else they are not
}

// Scheduler is the table of holders and waiters.
type Scheduler struct {
	cfg       Config
	nodes     map[string]*node
	sessions  map[string]*session
	tenants   map[string]*tenant
	deadlines waitHeap
	ageing    [ranks]ageList
	now       int64 // the latest time seen; it never goes back
	virtual   uint64
	ticket    uint64
	fence     uint64
	mark      uint64
	work      []*node    // touched, to be looked at
	hastened  []*session // whose nested sessions are to go before first requests
	out       []Effect   // of the call that runs
	reached   []reached
	spare     spares
}

// session is who holds and waits. It has at most one request waiting.
type session struct {
	id      string
	order   uint64 // of opening
	tenant  *tenant
	family  *family // nil: neither parent nor children
	cost    int64
	held    []*hold
	tokens  []token.Token // granted, in order of grants
	fence   uint64
	since   int64 // of the first grant
	pending *request
	mark    uint64
	stuck   uint64 // stamp of the search that found it blocked
	defeats int32
	class   Class
	urgency Class // its class, or that of the most urgent one it keeps waiting
	preempt bool
	revoked bool // it was asked to go
}

// New makes an empty table.
func New(cfg Config) *Scheduler {
	s := &Scheduler{fence: cfg.Epoch << 40, nodes: map[string]*node{}, sessions: map[string]*session{}, tenants: map[string]*tenant{}}
	s.deadlines.byDeadline = true
	s.cfg = cfg.withDefaults()
	return s
}

func (cfg Config) withDefaults() Config {
	if cfg.MaxWaiting == 0 {
		cfg.MaxWaiting = 10_000
	}
	if cfg.MaxHeld == 0 {
		cfg.MaxHeld = 10_000
	}
	if cfg.MaxTokens == 0 {
		cfg.MaxTokens = 256
	}
	if cfg.AgeAfter == 0 {
		cfg.AgeAfter = 30 * time.Second
	}
	return cfg
}

// clock: a clock that jumps back stands still here.
func (s *Scheduler) clock(now time.Time) int64 {
	s.now = max(s.now, now.UnixNano())
	return s.now
}

// Submit asks. The effects hold exactly one of Granted, Queued and Refused for
// the request; after Queued exactly one of Granted and Refused comes with a
// later call. Other sessions' effects can come with it. Effects are valid until
// the next call.
func (s *Scheduler) Submit(at time.Time, r Request) []Effect {
	now := s.clock(at)
	s.out = s.out[:0]
	x := s.sessions[r.Session]
	if x != nil && x.pending != nil {
		return s.one(Refused{Session: r.Session, Reason: Busy})
	}
	if len(r.Tokens) > s.cfg.MaxTokens {
		return s.one(Refused{Session: r.Session, Reason: TooMany})
	}
	opened := x == nil
	if opened {
		if x = s.open(r); x == nil {
			return s.one(Refused{Session: r.Session, Reason: Orphan})
		}
	}
	x.cost = r.Cost
	q := s.request(x, r, now)
	if no := s.admit(q, r); no != nil {
		s.discard(q)
		if opened || x.fence == 0 && !x.family.waits() {
			s.end(x)
		}
		return s.one(*no)
	}
	blocked := s.try(q)
	if blocked < 0 {
		s.grant(q, now)
		s.discard(q)
		s.drain(now)
		return s.effects()
	}
	q = s.enqueue(q, blocked, r.Deadline)
	s.press(x)
	position := q.entries[blocked].position()
	if q.rank == 0 {
		s.breakCycles(x)
		s.drain(now)
	}
	if x.pending == q {
		w := q.explain(position)
		s.out = append(s.out, Queued{Session: x.id, WaitsFor: w.WaitsFor, HeldBy: w.HeldBy, Behind: w.Behind, Position: position})
	}
	return s.effects()
}

// request makes x's request: incremental if x or an ancestor holds something.
func (s *Scheduler) request(x *session, r Request, now int64) *request {
	s.ticket++
	q := s.spare.request()
	q.ticket, q.s, q.tokens, q.since, q.tx = s.ticket, x, r.Tokens, now, r.Tx
	q.rank = uint8(1 + r.Class)
	if x.familyHolds() {
		q.rank = 0
	}
	return q
}

// admit fills in the claims or says why the request can never wait here.
func (s *Scheduler) admit(q *request, r Request) *Refused {
	t := q.s.tenant
	switch {
	case t.waiting >= t.terms.maxWaiting(s.cfg):
		return &Refused{Session: r.Session, Reason: Full, RetryAfter: t.retryAfter()}
	case t.held+len(r.Tokens) > t.terms.maxHeld(s.cfg):
		return &Refused{Session: r.Session, Reason: Quota, RetryAfter: t.retryAfter()}
	}
	if no := s.expand(q); no != nil {
		return no
	}
	if q.rank > 0 {
		s.tag(q)
	}
	return nil
}

// Cancel ends the waiting request of a session with Refused; it keeps what it
// holds. It has no effect when nothing waits: a grant that came first stands.
func (s *Scheduler) Cancel(at time.Time, id string) []Effect {
	now := s.clock(at)
	s.out = s.out[:0]
	if x := s.sessions[id]; x != nil && x.pending != nil {
		s.drop(x, Refused{Session: id, Reason: Cancelled})
		s.drain(now)
	}
	return s.effects()
}

// Close ends a session and before it those it waits for: a waiting request ends
// with Refused, everything held is free. It may be called for any id, any number
// of times.
func (s *Scheduler) Close(at time.Time, id string) []Effect {
	now := s.clock(at)
	s.out = s.out[:0]
	if x := s.sessions[id]; x != nil {
		s.close(x)
		s.drain(now)
	}
	return s.effects()
}

func (s *Scheduler) close(x *session) {
	for x.family.waits() {
		s.close(x.family.children[len(x.family.children)-1])
	}
	if q := x.pending; q != nil {
		s.unqueue(q)
		s.out = append(s.out, Refused{Session: x.id, Reason: Closed})
	}
	for _, h := range x.held {
		s.free(h)
	}
	x.held = x.held[:0]
	s.end(x)
}

// Tick ends the requests whose deadline is not after now and lets those that
// waited long enough rise by one class.
func (s *Scheduler) Tick(at time.Time) []Effect {
	now := s.clock(at)
	s.out = s.out[:0]
	s.age(now)
	for q := s.deadlines.top(); q != nil && q.deadline <= now; q = s.deadlines.top() {
		s.drop(q.s, Refused{Session: q.s.id, Reason: Timeout})
	}
	s.drain(now)
	return s.effects()
}

// NextDeadline is when Tick has something to do next.
func (s *Scheduler) NextDeadline() (time.Time, bool) {
	next, ok := s.nextAge()
	if q := s.deadlines.top(); q != nil && (!ok || q.deadline < next) {
		next, ok = q.deadline, true
	}
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(0, next), true
}

// drop ends x's waiting request with e. The caller drains.
func (s *Scheduler) drop(x *session, e Refused) {
	s.unqueue(x.pending)
	s.out = append(s.out, e)
	if x.fence == 0 && !x.family.waits() { // it was never granted anything
		s.end(x)
	}
}

func (s *Scheduler) one(e Effect) []Effect {
	s.out = append(s.out, e)
	return s.out
}

func (s *Scheduler) effects() []Effect {
	if len(s.out) == 0 {
		return nil
	}
	return s.out
}
