package broker

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// A unit that is to end is told, and may clean up for a while: what it waits for
// fails with code cancelled, and what it asks from then on is served as ever.
//
// Nothing of that is recorded: the run is over, whatever the unit does now. If the
// caller crashes at this moment and takes the run up again, it goes on as if it had
// not been told, and calls of the clean-up have idempotency keys of their own.

// Stop is how a session is told that its unit is to end. The zero Stop is ready.
type Stop struct {
	mu    sync.Mutex
	told  *fault.Error
	hear  func(why *fault.Error)
	heard bool
}

// Tell asks the unit to end, once; why is what its calls fail with.
func (s *Stop) Tell(why *fault.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told == nil {
		s.told = why
		s.deliver()
	}
}

// listen calls hear when the unit is to be told, or has been.
func (s *Stop) listen(hear func(why *fault.Error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hear = hear
	s.deliver()
}

// deliver comes with mu held.
func (s *Stop) deliver() {
	if s.told != nil && s.hear != nil && !s.heard {
		s.heard = true
		go s.hear(s.told)
	}
}

// stopping is a session's side of it.
type stopping struct {
	why    atomic.Pointer[fault.Error]
	cut    context.Context // ends when the unit is told
	cutOff context.CancelCauseFunc
}

func newStopping() *stopping {
	s := &stopping{}
	s.cut, s.cutOff = context.WithCancelCause(context.Background())
	return s
}

type stopFrame struct {
	T       string `json:"t"`
	Message string `json:"message"`
}

// stop tells the inside, and ends what it waits for.
func (s *session) stop(why *fault.Error) {
	s.stopping.why.Store(why)
	s.send(stopFrame{"stop", why.Message})
	s.stopping.cutOff(why)
}

// heedStop comes once the unit runs: before, there is nobody to tell.
func (s *session) heedStop() {
	if s.cfg.Stop != nil {
		s.cfg.Stop.listen(s.stop)
	}
}

// stopped is why the unit was told to end; nil: it was not.
func (s *session) stopped() *fault.Error { return s.stopping.why.Load() }

// breakable is a context for one call, which ends when the unit is told to end
// while it is under way. Calls of a unit that knows are not broken off.
func (s *session) breakable(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.stopped() != nil {
		return ctx, func() {}
	}
	out, cancel := context.WithCancelCause(context.WithValue(ctx, lasting{}, ctx))
	unhook := context.AfterFunc(s.stopping.cut, func() { cancel(context.Cause(s.stopping.cut)) })
	return out, func() { unhook(); cancel(nil) }
}

type lasting struct{}

// Lasting is the session's context, for what a call leaves open: ctx, an
// operation's, ends with the call.
func Lasting(ctx context.Context) context.Context {
	if session, ok := ctx.Value(lasting{}).(context.Context); ok {
		return session
	}
	return ctx
}

// broken is what a call that ended with err is answered with: that the unit is to
// end, where that is what ended it.
func (s *session) broken(ctx context.Context, err error) error {
	if why := s.stopped(); err != nil && why != nil && context.Cause(ctx) == error(why) {
		return why
	}
	return err
}

// late makes a call of a durable unit that was told to end.
func (l *ledger) late(ctx context.Context, f inbound) {
	l.s.calls.Go(func() {
		defer func() { <-l.s.slots }()
		if strings.HasPrefix(f.Op, hostOps) { // they would begin something new
			l.unrecorded(f.ID, nil, l.s.stopped())
			return
		}
		var raw json.RawMessage
		v, err := l.s.operate(ctx, f.ID, f.Op, f.Args)
		if err == nil {
			raw, err = compact(v)
		}
		l.unrecorded(f.ID, raw, err)
	})
}

// unrecorded tells an answer without a record.
func (l *ledger) unrecorded(id int64, value json.RawMessage, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, id)
	if now := time.Now(); now.After(l.clock) {
		l.clock = now.Truncate(time.Millisecond)
	}
	if err != nil {
		l.s.fail(id, l.s.face(err), l.clock)
		return
	}
	l.s.ok(id, value, l.clock)
}
