package task

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Origin is the mark of a run that has its past from another.
type Origin struct {
	Run     ID    `json:"run"`
	Event   int64 `json:"event"`
	Created int64 `json:"created_unix_ms"`
}

const originMark = "origin"

// Fork starts a run that has the past of another one up to an event, on the code
// of another bundle if one is given: answers that came by then are given again,
// what had ended by then stays so, and from there on it is a run like any other.
func (t *Tasks) Fork(ctx context.Context, id ID, from uint64, digest bundle.Digest) (Run, error) {
	rec, err := t.Recording(ctx, id)
	if err != nil {
		return Run{}, err
	}
	old := rec.Runs[0]
	i := slices.IndexFunc(old.Events, func(e RecordedEvent) bool { return e.Seq == from })
	if i < 0 {
		return Run{}, fault.New(fault.Invalid, "run %s has no event %d; its last is %d", id, from, len(old.Events)).
			WithHint("arc logs %s --json shows their numbers", id)
	}
	if old.Events[i].Kind == "ended" {
		return Run{}, fault.New(fault.Invalid, "event %d is the end of run %s: there is nothing behind it", from, id).
			WithHint("name an earlier event")
	}
	if digest == "" {
		digest = old.Bundle
	}
	u, err := t.reg.Resolve(string(digest) + "#" + old.Unit)
	if err != nil {
		return Run{}, err
	}
	if u.Kind != old.Kind {
		return Run{}, fault.New(fault.Invalid, "%s was a %s and is a %s", old.Unit, old.Kind, u.Kind)
	}
	l, err := t.prepare(u, old.Input, "")
	if err != nil {
		return Run{}, err
	}
	return t.branch(l, rec, u, old.Events[i])
}

