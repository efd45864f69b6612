package task

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Wait is what a run waits for: a person (Role) or a moment (no Role).
type Wait struct {
	Role string          // who may agree: "role:finance"; "" for a timer
	Data json.RawMessage // what is to be agreed to
	Due  time.Time       // when waiting ends by itself; zero: never
}

// Answer to a Wait.
type Answer struct {
	OK     bool   `json:"ok"` // agreed; a timer that went off
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Timeout: nobody answered in time.
	Timeout bool `json:"timeout,omitempty"`
}

const waitSchema = `
CREATE TABLE IF NOT EXISTS waits (
	run TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, data BLOB, created INTEGER NOT NULL, due INTEGER NOT NULL,
	answer BLOB, PRIMARY KEY (run, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS open_waits ON waits (created) WHERE answer IS NULL;`

// waiting is what the "waiting" event says.
type waiting struct {
	For   string          `json:"for"` // approval | timer
	Run   ID              `json:"run"` // the run that waits: this one, or one that it called
	Name  string          `json:"name"`
	Role  string          `json:"role,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`
	DueMS int64           `json:"due_unix_ms,omitempty"`
}

func (t *Tasks) wait(ctx context.Context, l *live, name string, w Wait) (Answer, error) {
	ch := make(chan Answer, 1)
	l.mu.Lock()
	l.waiters[name] = ch
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.waiters, name)
		l.mu.Unlock()
	}()
	known, answer, err := t.openWait(l, name, &w)
	if err != nil || answer != nil {
		if err != nil {
			return Answer{}, err
		}
		return *answer, nil
	}
	if !known {
		t.tellWaiting(l, name, w)
	}
	var due <-chan time.Time
	if !w.Due.IsZero() {
		timer := time.NewTimer(time.Until(w.Due))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case a := <-ch:
		return a, nil
	case <-due:
		return t.settleWait(l.run.ID, name, Answer{OK: w.Role == "", Timeout: w.Role != ""})
	case <-ctx.Done():
		return Answer{}, context.Cause(ctx)
	}
}

// openWait puts a wait on disk, or reads the one that is there: what it was due
// then holds.
func (t *Tasks) openWait(l *live, name string, w *Wait) (known bool, answer *Answer, err error) {
	err = t.journal.wait(func(tx *sql.Tx) error {
		known, answer = false, nil
		var raw []byte
		var due int64
		err := tx.QueryRow(`SELECT answer, due FROM waits WHERE run = ? AND name = ?`, l.run.ID, name).Scan(&raw, &due)
		if errors.Is(err, sql.ErrNoRows) {
			_, err := tx.Exec(`INSERT INTO waits VALUES (?,?,?,?,?,?,NULL)`, l.run.ID, name, w.Role, []byte(w.Data),
				time.Now().UnixMilli(), unixMilli(w.Due))
			return err
		}
		if err != nil {
			return err
		}
		known = true
		if w.Due = (time.Time{}); due > 0 {
			w.Due = time.UnixMilli(due)
		}
		if raw != nil {
			answer = new(Answer)
			return json.Unmarshal(raw, answer)
		}
		return nil
	})
	if err != nil {
		return false, nil, unwritable(err)
	}
	return known, answer, nil
}

// tellWaiting says in the run and in all above it that a person is waited for.
func (t *Tasks) tellWaiting(l *live, name string, w Wait) {
	what := "timer"
	if w.Role != "" {
		what = "approval"
	}
	ev := waiting{what, l.run.ID, name, w.Role, w.Data, unixMilli(w.Due)}
	_ = t.emit(l, "waiting", ev)
	for p := l.parent; p != nil && w.Role != ""; p = p.parent {
		_ = t.emit(p, "waiting", ev)
	}
}

