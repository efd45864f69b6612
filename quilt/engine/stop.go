package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// How an execution is stopped. A unit whose run is over for good is told, and has
// its grace to clean up: somebody cancelled it, or its time is up. All else ends at
// once: what the kernel or the protocol ends, what nobody listens to, what is only
// taken away and goes on from its journal elsewhere, and what does not run yet.

// errStopped is the cause of a context that somebody ended on purpose, with grace.
type errStopped struct{ why string }

func (e errStopped) Error() string { return e.why }

// stopping is how far that is.
type stopping struct {
	broker.Stop
	runs atomic.Bool // the unit has begun
	done atomic.Bool // it has said its last word, or gone

	mu    sync.Mutex // guards the rest
	force context.CancelCauseFunc
	hard  error // it is to end at once, whatever force is by then
	late  bool  // force came before done
}

// end stops an execution at once, also one that has its grace.
func (x *execution) end(cause error) {
	x.cancel(cause)
	s := &x.stopping
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hard = cause; s.force != nil {
		s.force(cause)
	}
}

// grace is a context that ends when the container must: with ctx, or a while after
// the unit was told that ctx has ended.
func (x *execution) grace(ctx context.Context) (context.Context, context.CancelFunc) {
	hard, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	s := &x.stopping
	force := func(cause error) {
		if hard.Err() == nil && !s.done.Load() {
			s.late = true
		}
		cancel(cause)
	}
	s.mu.Lock()
	s.force = force
	if s.hard != nil {
		force(s.hard)
	}
	s.mu.Unlock()
	unhook := context.AfterFunc(ctx, func() {
		cause := context.Cause(ctx)
		why, some := x.gentle(ctx)
		if !some {
			x.end(cause)
			return
		}
		s.Tell(why)
		select {
		case <-time.After(x.req.Limits.Grace):
		case <-x.engine.freeze: // a grace does not move to another engine
		case <-hard.Done():
			return
		}
		x.end(cause)
	})
	return hard, func() { unhook(); cancel(nil) }
}

// gentle says whether the unit of an execution that is to end is told first, and
// what.
func (x *execution) gentle(ctx context.Context) (why *fault.Error, yes bool) {
	if x.req.Limits.Grace <= 0 || !x.stopping.runs.Load() {
		return nil, false
	}
	cause := context.Cause(ctx)
	var told errStopped
	f, _ := fault.As(cause)
	switch {
	case errors.As(cause, &told):
		return fault.New(fault.Cancelled, "%s", told.why).WithHint(whileGrace), true
	case f == nil:
		return nil, false
	case f.Code == fault.Timeout, f.Code == fault.Interrupted && x.req.Journal == nil: // nobody takes it up again
		return fault.New(fault.Cancelled, "%s", f.Message).WithHint(whileGrace), true
	}
	return nil, false
}

const whileGrace = "what the unit asks from now on is served for as long as its grace is"

// ended notes that the unit has nothing more to say.
func (s *stopping) ended() { s.done.Store(true) }

// how it ended.
func (s *stopping) how() Stopped {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.late {
		return ByForce
	}
	return ByItself
}
