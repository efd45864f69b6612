package task

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// invoke is how a run calls another unit: a child run that ends with it, has at
// most its remaining time, and holds its own lease. Its id follows from the
// parent's and the name of the call, so that a parent that is taken up again
// finds it.
func (t *Tasks) invoke(parent *live) Invoke {
	return func(ctx context.Context, ref string, input json.RawMessage, callID string) (json.RawMessage, error) {
		id := childID(parent.run.ID, callID)
		if r, ok, err := t.again(ctx, parent, id); err != nil || ok {
			return outcome(r, err)
		}
		if parent.depth+1 > maxDepth {
			return nil, fault.New(fault.Exhausted, "runs call one another more than %d deep", maxDepth).
				WithHint("two agents may be calling each other")
		}
		u, err := t.reg.ResolveFrom(parent.unit.Digest, ref)
		if err != nil {
			return nil, err
		}
		l, err := t.prepare(u, input, "")
		if err != nil {
			return nil, err
		}
		l.run.ID = id
		l.callID, l.run.Parent = callID, parent.run.ID
		l.missed = t.reg.Instead(parent.unit.Digest, u)
		adopt(ctx, parent, l)
		if err := t.accept(ctx, l, "", nil); err != nil {
			return nil, err
		}
		parent.called(l)
		return outcome(t.ending(ctx, l))
	}
}

// adopt makes l a child of parent.
func adopt(ctx context.Context, parent, l *live) {
	l.parent, l.root, l.depth = parent, parent.root, parent.depth+1
	l.deadline = parent.deadline
	if d, ok := ctx.Deadline(); ok && (l.deadline.IsZero() || d.Before(l.deadline)) {
		l.deadline = d
	}
}

// ending waits for a child. Its context is the parent's: it ends when we must.
func (t *Tasks) ending(ctx context.Context, l *live) (Run, error) {
	<-l.done
	l.parkMu.Lock()
	err := t.parkAbove(ctx, l, false)
	l.parkMu.Unlock()
	if err != nil {
		return Run{}, err
	}
	r := l.snapshot()
	if !r.State.Ended() {
		return r, errStopping
	}
	return r, nil
}

func outcome(r Run, err error) (json.RawMessage, error) {
	if err != nil {
		return nil, err
	}
	if r.Error != nil {
		return nil, r.Error
	}
	return r.Output, nil
}

// again finds a child that was called before: going on, left by another process,
// or over.
func (t *Tasks) again(ctx context.Context, parent *live, id ID) (Run, bool, error) {
	if l := t.find(id); l != nil {
		r, err := t.ending(ctx, l)
		return r, true, err
	}
	t.mu.Lock()
	l := t.dormant[id]
	delete(t.dormant, id)
	t.mu.Unlock()
	if l != nil {
		adopt(ctx, parent, l)
		if err := t.revive(ctx, l); err != nil {
			return Run{}, true, err
		}
		parent.called(l)
		r, err := t.ending(ctx, l)
		return r, true, err
	}
	r, err := t.stored(ctx, id)
	if fault.CodeOf(err) == fault.NotFound {
		return Run{}, false, nil
	}
	return r, err == nil, err
}

// childID has its parent's time in front, so that ids go on sorting by it.
func childID(parent ID, callID string) ID {
	var raw [16]byte
	if b, err := idCoding.DecodeString(string(parent)[len("run_"):]); err == nil {
		copy(raw[:6], b)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s", parent, callID))
	copy(raw[6:], sum[:])
	return ID("run_" + idCoding.EncodeToString(raw[:]))
}

// reapTime is how long the end of a run waits for the ends of what it called.
const reapTime = 10 * time.Second

// reap ends what a run has called and not waited for, so that nothing below a run
// goes on when it has ended.
func (t *Tasks) reap(l *live) {
	left := l.calls()
	for _, c := range left {
		c.cancel(fault.New(fault.Cancelled, "the run that called it is over"))
	}
	late := time.NewTimer(reapTime)
	defer late.Stop()
	for _, c := range left {
		select {
		case <-c.done:
		case <-late.C:
			t.log.Warn("a called run does not end", "task", l.run.ID, "called", c.run.ID)
			return
		}
	}
}

// orphans ends what a run had called in another process and not called again.
func (t *Tasks) orphans(parent ID) {
	t.mu.Lock()
	var left []*live
	for id, l := range t.dormant {
		if l.run.Parent == parent {
			left = append(left, l)
			delete(t.dormant, id)
		}
	}
	t.mu.Unlock()
	for _, l := range left {
		t.orphans(l.run.ID)
		if err := t.settle(l, fault.New(fault.Cancelled, callerOver)); err != nil {
			t.log.Error("orphan", "task", l.run.ID, "err", err)
		}
	}
}
