package kv

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

const (
	maxSpans  = 8  // open in one execution
	maxSpaces = 16 // of one span
)

// spans are the transactions and snapshots that are open.
type spans struct {
	mu   sync.Mutex
	open map[broker.Opened]*span
}

// span is what is held between begin and commit or end. It belongs to one
// execution and ends with it.
type span struct {
	holds    map[string]broker.Hold // by namespace
	snapshot *store.Snapshot        // nil: a transaction
	stop     func() bool
}

func (sp *span) close() {
	if sp.snapshot != nil {
		sp.snapshot.Close()
	}
	for _, h := range sp.holds {
		h.Done()
	}
}

// lapsed: ttl= of a token has ended the transaction. What it read may have changed.
func (sp *span) lapsed() error {
	for ns, h := range sp.holds {
		if h.Lapsed() {
			return fault.New(fault.Timeout, "the transaction over %q was open longer than the ttl of its token, and nothing of it was written", ns).
				WithHint("do less inside of it, or raise ttl in the handle")
		}
	}
	return nil
}

type beginArgs struct {
	NS       []string `json:"ns"`    // to read and write
	Reads    []string `json:"reads"` // only to read
	Snapshot bool     `json:"snapshot"`
}

// begin holds the namespaces until commit, end, or the end of the execution. Where a token is held only inside transactions, this is
// where its lock is waited for.
func (s *service) begin(ctx context.Context, c broker.Call) (any, error) {
	var a beginArgs
	if err := c.Into(&a); err != nil {
		return nil, err
	}
	if n := len(a.NS) + len(a.Reads); n < 1 || n > maxSpaces {
		return nil, fault.New(fault.Invalid, "a transaction is over 1 to %d namespaces, not %d", maxSpaces, n).WithHint("name them in kv.tx")
	}
	sp := &span{}
	if err := sp.take(ctx, c, a.verbs(c)); err != nil {
		return nil, err
	}
	if a.Snapshot {
		var err error
		if sp.snapshot, err = s.data.Snapshot(context.WithoutCancel(ctx)); err != nil {
			sp.close()
			return nil, err
		}
	}
	if err := s.keep(ctx, c.Opens(), sp); err != nil {
		sp.close()
		return nil, err
	}
	return map[string]int64{"id": c.ID}, nil
}

// verbs is what a span needs of each namespace: a transaction what its tokens
// allow at most, since that is what keeps others out where it is locked on use.
func (a beginArgs) verbs(c broker.Call) map[string]token.Verb {
	need := map[string]token.Verb{}
	for _, ns := range a.Reads {
		need[ns] = strongest(c, ns, token.Read, token.Snapshot)
	}
	for _, ns := range a.NS {
		need[ns] = strongest(c, ns, token.Write, token.Atomic)
	}
	for ns := range need {
		if a.Snapshot {
			need[ns] = token.Snapshot
		}
	}
	return need
}

func strongest(c broker.Call, ns string, verb, otherwise token.Verb) token.Verb {
	if need, err := broker.Need("kv", ns, verb); err == nil && c.Grant.Tokens.Covers(need) {
		return verb
	}
	return otherwise
}

// take claims all namespaces at once, or none.
func (sp *span) take(ctx context.Context, c broker.Call, verbs map[string]token.Verb) error {
	names := slices.Sorted(maps.Keys(verbs))
	needs := make(token.Set, len(names))
	for i, ns := range names {
		need, err := broker.Need("kv", ns, verbs[ns])
		if err != nil {
			return err
		}
		needs[i] = need
	}
	holds, err := c.HoldAll(ctx, needs)
	if err != nil {
		return err
	}
	sp.holds = map[string]broker.Hold{}
	for i, ns := range names {
		sp.holds[ns] = holds[i]
	}
	return nil
}

// keep notes a span until it is forgotten or the session of ctx ends.
func (s *service) keep(ctx context.Context, id broker.Opened, sp *span) error {
	ctx = broker.Lasting(ctx)
	s.mu.Lock()
	was := s.open[id] // a restart came before its answer was told
	n := 0
	for other := range s.open {
		if other.Execution == id.Execution {
			n++
		}
	}
	if n >= maxSpans && was == nil {
		s.mu.Unlock()
		return fault.New(fault.Exhausted, "this unit has %d transactions and snapshots open, which is the most it may have", n).
			WithHint("await one before the next")
	}
	s.open[id] = sp
	sp.stop = context.AfterFunc(ctx, func() {
		if broker.Moved(ctx) {
			return
		}
		if sp := s.forget(id); sp != nil {
			sp.close()
		}
	})
	s.mu.Unlock()
	if was != nil {
		was.stop()
		was.close()
	}
	return nil
}

// forget takes a span out: who gets it closes it.
func (s *service) forget(id broker.Opened) *span {
	s.mu.Lock()
	defer s.mu.Unlock()
	sp := s.open[id]
	if sp == nil {
		return nil
	}
	delete(s.open, id)
	sp.stop()
	return sp
}

func (s *service) find(id broker.Opened) *span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id]
}

// end closes a span without writing anything.
func (s *service) end(_ context.Context, c broker.Call) (any, error) {
	var a struct {
		ID int64 `json:"id"`
	}
	if err := c.Into(&a); err != nil {
		return nil, err
	}
	if sp := s.forget(broker.Opened{Execution: c.Execution, ID: a.ID}); sp != nil {
		sp.close()
	}
	return nil, nil
}

// reading claims the namespace for one read: of the data as it is, or of the
// snapshot that the call names. A transaction holds its namespaces already; one
// of a session that crashed is no more, and its commit checks what it read.
func (s *service) reading(ctx context.Context, c broker.Call, a kvArgs) (reader, func(), error) {
	if a.Snap == 0 && a.Tx == 0 {
		return s.claimed(ctx, c, a.NS)
	}
	sp := s.find(broker.Opened{Execution: c.Execution, ID: a.Snap + a.Tx})
	if sp == nil && a.Snap == 0 {
		return s.claimed(ctx, c, a.NS)
	}
	if sp == nil || (sp.snapshot != nil) != (a.Snap != 0) {
		return nil, nil, fault.New(fault.Conflict, "the snapshot is over").WithHint("begin it again")
	}
	if _, ok := sp.holds[a.NS]; !ok {
		return nil, nil, fault.New(fault.Invalid, "the transaction does not have %q", broker.Clip(a.NS, 80)).
			WithHint("name every handle when the transaction begins")
	}
	if sp.snapshot != nil {
		return sp.snapshot, func() {}, nil
	}
	if err := sp.lapsed(); err != nil {
		return nil, nil, err
	}
	return s.data, func() {}, nil
}

func (s *service) claimed(ctx context.Context, c broker.Call, ns string) (reader, func(), error) {
	hold, err := claim(ctx, c, ns, token.Snapshot)
	if err != nil {
		return nil, nil, err
	}
	return s.data, hold.Done, nil
}
