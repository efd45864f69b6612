package task

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// errStopping cancels a run that waits while ariad stops: it stays pending.
var errStopping = errors.New("ariad is stopping")

// drive takes one accepted run to its end, or as far as it comes before ariad
// stops.
func (t *Tasks) drive(l *live) {
	defer t.running.Done()
	defer func() {
		if l.hasSlot {
			l.slot.leave()
		}
		t.lanes.leave(l)
	}()
	ctx := l.ctx
	if !l.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, l.deadline,
			fault.New(fault.Timeout, "the run's deadline passed").WithHint("give it more time"))
		defer cancel()
	}
	var out Outcome
	err := t.begin(ctx, l)
	if err == nil {
		out, err = t.work(ctx, l)
	}
	if err != nil && errors.Is(context.Cause(l.ctx), errStopping) {
		t.drop(l) // it stays as it is, for the next process
		close(l.done)
		return
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		// Whoever stopped it said why; what the work made of it matters less.
		if f, ok := fault.As(cause); ok {
			err = f
		}
	}
	t.finish(l, out, err)
}

// begin gets its turn among the runs with its key, a person's approval where the unit needs one and another run calls
// it, and then a slot.
func (t *Tasks) begin(ctx context.Context, l *live) error {
	if err := t.turn(ctx, l); err != nil {
		return err
	}
	if l.unit.Approve && l.parent != nil {
		if err := t.approval(ctx, l); err != nil {
			return err
		}
	}
	if l.slot != nil && !l.hasSlot {
		return t.line(ctx, l)
	}
	return t.setState(l, Running)
}

// approvalRole is who may agree to a unit that is marked with approve and names
// nobody.
const approvalRole = "approver"

// approval waits for a person. Who calls the unit learns how that ended: Denied,
// or Timeout where nobody answered in the time that the unit gives.
func (t *Tasks) approval(ctx context.Context, l *live) error {
	data, err := json.Marshal(map[string]any{"unit": l.unit.Name, "input": l.run.Input})
	if err != nil {
		return fmt.Errorf("approval of %s: %w", l.run.ID, err)
	}
	w := Wait{Role: approvalRole, Data: data}
	var most time.Duration
	if spec := l.unit.Approval; spec != nil {
		if spec.Role != "" {
			w.Role = spec.Role
		}
		if most = time.Duration(spec.TimeoutMS) * time.Millisecond; most > 0 {
			w.Due = l.run.Created.Add(most)
		}
	}
	var a Answer
	err = t.suspend(ctx, l, func(ctx context.Context) (err error) {
		a, err = t.wait(ctx, l, "approve", w)
		return err
	})
	if err != nil || a.OK {
		return err
	}
	if a.Timeout {
		return fault.New(fault.Timeout, "nobody approved %s within %s", l.unit.Name, most).WithHint("it was not done; ask again, or do without it")
	}
	why := ""
	if a.Reason != "" {
		why = ": " + a.Reason
	}
	return fault.New(fault.Denied, "%s was not approved%s", l.unit.Name, why).WithHint("it was not done; do without it")
}

// line waits for a slot and puts on disk that the run is running, before it is.
func (t *Tasks) line(ctx context.Context, l *live) error {
	slot := l.slot
	t.inLine(l, true)
	defer t.inLine(l, false)
	tk, ahead := slot.enter(l.root)
	select {
	case <-tk.ready:
	default:
		_ = t.emit(l, "queued", map[string]any{"for": "slot", "ahead": ahead})
	}
	select {
	case <-tk.ready:
	case <-ctx.Done():
		slot.abandon(tk)
		return context.Cause(ctx)
	}
	l.hasSlot = true
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return t.setState(l, Running)
}

// inLine notes that a run waits for a slot, for whoever asks why.
func (t *Tasks) inLine(l *live, waits bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lining = waits
}

