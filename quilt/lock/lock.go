// Package lock is what stands behind lock tokens: a name that others are kept
// out by, and a number that rises with each holder. The lock itself is the
// scheduler's: here its use is held between take and drop. Nothing is stored.
package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/token"
)

// maxHeld is how many locks one execution may hold at the same time.
const maxHeld = 64

// New makes the service.
func New() broker.Service {
	s := &service{open: map[broker.Opened]held{}}
	return broker.Service{
		Scheme: "lock", Repeats: true,
		Ops:    map[string]broker.Op{"lock.take": s.take, "lock.drop": s.drop},
		Nature: broker.Natures{"lock.take": broker.Read, "lock.drop": broker.Read}.Of,
		Live:   []string{"lock.take", "lock.drop"},
		Leave:  s.leave, Enter: s.enter,
	}
}

type service struct {
	mu   sync.Mutex
	open map[broker.Opened]held
}

// held is one use of a lock.
type held struct {
	hold broker.Hold
	stop func() bool
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
	if err := s.keep(ctx, c.Opens(), hold); err != nil {
		hold.Done()
		return nil, err
	}
	return taken{ID: c.ID, Fence: hold.Fence}, nil
}

// keep notes a use until it is released or the session of ctx ends.
func (s *service) keep(ctx context.Context, id broker.Opened, hold broker.Hold) error {
	ctx = broker.Lasting(ctx)
	s.mu.Lock()
	was, again := s.open[id] // a restart came before its answer was told
	n := 0
	for other := range s.open {
		if other.Execution == id.Execution {
			n++
		}
	}
	if n >= maxHeld && !again {
		s.mu.Unlock()
		return fault.New(fault.Exhausted, "this unit holds %d locks, which is the most it may hold", n).WithHint("let one go before the next")
	}
	s.open[id] = held{hold, context.AfterFunc(ctx, func() {
		if !broker.Moved(ctx) {
			s.release(id)
		}
	})}
	s.mu.Unlock()
	if again {
		was.stop()
		was.hold.Done()
	}
	return nil
}

// leave lists the uses of an execution by their ids.
func (s *service) leave(execution string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[int64]broker.Kept{}
	for id, h := range s.open {
		if id.Execution == execution {
			out[id.ID] = h.hold.Keep()
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// enter goes on with what leave listed.
func (s *service) enter(ctx context.Context, c broker.Call, left json.RawMessage) error {
	var uses map[int64]broker.Kept
	if err := json.Unmarshal(left, &uses); err != nil {
		return fmt.Errorf("locks of %s: %w", c.Execution, err)
	}
	var failed error
	for id, kept := range uses {
		hold, err := c.Reuse(kept)
		if err == nil {
			err = s.keep(ctx, broker.Opened{Execution: c.Execution, ID: id}, hold)
		}
		failed = errors.Join(failed, err)
	}
	return failed
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
	if hold, ok := s.release(broker.Opened{Execution: c.Execution, ID: a.ID}); ok {
		if hold.Lapsed() {
			return nil, fault.New(fault.Timeout, "the lock %q was held longer than its ttl, and was given to others", a.Name).
				WithHint("check what was done under it; do less while holding it, or raise ttl in the handle")
		}
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
	return nil, fault.New(fault.Interrupted, "the lock %q is not held by this use of it any more", a.Name).
		WithHint("others may have held it meanwhile; check what was done under it")
}

func verb(shared bool) token.Verb {
	if shared {
		return token.Read
	}
	return token.Write
}

// release gives one use back, once.
func (s *service) release(id broker.Opened) (broker.Hold, bool) {
	s.mu.Lock()
	h, ok := s.open[id]
	delete(s.open, id)
	s.mu.Unlock()
	if ok {
		h.stop()
		h.hold.Done()
	}
	return h.hold, ok
}
