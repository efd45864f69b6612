package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// emit holds an event against the next recorded one of its lane.
func (t *tape) emit(kind string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("event %s: %w", kind, err)
	}
	if t.s.over() {
		return errOver
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.cut != nil:
		return t.cut
	case slices.Contains(worlds, kind):
		return nil
	}
	text, in := canonical(raw), lane(t.run, kind, raw)
	x := t.match(kind, in, text)
	if x != nil && x.kind == kind && x.text == text {
		x.used = true
		t.s.mu.Lock()
		t.s.events++
		t.s.mu.Unlock()
		return nil
	}
	if t.s.until > 0 && x == nil {
		return nil // behind what is played: nothing is recorded to hold it against
	}
	if x == nil {
		seq, _ := t.last()
		return t.differ(seq, kind, "no further event of that kind", kind+" "+text)
	}
	return t.differ(x.seq, x.kind, x.kind+" "+x.text, kind+" "+text)
}

// match finds the recorded event that this one must be: the next of its lane; of
// scattered ones, an equal one if there is any. t.mu is held.
func (t *tape) match(kind, in, text string) *expected {
	var first *expected
	for _, x := range t.want {
		if x.used || x.lane != in {
			continue
		}
		if x.kind == kind && x.text == text {
			if in == scattered || first == nil {
				return x
			}
		}
		if t.twice(x) {
			continue
		}
		if first == nil {
			first = x
		}
		if in != scattered {
			return first
		}
	}
	return first
}

// twice: a line of the log that a run that was taken up had said before, or the
// start of another container for a piece that was.
func (t *tape) twice(x *expected) bool {
	if !(t.resumed && x.kind == "log" || t.again && x.kind == "started") {
		return false
	}
	for _, o := range t.want {
		if o.used && o.kind == x.kind && o.seq < x.seq && o.text == x.text {
			return true
		}
	}
	return false
}

// next is the first recorded event that has not come again.
func (t *tape) next() (uint64, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range t.want {
		if !x.used && !t.twice(x) {
			return x.seq, x.kind
		}
	}
	return t.last()
}

func (t *tape) last() (uint64, string) {
	if n := len(t.run.Events); n > 0 {
		return t.run.Events[n-1].Seq, t.run.Events[n-1].Kind
	}
	return 0, ""
}

// wanted is a recorded event as a report shows it.
func (t *tape) wanted(seq uint64) string {
	for _, e := range t.run.Events {
		if e.Seq == seq {
			return e.Kind + " " + canonical(e.Data)
		}
	}
	return "nothing"
}

// invoke answers a call of another unit from the recording; where its code is
// replaced it is played too.
func (t *tape) invoke(ctx context.Context, ref string, input json.RawMessage, callID string) (json.RawMessage, error) {
	if t.s.over() {
		return nil, errOver
	}
	child := t.s.find(task.ChildID(t.run.ID, callID))
	what := fmt.Sprintf("call %s of %s with %s", callID, ref, input)
	if child == nil || !t.s.endedIn(child) {
		if child == nil && t.s.until == 0 {
			seq, kind := t.next()
			return nil, t.differ(seq, kind, t.wanted(seq), what)
		}
		return nil, t.s.deny(what)
	}
	u, err := t.s.p.reg.ResolveFrom(t.unit.Digest, ref)
	if err != nil {
		return nil, err
	}
	checked, err := t.checked(u, input)
	if err != nil {
		return nil, err
	}
	if u.Name != child.Unit || !same(checked, child.Input) {
		seq, kind := t.next()
		return nil, t.differ(seq, kind, fmt.Sprintf("call %s of %s with %s", callID, child.Unit, child.Input), fmt.Sprintf("call %s of %s with %s", callID, u.Name, checked))
	}
	t.s.mu.Lock()
	t.s.children++
	t.s.effects++
	t.s.mu.Unlock()
	if t.s.with != "" && u.Digest == t.s.with && child.Bundle != t.s.with {
		out, f, err := t.s.play(ctx, child, u)
		if err != nil {
			return nil, err
		}
		if f != nil {
			return nil, f
		}
		return out, nil
	}
	if child.Error != nil {
		return nil, child.Error.Fault()
	}
	return child.Output, nil
}

// called plays, on code that is replaced, what the run called through its
// container: those answers are given by the broker, which knows no other code.
func (t *tape) called(ctx context.Context) error {
	if t.s.with == "" {
		return nil
	}
	for _, e := range t.run.Effects {
		child := t.s.find(task.ChildID(t.run.ID, fmt.Sprintf("%s/%d", e.Scope, e.ID)))
		if e.Op != "run.call" || child == nil || child.Bundle != t.run.Bundle || child.Bundle == t.s.with || !t.s.endedIn(child) {
			continue
		}
		u, err := t.s.p.reg.Resolve(string(t.s.with) + "#" + child.Unit)
		if err != nil {
			return err
		}
		if _, _, err := t.s.play(ctx, child, u); err != nil {
			return err
		}
		t.s.mu.Lock()
		t.s.children++
		t.s.mu.Unlock()
	}
	return nil
}

// endedIn: a run had ended within what is played.
func (s *session) endedIn(run *task.RecordedRun) bool {
	if s.until == 0 {
		return true
	}
	n := len(run.Events)
	return n > 0 && run.State.Ended() && s.within(run.Events[n-1].Time)
}

// checked is an input as a run of the unit would have it.
func (t *tape) checked(u registry.Unit, input json.RawMessage) (json.RawMessage, error) {
	runner, ok := t.s.p.tasks.RunnerFor(u.Kind)
	if !ok {
		return nil, fault.New(fault.Unimplemented, "%s is a %s, which cannot be played", u.Name, u.Kind)
	}
	return runner.Check(u, input, "")
}

// end holds how the run ended against how it ended then.
func (t *tape) end(ctx context.Context, out json.RawMessage, err error) (json.RawMessage, *fault.Error, error) {
	f, ok := fault.As(err)
	switch {
	case t.s.over():
		return nil, nil, errOver
	case ctx.Err() != nil:
		return nil, nil, context.Cause(ctx)
	case err != nil && !ok:
		return nil, nil, err
	}
	t.mu.Lock()
	cut := t.cut
	t.mu.Unlock()
	if cut != nil {
		return nil, cut, nil
	}
	if t.s.until > 0 && !t.s.endedIn(t.run) {
		return out, f, nil // the recording goes on; the code was done without asking for more
	}
	for _, x := range t.want {
		if !x.used && !t.twice(x) {
			return nil, nil, t.differ(x.seq, x.kind, x.kind+" "+x.text, "the end of the run")
		}
	}
	t.s.mu.Lock()
	t.s.events += 2 // the first and the last
	t.s.mu.Unlock()
	then, now := ending(t.run.Output, t.run.Error.Fault()), ending(out, f)
	if then != now {
		seq, kind := t.last()
		return nil, nil, t.differ(seq, kind, then, now)
	}
	return out, f, nil
}

func ending(out json.RawMessage, f *fault.Error) string {
	if f != nil {
		return fmt.Sprintf("failed with %s: %s", f.Code, span.ReplaceAllString(f.Message, "·"))
	}
	return "done with " + whole(out)
}
