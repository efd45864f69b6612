// Package lock is what stands behind lock tokens: a name that others are kept
// out by, and a number that rises with each holder. The lock itself is the
// scheduler's: here its use is held between take and drop. Nothing is stored.
package lock

import (
	"context"
	"sync"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/token"
)

// maxHeld is how many locks one execution may hold at the same time.
const maxHeld = 64

// New makes the service.
func New() broker.Service {
	s := &service{open: map[int64]held{}}
	return broker.Service{
		Scheme: "lock", Repeats: true,
		Ops:    map[string]broker.Op{"lock.take": s.take, "lock.drop": s.drop},
		Nature: broker.Natures{"lock.take": broker.Read, "lock.drop": broker.Read}.Of,
		Live:   []string{"lock.take", "lock.drop"},
	}
}

type service struct {
	mu   sync.Mutex
	last int64
	open map[int64]held
}

// held is one use of a lock.
type held struct {
	execution string
	done      func()
	stop      func() bool
}

type taken struct {
	ID int64 `json:"id"`
	// Fence rises with each holder: what is outside of Aria can refuse a holder
	// that came too late.
	Fence uint64 `json:"fence,string"`
}

// take waits for the lock if its token is held only inside such uses, and keeps
// it until drop or the end of the execution.
func (s *service) take(ctx context.Context, c broker.Call) (any, error) {
	var a struct {
		Name   string `json:"name"`
		Shared bool   `json:"shared"`
	}
	if err := c.Into(&a); err != nil {
		return nil, err
	}
	need, err := broker.Need("lock", a.Name, verb(a.Shared))
	if err != nil {
		return nil, err
	}
	hold, err := c.Hold(ctx, need)
	if err != nil {
		return nil, err
	}
	id, err := s.keep(ctx, held{execution: c.Execution, done: hold.Done})
	if err != nil {
		hold.Done()
		return nil, err
	}
	return taken{ID: id, Fence: hold.Fence}, nil
}

func (s *service) keep(ctx context.Context, h held) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, other := range s.open {
		if other.execution == h.execution {
			n++
		}
	}
	if n >= maxHeld {
		return 0, fault.New(fault.Exhausted, "this unit holds %d locks, which is the most it may hold", n).WithHint("let one go before the next")
	}
	s.last++
	id := s.last
	h.stop = context.AfterFunc(ctx, func() { // the session's: it ends with the execution
		if !broker.Moved(ctx) {
			s.release(h.execution, id)
		}
	})
	s.open[id] = h
	return id, nil
}

// drop ends one use. Where it is not known and the lease does not hold the lock
// all the time, it was lost: whoever thought to hold it has to hear of that.
func (s *service) drop(_ context.Context, c broker.Call) (any, error) {
	var a struct {
		ID     int64  `json:"id"`
		Name   string `json:"name"`
		Shared bool   `json:"shared"`
	}
	if err := c.Into(&a); err != nil {
		return nil, err
	}
	if s.release(c.Execution, a.ID) {
		return nil, nil
	}
	need, err := broker.Need("lock", a.Name, verb(a.Shared))
	if err != nil {
		return nil, err
	}
	for _, t := range c.Grant.Tokens {
		if t.Covers(need) && !t.HoldsTx() {
			return nil, nil
		}
	}
	return nil, fault.New(fault.Interrupted, "the lock %q was lost when quiltd was replaced", a.Name).
		WithHint("others may have held it meanwhile; check what was done under it")
}

func verb(shared bool) token.Verb {
	if shared {
		return token.Read
	}
	return token.Write
}

// release gives one use back, once.
func (s *service) release(execution string, id int64) bool {
	s.mu.Lock()
	h, ok := s.open[id]
	if !ok || h.execution != execution {
		s.mu.Unlock()
		return false
	}
	delete(s.open, id)
	s.mu.Unlock()
	h.stop()
	h.done()
	return true
}