func (t *Tasks) work(ctx context.Context, l *live) (out Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			t.log.Error("run panicked", "task", l.run.ID, "err", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if cause := context.Cause(ctx); cause != nil {
		return Outcome{}, cause
	}
	return t.runners[l.unit.Kind].Run(ctx, Job{
		Run: l.run.ID, Unit: l.unit, Input: l.run.Input, Resumed: l.resumed, Child: l.parent != nil,
		Emit:   func(kind string, data any) error { return t.emit(l, kind, data) },
		Invoke: t.invoke(l), t: t, l: l,
	})
}

// ended is the data of the last event.
type ended struct {
	State  State           `json:"state"`
	Output json.RawMessage `json:"output,omitempty"` // unless it is over maxInline
	Bytes  int             `json:"output_bytes,omitempty"`
	Error  *storedError    `json:"error,omitempty"`
	Usage  any             `json:"usage,omitempty"`
	// Stopped is how code ended that was told to: itself | killed.
	Stopped string `json:"stopped,omitempty"`
	TookUS  int64  `json:"took_us"`
}

// maxInline: a bigger output is read with Get, not journaled twice.
const maxInline = 64 << 10

// finish journals the end and lets everybody see it once it is on disk.
func (t *Tasks) finish(l *live, out Outcome, err error) {
	t.orphans(l.run.ID)
	t.reap(l)
	l.mu.Lock()
	if l.broken != nil {
		err = unwritable(l.broken)
	}
	l.mu.Unlock()
	r := l.snapshot()
	r.Ended = time.Now()
	data := ended{Usage: out.Usage, Stopped: out.Stopped, TookUS: r.Ended.Sub(r.Created).Microseconds()}
	switch {
	case err == nil:
		r.State, r.Output = Done, out.Output
		if data.Output = out.Output; len(out.Output) > maxInline {
			data.Output, data.Bytes = nil, len(out.Output)
		}
	default:
		r.Error = t.face(r.ID, err)
		if r.State = Failed; r.Error.Code == fault.Cancelled {
			r.State = Cancelled
		}
	}
	data.State, data.Error = r.State, store(r.Error)
	t.close(l, r, data)
	t.log.Info("run ended", "task", r.ID, "unit", r.Unit, "state", r.State, "took", r.Ended.Sub(r.Created))
}

// face is the error that a person reads; anything without one goes to the log.
func (t *Tasks) face(id ID, err error) *fault.Error {
	f, ok := fault.As(err)
	if !ok {
		t.log.Error("run failed", "task", id, "err", err)
		return fault.New(fault.Internal, "internal error in %s", id).WithHint("see the log of ariad")
	}
	if f.Cause != nil {
		t.log.Warn("run failed", "task", id, "err", err)
	}
	return f
}

// close writes the end. If the journal does not take it even at a second try,
// the end stands in memory, honestly as a failure, and the process goes on.
func (t *Tasks) close(l *live, r Run, data ended) {
	raw, err := json.Marshal(data)
	if err != nil {
		raw = []byte(`{"state":"failed"}`)
	}
	l.mu.Lock()
	l.end = &r
	t.append(l, "ended", raw, func(tx *sql.Tx) error { return updateEnded(tx, r) })
	for l.waiting > 0 {
		ch := l.changed
		l.mu.Unlock()
		<-ch
		l.mu.Lock()
	}
	broken := l.broken
	last := l.run.LastSeq
	l.mu.Unlock()

	if broken != nil {
		r.State, r.Output = Failed, nil
		r.Error = t.face(r.ID, unwritable(broken))
		raw, _ = json.Marshal(ended{State: Failed, Error: store(r.Error), TookUS: data.TookUS})
		ev := Event{Run: r.ID, Seq: last + 1, Time: time.Now(), Kind: "ended", Data: raw}
		broken = t.journal.wait(func(tx *sql.Tx) error {
			if err := insertEvent(tx, ev); err != nil {
				return err
			}
			return updateEnded(tx, r)
		})
		l.mu.Lock()
		l.keep(ev)
		l.notify()
		l.mu.Unlock()
	}
	close(l.done)
	if broken == nil {
		t.drop(l)
	}
	l.cancel(nil)
}