func (t *Tasks) branch(l *live, rec *Recording, u registry.Unit, at RecordedEvent) (Run, error) {
	t.mu.Lock()
	closing := t.closing || t.draining
	t.mu.Unlock()
	if closing {
		return Run{}, stopping()
	}
	old := past{rec.Runs[0], at, at.Time}
	l.root, l.resumed = l.run.ID, true
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	l.run.State = Running
	from := old.run.Origin()
	mark, err := json.Marshal(Origin{from.Run, int64(at.Seq), from.Created})
	if err != nil {
		return Run{}, fmt.Errorf("origin of %s: %w", l.run.ID, err)
	}
	err = t.journal.wait(func(tx *sql.Tx) error {
		if err := insertRun(tx, l, "", nil); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT OR REPLACE INTO marks VALUES (?,?,?)`, l.run.ID, originMark, mark); err != nil {
			return err
		}
		if err := old.copyTo(tx, l.run.ID); err != nil {
			return err
		}
		for _, c := range rec.Runs[1:] {
			child := past{c, at, at.Time}
			if c.Parent == old.run.ID && child.ended() {
				if err := child.copyChild(tx, l); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return Run{}, unwritable(err)
	}
	l.run.LastSeq, l.next = at.Seq, at.Seq
	t.count.Add(1)
	if err := t.revive(context.Background(), l); err != nil {
		return Run{}, err
	}
	_ = t.emit(l, "forked", map[string]any{"from": old.run.ID, "event": at.Seq, "bundle": u.Digest})
	return l.snapshot(), nil
}

// past is a run up to a moment.
type past struct {
	run  RecordedRun
	at   RecordedEvent // of the run at the top
	till int64         // its time
}

// Origin is the run whose clock and chance this one has: itself, unless it was
// forked.
func (r *RecordedRun) Origin() Origin {
	o := Origin{Run: r.ID, Created: r.Created}
	if raw, ok := r.Marks[originMark]; ok {
		_ = json.Unmarshal(raw, &o) // it was written by us
	}
	return o
}

func (p past) ended() bool {
	n := len(p.run.Events)
	return n > 0 && p.run.State.Ended() && p.run.Events[n-1].Time <= p.till
}

func (p past) copyTo(tx *sql.Tx, to ID) error {
	for _, e := range p.run.Events {
		if e.Time > p.till {
			break
		}
		if err := insertEvent(tx, Event{to, e.Seq, time.Unix(0, e.Time), e.Kind, e.Data}); err != nil {
			return err
		}
	}
	for _, e := range p.run.Effects {
		if p.knew(e) {
			if err := insertEffect(tx, to, e.Scope, e.Effect(), e.After); err != nil {
				return err
			}
		}
	}
	for name, value := range p.run.Marks {
		if name != originMark && p.had(name, value) {
			if _, err := tx.Exec(`INSERT OR REPLACE INTO marks VALUES (?,?,?)`, to, name, []byte(value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// knew: the answer had come by then. A call that was under way is made anew.
func (p past) knew(e RecordedEffect) bool {
	return !e.Intent && e.Before(p.at)
}

// had says whether a mark was there by then, by the event that goes with it.
func (p past) had(name string, value json.RawMessage) bool {
	kind, rest, _ := strings.Cut(name, "/")
	switch kind {
	case "asked":
		return false // the fork pays for what it asks itself
	case "turn":
		return p.told("model.reply", rest)
	case "step":
		step, _, piece := strings.Cut(rest, ".")
		return p.told("step.done", step) || p.told("step.skipped", step) || piece && p.told("step.started", step) && p.all()
	case "undo":
		return p.told("step.undone", rest)
	case "failed":
		return p.told("step.failed", "")
	case "attempt":
		return p.told("retry", string(value))
	case "clock":
		ms, err := strconv.ParseInt(string(value), 10, 64)
		return err == nil && ms <= p.till/int64(time.Millisecond)
	case "parked", "attempts":
		return false
	}
	return true
}

// all: the moment is the run's last.
func (p past) all() bool { return p.run.Events[len(p.run.Events)-1].Time <= p.till }

// told: an event of a kind was there by then, of that step, turn or attempt if
// one is named.
func (p past) told(kind, of string) bool {
	return slices.ContainsFunc(p.run.Events, func(e RecordedEvent) bool {
		if e.Kind != kind || e.Time > p.till {
			return false
		}
		var at struct{ Step, Attempt any }
		_ = json.Unmarshal(e.Data, &at) // what has neither is not named
		return of == "" || fmt.Sprint(at.Step) == of || fmt.Sprint(at.Attempt) == of
	})
}

// copyChild gives the new run what the old one had called and got an answer from.
func (p past) copyChild(tx *sql.Tx, parent *live) error {
	var a accepted
	if err := json.Unmarshal(p.run.Events[0].Data, &a); err != nil {
		return fmt.Errorf("call of %s: %w", p.run.ID, err)
	}
	to := childID(parent.run.ID, a.Call)
	a.Parent = parent.run.ID
	first, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("call of %s: %w", p.run.ID, err)
	}
	r := p.run
	child := newLive()
	child.depth = parent.depth + 1
	child.run = Run{ID: to, Unit: r.Unit, Kind: r.Kind, Bundle: r.Bundle, State: r.State, Input: r.Input, Output: r.Output,
		Error: r.Error.Fault(), Parent: parent.run.ID, Created: time.UnixMilli(r.Created), Ended: time.Unix(0, r.Events[len(r.Events)-1].Time)}
	if err := insertRun(tx, child, "", nil); err != nil {
		return err
	}
	if err := updateEnded(tx, child.run); err != nil {
		return err
	}
	for i, e := range r.Events {
		if i == 0 {
			e.Data = first
		}
		if err := insertEvent(tx, Event{to, e.Seq, time.Unix(0, e.Time), e.Kind, e.Data}); err != nil {
			return err
		}
	}
	return nil
}

// origin of a run that has its past from another; the run itself otherwise.
func (t *Tasks) origin(l *live) Origin {
	own := Origin{Run: l.run.ID, Created: l.run.Created.UnixMilli()}
	if !l.resumed {
		return own
	}
	raw, err := t.recall(context.Background(), l, originMark)
	if err != nil || raw == nil {
		return own
	}
	var o Origin
	if json.Unmarshal(raw, &o) != nil {
		return own
	}
	return o
}
