package task

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// fruitless is how often a run is taken up without getting any further before it
// is given up: it may be what brings ariad down.
const fruitless = 10

// Recover takes up every run that the last process left open. What others called
// lies dormant until they call it again. Call it once, before Start.
func (t *Tasks) Recover(ctx context.Context) error {
	open, err := t.open(ctx)
	if err != nil {
		return err
	}
	here := map[ID]bool{}
	for _, l := range open {
		here[l.run.ID] = true
	}
	tired, err := t.tried(ctx, open)
	if err != nil {
		return err
	}
	t.rejoin(open)
	t.mu.Lock()
	for _, l := range open {
		if here[l.run.Parent] {
			t.dormant[l.run.ID] = l
		}
	}
	t.mu.Unlock()
	for _, l := range open {
		var err error
		switch {
		case here[l.run.Parent]:
		case l.run.Parent != "":
			err = t.settle(l, fault.New(fault.Cancelled, callerOver))
		case tired[l.run.ID]:
			t.orphans(l.run.ID)
			err = t.settle(l, fault.New(fault.Interrupted, "ariad stopped %d times while the run was going on, which got no further", fruitless).
				WithHint("what it did until then stays done; its events and the log of ariad may say what stops it"))
		default:
			err = t.revive(context.Background(), l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rejoin gives the runs that were open the places they had among those with their
// key: first those that went on, then those that waited, in order of arrival.
func (t *Tasks) rejoin(open []*live) {
	for _, waited := range []bool{false, true} {
		for _, l := range open {
			if (l.run.State == Pending) != waited {
				continue
			}
			l.session = t.sessionOf(l)
			if u, err := t.reg.Resolve(string(l.run.Bundle) + "#" + l.run.Unit); err == nil {
				l.unit = u
				t.lanes.rejoin(l)
			}
		}
	}
}

// sessionOf is the name of the session that a recorded run is a turn of.
func (t *Tasks) sessionOf(l *live) string {
	var raw []byte
	var s Session
	if t.db.QueryRow(`SELECT value FROM marks WHERE run = ? AND name = ?`, l.run.ID, sessionMark).Scan(&raw) != nil || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s.ID
}

func (t *Tasks) open(ctx context.Context) ([]*live, error) {
	rows, err := t.db.QueryContext(ctx, `SELECT `+runColumns+`, input, depth, deadline FROM runs
		WHERE state IN ('pending', 'running', 'waiting') ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("open runs: %w", err)
	}
	defer rows.Close()
	var open []*live
	for rows.Next() {
		l := newLive()
		var input []byte
		var deadline int64
		if err := scanRun(rows.Scan, &l.run, &input, &l.depth, &deadline); err != nil {
			return nil, fmt.Errorf("open runs: %w", err)
		}
		l.run.Input = input
		if deadline > 0 {
			l.deadline = time.UnixMilli(deadline)
		}
		l.root, l.next, l.resumed = l.run.ID, l.run.LastSeq, true
		l.ctx, l.cancel = context.WithCancelCause(context.Background())
		open = append(open, l)
	}
	return open, rows.Err()
}

// attempts is how often a run was taken up without getting further.
type attempts struct {
	Times    int   `json:"times"`
	Progress int64 `json:"progress"`
}

// tried counts, in one transaction, how often each running run was taken up, and
// says which were too often.
func (t *Tasks) tried(ctx context.Context, open []*live) (map[ID]bool, error) {
	tired := map[ID]bool{}
	err := t.journal.wait(func(tx *sql.Tx) error {
		clear(tired)
		for _, l := range open {
			if l.run.State != Running || l.run.Parent != "" {
				continue
			}
			a, err := tryAgain(tx, l.run.ID)
			if err != nil {
				return err
			}
			tired[l.run.ID] = a.Times > fruitless
		}
		return nil
	})
	if err != nil && full(err) {
		return tired, nil // a full disk must not keep ariad down
	}
	return tired, err
}

func tryAgain(tx *sql.Tx, id ID) (attempts, error) {
	var a attempts
	var raw []byte
	err := tx.QueryRow(`SELECT value FROM marks WHERE run = ? AND name = 'attempts'`, id).Scan(&raw)
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return a, err
	}
	var progress int64
	err = tx.QueryRow(`WITH RECURSIVE below(r) AS (SELECT ?1 UNION SELECT runs.id FROM runs JOIN below ON runs.parent = r)
		SELECT (SELECT COUNT(*) FROM below) + (SELECT COUNT(*) FROM effects JOIN below ON run = r) +
			(SELECT COUNT(*) FROM marks JOIN below ON run = r WHERE name != 'attempts') +
			(SELECT COUNT(*) FROM runs JOIN below ON id = r WHERE ended > 0)`, id).Scan(&progress)
	if err != nil {
		return a, err
	}
	if progress > a.Progress {
		a = attempts{Progress: progress}
	}
	a.Times++
	raw, err = json.Marshal(a)
	if err != nil {
		return a, err
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO marks VALUES (?, 'attempts', ?)`, id, raw)
	return a, err
}

// revive drives a run that another process left open.
func (t *Tasks) revive(base context.Context, l *live) error {
	u, err := t.reg.Resolve(string(l.run.Bundle) + "#" + l.run.Unit)
	if err == nil {
		_, err = t.runner(u)
	}
	if err != nil {
		t.orphans(l.run.ID)
		return t.settle(l, err)
	}
	l.unit = u
	l.ctx, l.cancel = context.WithCancelCause(base)
	l.slot = t.slot(l)
	was := l.run.State
	t.mu.Lock()
	t.live[l.run.ID] = l
	t.running.Add(1)
	t.mu.Unlock()
	t.log.Info("run goes on", "task", l.run.ID, "unit", l.run.Unit)
	if was != Pending {
		_ = t.emit(l, "resumed", map[string]any{"state": was})
	}
	go t.drive(l)
	return nil
}

// settle ends a run that nobody drives.
func (t *Tasks) settle(l *live, why error) error {
	defer t.lanes.leave(l)
	r := l.run
	r.State, r.Error, r.Ended = Failed, t.face(r.ID, why), time.Now()
	if r.Error.Code == fault.Cancelled {
		r.State = Cancelled
	}
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
	if err == nil {
		t.told.tell(&r, ev)
		l.run = r
		close(l.done)
		return nil
	}
	if fault.CodeOf(unwritable(err)) != fault.Exhausted {
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
