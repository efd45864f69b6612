package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

type okFrame struct {
	T     string `json:"t"`
	ID    int64  `json:"id"`
	Value any    `json:"value"`
	Now   int64  `json:"now,omitempty"`
}

type failFrame struct {
	T     string    `json:"t"`
	ID    int64     `json:"id"`
	Error failError `json:"error"`
	Now   int64     `json:"now,omitempty"`
}

type failError struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

// call starts one operation beside the others. It waits for a free place, which
// is what holds a container back that asks faster than it is answered.
func (s *session) call(ctx context.Context, f inbound, lastID *int64) error {
	if f.ID <= *lastID {
		return protocolError("call id %d after %d; ids rise", f.ID, *lastID)
	}
	*lastID = f.ID
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil
	case <-s.cfg.Freeze:
		s.mover.put(f) // not begun; the next read says that we move
		s.count.Add(1)
		return nil
	}
	s.count.Add(1)
	s.start(ctx, f)
	return nil
}

// start makes a call that has its place.
func (s *session) start(ctx context.Context, f inbound) {
	if s.ledger != nil {
		s.ledger.call(ctx, f)
		return
	}
	s.calls.Go(func() {
		defer func() { <-s.slots }()
		op, done := s.breakable(ctx)
		defer done()
		value, err := s.operate(op, f.ID, f.Op, f.Args)
		err = s.broken(op, err)
		if err != nil && context.Cause(ctx) == errMoved {
			var kept bool
			if kept, err = s.mover.keep(f, s.cfg.Repeats != nil && s.cfg.Repeats(f.Op), err); kept {
				return
			}
		}
		s.answer(f.ID, value, err)
	})
}

func (s *session) operate(ctx context.Context, id int64, op string, args json.RawMessage) (any, error) {
	do := s.cfg.Ops[op]
	if do == nil {
		return nil, fault.New(fault.Unimplemented, "the broker has no operation %q", Clip(op, 40)).
			WithHint("use the handles of @aria/sdk; the unit may have been built for a later quiltd")
	}
	c := Call{Execution: s.cfg.Execution, Unit: s.cfg.Unit, ID: id, Grant: s.cfg.Grant, Args: args, Left: s.left}
	if j := s.cfg.Journal; j != nil && j.Key != "" {
		c.Key = fmt.Sprintf("%s/%d", j.Key, id)
		if s.stopped() != nil {
			c.Key = fmt.Sprintf("%s/stop/%d", j.Key, id)
		}
	}
	return do(ctx, c)
}

// answer tells the inside; if it is gone nobody needs the answer.
func (s *session) answer(id int64, value any, err error) {
	if err == nil {
		err = s.send(okFrame{T: "ok", ID: id, Value: value})
		if !errors.Is(err, errTooLarge) {
			return
		}
		err = fault.Wrap(err, fault.Exhausted, "the answer is too large").WithHint("ask for fewer keys with limit")
	}
	s.fail(id, s.face(err), time.Time{})
}

// ok tells an answer and what the unit's clock shows from now on.
func (s *session) ok(id int64, value json.RawMessage, clock time.Time) {
	s.send(okFrame{T: "ok", ID: id, Value: value, Now: clock.UnixMilli()})
}

func (s *session) fail(id int64, face *fault.Error, clock time.Time) {
	f := failFrame{T: "fail", ID: id, Error: failError{Code: face.Code, Message: face.Message, Hint: face.Hint}}
	if !clock.IsZero() {
		f.Now = clock.UnixMilli()
	}
	s.send(f)
}

// face is what the inside may read of err.
func (s *session) face(err error) *fault.Error {
	face, ok := fault.As(err)
	if !ok {
		s.cfg.Log.Trouble("broker operation", err)
		face = fault.New(fault.Internal, "internal error in the broker").WithHint("the log of quiltd has the cause")
	}
	s.remember(face)
	return face
}

// remember keeps the first refusals that can be the reason of an ending.
func (s *session) remember(face *fault.Error) {
	s.endMu.Lock()
	defer s.endMu.Unlock()
	switch {
	case face.Code == fault.Denied && s.denied == nil:
		s.denied = face
	case face.Code == fault.Deadlock && s.deadlock == nil:
		s.deadlock = face
	}
}
