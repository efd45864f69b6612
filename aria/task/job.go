package task

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
)

// Job is one run as its runner sees it. Everything in it may be called from
// several goroutines.
type Job struct {
	Run   ID
	Unit  registry.Unit
	Input json.RawMessage
	// Resumed: a daemon stopped in the middle of the run, and it goes on here.
	Resumed bool
	Child   bool // another run called it
	Tape    Tape // nil, unless it is played again
	Emit    func(kind string, data any) error
	Invoke  Invoke

	t *Tasks
	l *live
}

// Past is what is recorded of a scope, in order, once all that was queued is on
// disk.
func (j Job) Past(ctx context.Context, scope string) ([]Effect, error) {
	if j.Tape != nil {
		return j.Tape.Past(scope), nil
	}
	if j.t == nil {
		return nil, nil
	}
	if err := j.t.journal.flush(); err != nil {
		return nil, unwritable(err)
	}
	return j.t.past(ctx, j.Run, scope)
}

// Record queues the next effect of a scope and calls durable once it is on disk.
func (j Job) Record(scope string, e Effect, durable func()) error {
	if j.t == nil {
		durable()
		return nil
	}
	return j.t.record(j.l, scope, e, durable)
}

// Recorded counts what the run has journaled in this process, to see whether it
// gets on.
func (j Job) Recorded() int {
	if j.l == nil {
		return 0
	}
	j.l.mu.Lock()
	defer j.l.mu.Unlock()
	return j.l.recorded
}

// Recall is a value that was remembered under name, or nil.
func (j Job) Recall(ctx context.Context, name string) (json.RawMessage, error) {
	if j.Tape != nil {
		return j.Tape.Recall(name), nil
	}
	if j.t == nil {
		return nil, nil
	}
	return j.t.recall(ctx, j.l, name)
}

// Remember keeps a value under name for whoever takes the run up; it is on disk
// when Remember returns.
func (j Job) Remember(name string, value any) error {
	if j.Tape != nil {
		return j.tapeRemember(name, value)
	}
	if j.t == nil {
		return nil
	}
	return j.t.remember(j.l, name, value, true)
}

// Note is Remember without waiting: what is recorded later is durable later.
func (j Job) Note(name string, value any) error {
	if j.Tape != nil {
		return j.tapeRemember(name, value)
	}
	if j.t == nil {
		return nil
	}
	return j.t.remember(j.l, name, value, false)
}

// Seed is what the randomness of a scope grows from: 32 bytes, always the same.
func (j Job) Seed(scope string) []byte {
	if j.Tape != nil {
		return j.Tape.Seed(scope)
	}
	if j.t == nil {
		return make([]byte, 32)
	}
	return j.t.seed(j.t.origin(j.l).Run, scope)
}

// Clock is when a scope began: the same whenever it is taken up again.
func (j Job) Clock(ctx context.Context, scope string) (time.Time, error) {
	if j.Tape != nil {
		return j.Tape.Clock(scope), nil
	}
	name := "clock/" + scope
	raw, err := j.Recall(ctx, name)
	if err != nil {
		return time.Time{}, err
	}
	var ms int64
	if raw != nil {
		if err := json.Unmarshal(raw, &ms); err != nil {
			return time.Time{}, fmt.Errorf("clock of %s: %w", j.Run, err)
		}
		return time.UnixMilli(ms), nil
	}
	now := time.Now()
	return now, j.Note(name, now.UnixMilli())
}

// Events are those of the run that are on disk.
func (j Job) Events(ctx context.Context) ([]Event, error) {
	if j.t == nil {
		return nil, nil
	}
	var out []Event
	err := j.t.replay(ctx, j.Run, 0, ^uint64(0), func(evs []Event) error {
		out = append(out, evs...)
		return nil
	})
	return out, err
}

// Created is when the run was accepted.
func (j Job) Created() time.Time {
	if j.Tape != nil {
		return j.Tape.Created()
	}
	if j.l == nil {
		return time.Time{}
	}
	if j.t != nil && j.l.resumed {
		return time.UnixMilli(j.t.origin(j.l).Created)
	}
	return j.l.run.Created
}

// Suspend gives the run's slot to others, shows the run as waiting, and takes it
// up again when until returns. The error is that of until.
func (j Job) Suspend(ctx context.Context, until func(context.Context) error) error {
	if j.t == nil {
		return until(ctx)
	}
	return j.t.suspend(ctx, j.l, until)
}

// Pieces says that so many more pieces of the run go on by themselves, or fewer.
// A run begins with one. It is shown as waiting when all of them do.
func (j Job) Pieces(ctx context.Context, more int) error {
	if j.t == nil {
		return nil
	}
	return j.t.park(ctx, j.l, more, 0)
}

// Wait waits for what has an answer only later: see Wait. name is unique in the
// run and the same when it is taken up again.
func (j Job) Wait(ctx context.Context, name string, w Wait) (Answer, error) {
	if j.Tape != nil {
		return j.Tape.Wait(ctx, name)
	}
	return j.t.wait(ctx, j.l, name, w)
}