// settleWait writes an answer unless there is one, and returns the one that holds.
func (t *Tasks) settleWait(run ID, name string, a Answer) (Answer, error) {
	holds := a
	err := t.journal.wait(func(tx *sql.Tx) error {
		holds = a
		var raw []byte
		if err := tx.QueryRow(`SELECT answer FROM waits WHERE run = ? AND name = ?`, run, name).Scan(&raw); err != nil {
			return err
		}
		if raw != nil {
			return json.Unmarshal(raw, &holds)
		}
		raw, err := json.Marshal(a)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE waits SET answer = ? WHERE run = ? AND name = ?`, raw, run, name)
		return err
	})
	if err != nil {
		return Answer{}, unwritable(err)
	}
	return holds, nil
}

// Approve answers the oldest open approval of a run or of what it called. The
// answer is on disk when it returns. Fault: NotFound if nothing waits.
func (t *Tasks) Approve(ctx context.Context, id ID, a Answer) (Run, error) {
	if _, err := t.Get(ctx, id); err != nil {
		return Run{}, err
	}
	var run ID
	var name string
	err := t.db.QueryRowContext(ctx, `WITH RECURSIVE below(r) AS (
			SELECT ?1 UNION SELECT runs.id FROM runs JOIN below ON runs.parent = r)
		SELECT run, name FROM waits JOIN below ON run = r JOIN runs ON runs.id = r
		WHERE answer IS NULL AND role != '' AND runs.ended = 0 ORDER BY waits.created LIMIT 1`, id).Scan(&run, &name)
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, fault.New(fault.NotFound, "run %s waits for nobody's approval", id).WithHint("see arc ps")
	}
	if err != nil {
		return Run{}, fmt.Errorf("approvals of %s: %w", id, err)
	}
	holds, err := t.settleWait(run, name, a)
	if err != nil {
		return Run{}, err
	}
	if holds != a {
		return Run{}, fault.New(fault.Conflict, "the approval that %s waited for was answered by %s", run, orSomebody(holds.By))
	}
	if l := t.find(run); l != nil {
		_ = t.emit(l, "answered", map[string]any{"name": name, "ok": a.OK, "by": a.By, "reason": a.Reason})
		l.mu.Lock()
		if ch := l.waiters[name]; ch != nil {
			select {
			case ch <- a:
			default:
			}
		}
		l.mu.Unlock()
	}
	return t.Get(ctx, run)
}

func orSomebody(s string) string {
	if s == "" {
		return "somebody else"
	}
	return s
}

// suspend shows the run as waiting while until runs and nothing else of it does;
// its slot then goes to others.
func (t *Tasks) suspend(ctx context.Context, l *live, until func(context.Context) error) error {
	if err := t.park(ctx, l, 0, 1); err != nil {
		return err
	}
	err := until(ctx)
	if back := t.park(ctx, l, 0, -1); err == nil {
		err = back
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// park counts the pieces of a run that go on by themselves, and those of them
// that wait. An agent or a team whose calls all wait is shown as waiting too, and
// gives its slot to others; locks go from a run to the one above it.
func (t *Tasks) park(ctx context.Context, l *live, pieces, parked int) error {
	l.parkMu.Lock()
	defer l.parkMu.Unlock()
	l.pieces += pieces
	l.parked += parked
	switch waits := l.parked > 0 && l.parked >= l.pieces; {
	case waits && !l.waits:
		l.waits, l.hadSlot = true, l.hasSlot
		if l.hasSlot {
			l.slot.leave()
			l.hasSlot = false
		}
		if err := t.setState(l, Waiting); err != nil {
			return err
		}
		return t.parkAbove(ctx, l, true)
	case !waits && l.waits && ctx.Err() == nil:
		if err := t.parkAbove(ctx, l, false); err != nil {
			return err
		}
		l.waits = false
		if l.hadSlot {
			t.inLine(l, true)
			defer t.inLine(l, false)
			tk, _ := l.slot.enter(l.root)
			select {
			case <-tk.ready:
				l.hasSlot = true
			case <-ctx.Done():
				l.slot.abandon(tk)
				return context.Cause(ctx)
			}
		}
		return t.setState(l, Running)
	}
	return nil
}

// parkAbove counts a run that waits as a waiting piece of the one that called it,
// if that does nothing but call others. l.parkMu is held.
func (t *Tasks) parkAbove(ctx context.Context, l *live, waits bool) error {
	if l.parent == nil || l.counted == waits || l.parent.unit.Kind != bundle.Agent && l.parent.unit.Kind != bundle.Team {
		return nil
	}
	l.counted = waits
	if waits {
		return t.park(ctx, l.parent, 0, 1)
	}
	return t.park(ctx, l.parent, 0, -1)
}

func (t *Tasks) setState(l *live, s State) error {
	l.mu.Lock()
	same := l.run.State == s
	l.mu.Unlock()
	if same {
		return nil
	}
	err := t.journal.wait(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE runs SET state = ? WHERE id = ?`, s, l.run.ID)
		return err
	})
	if err != nil {
		return unwritable(err)
	}
	l.mu.Lock()
	l.run.State = s
	l.notify()
	l.mu.Unlock()
	return nil
}

// OpenWait is a wait without an answer.
type OpenWait struct {
	Run     ID
	Unit    string
	Role    string
	Data    json.RawMessage
	Created time.Time
	Due     time.Time // zero: never
}

// Waits lists what open runs wait for, oldest first, at most 1000.
func (t *Tasks) Waits(ctx context.Context) ([]OpenWait, error) {
	rows, err := t.db.QueryContext(ctx, `SELECT run, unit, role, data, waits.created, due FROM waits JOIN runs ON runs.id = run
		WHERE answer IS NULL AND runs.ended = 0 ORDER BY waits.created LIMIT 1000`)
	if err != nil {
		return nil, fmt.Errorf("waits: %w", err)
	}
	defer rows.Close()
	var out []OpenWait
	for rows.Next() {
		var w OpenWait
		var data []byte
		var created, due int64
		if err := rows.Scan(&w.Run, &w.Unit, &w.Role, &data, &created, &due); err != nil {
			return nil, fmt.Errorf("waits: %w", err)
		}
		w.Data, w.Created = data, time.UnixMilli(created)
		if due > 0 {
			w.Due = time.UnixMilli(due)
		}
		out = append(out, w)
	}
	return out, rows.Err()
}
