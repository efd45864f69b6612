package task

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Recover brings every run that the last process left open into an honest
// state: what had not begun starts again, what was going on, or was called by
// something that was, ends as interrupted. Call it once, before Start.
func (t *Tasks) Recover(ctx context.Context) error {
	rows, err := t.db.QueryContext(ctx, `SELECT `+runColumns+`, input, depth, deadline FROM runs
		WHERE state IN ('pending', 'running') ORDER BY id`)
	if err != nil {
		return fmt.Errorf("open runs: %w", err)
	}
	var open []*live
	for rows.Next() {
		l := &live{done: make(chan struct{}), changed: make(chan struct{})}
		var input []byte
		var deadline int64
		if err := scanRun(rows.Scan, &l.run, &input, &l.depth, &deadline); err != nil {
			rows.Close()
			return fmt.Errorf("open runs: %w", err)
		}
		l.run.Input = input
		if deadline > 0 {
			l.deadline = time.UnixMilli(deadline)
		}
		l.root, l.next = l.run.ID, l.run.LastSeq
		l.ctx, l.cancel = context.WithCancelCause(context.Background())
		open = append(open, l)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("open runs: %w", err)
	}
	for _, l := range open {
		if err := t.revive(l); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tasks) revive(l *live) error {
	if l.run.State == Running || l.run.Parent != "" {
		t.log.Warn("run was interrupted", "task", l.run.ID, "unit", l.run.Unit)
		return t.settle(l, interrupted("ariad stopped while the run was going on"))
	}
	u, err := t.reg.Resolve(string(l.run.Bundle) + "#" + l.run.Unit)
	if err == nil {
		_, err = t.runner(u)
	}
	if err != nil {
		return t.settle(l, err)
	}
	l.unit = u
	t.mu.Lock()
	t.live[l.run.ID] = l
	t.running.Add(1)
	t.mu.Unlock()
	t.log.Info("run starts again", "task", l.run.ID, "unit", l.run.Unit)
	slot := t.slot(l)
	go t.drive(l, slot, slot == nil)
	return nil
}

// settle ends a run that nobody drives.
func (t *Tasks) settle(l *live, why error) error {
	r := l.run
	r.State, r.Error, r.Ended = Failed, t.face(r.ID, why), time.Now()
	raw, err := json.Marshal(ended{State: r.State, Error: store(r.Error), TookUS: r.Ended.Sub(r.Created).Microseconds()})
	if err != nil {
		return fmt.Errorf("event ended: %w", err)
	}
	ev := Event{Run: r.ID, Seq: l.next + 1, Time: r.Ended, Kind: "ended", Data: raw}
	err = t.journal.wait(func(tx *sql.Tx) error {
		if err := insertEvent(tx, ev); err != nil {
			return err
		}
		return updateEnded(tx, r)
	})
	if err == nil || fault.CodeOf(unwritable(err)) != fault.Exhausted {
		return err
	}
	// A full disk must not keep ariad down: the end stands in memory until the
	// next start finds room for it.
	l.run, l.finished = r, true
	l.keep(ev)
	close(l.done)
	t.mu.Lock()
	t.live[r.ID] = l
	t.mu.Unlock()
	return nil
}
