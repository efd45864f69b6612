package task

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Reason is what a run waits for, as far as this room knows: tokens are quiltd's.
type Reason struct {
	For    string // approval | timer | turn | slot | child; "": nothing
	Of     string // of turn: what is bounded
	HeldBy []ID   // runs that must end first; the runs that were called
	// Of turn and slot: 1 is the next.
	Position int
	Role     string          // of approval: who may agree
	Data     json.RawMessage // of approval
	Due      time.Time       // of approval and timer; zero: never
	Unit     string          // of child: the unit that was called
}

// Why says what a run that has not ended waits for.
func (t *Tasks) Why(ctx context.Context, id ID) (Run, Reason, error) {
	r, err := t.Get(ctx, id)
	if err != nil || r.State.Ended() {
		return r, Reason{}, err
	}
	l := t.find(id)
	if l == nil {
		return r, Reason{}, nil
	}
	if of, holders, position := t.lanes.ahead(l); of != "" {
		return r, Reason{For: "turn", Of: of, HeldBy: holders, Position: position}, nil
	}
	if q := l.slot; q != nil {
		if ahead, waits := q.place(l.root); waits && t.lines(l) {
			return r, Reason{For: "slot", Position: ahead}, nil
		}
	}
	if w, err := t.openWaitOf(ctx, id); err != nil || w.For != "" {
		return r, w, err
	}
	return r, t.called(l), nil
}

// lines: the run stands in the line for a slot.
func (t *Tasks) lines(l *live) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lining
}

func (t *Tasks) openWaitOf(ctx context.Context, id ID) (Reason, error) {
	rows, err := t.db.QueryContext(ctx, `SELECT role, data, due FROM waits WHERE run = ? AND answer IS NULL ORDER BY created LIMIT 1`, id)
	if err != nil {
		return Reason{}, fmt.Errorf("waits of %s: %w", id, err)
	}
	defer rows.Close()
	var w Reason
	for rows.Next() {
		var data []byte
		var due int64
		if err := rows.Scan(&w.Role, &data, &due); err != nil {
			return Reason{}, fmt.Errorf("waits of %s: %w", id, err)
		}
		w.For, w.Data = "timer", data
		if w.Role != "" {
			w.For = "approval"
		}
		if due > 0 {
			w.Due = time.UnixMilli(due)
		}
	}
	return w, rows.Err()
}

// called are the open runs that a run has called, oldest first.
func (t *Tasks) called(l *live) Reason {
	open := l.calls()
	if len(open) == 0 {
		return Reason{}
	}
	w := Reason{For: "child", Unit: open[0].unit.Name}
	for _, c := range open {
		w.HeldBy = append(w.HeldBy, c.run.ID)
	}
	return w
}
