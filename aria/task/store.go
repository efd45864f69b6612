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

const schema = `
CREATE TABLE IF NOT EXISTS runs (
	id TEXT PRIMARY KEY, unit TEXT NOT NULL, kind TEXT NOT NULL, bundle TEXT NOT NULL, state TEXT NOT NULL,
	input BLOB, output BLOB, error BLOB, parent TEXT NOT NULL, depth INTEGER NOT NULL,
	created INTEGER NOT NULL, ended INTEGER NOT NULL, deadline INTEGER NOT NULL,
	key TEXT UNIQUE, asked BLOB);
DROP INDEX IF EXISTS open_runs;
CREATE INDEX IF NOT EXISTS unfinished ON runs (state) WHERE state IN ('pending', 'running', 'waiting');
CREATE INDEX IF NOT EXISTS children ON runs (parent) WHERE parent != '';
CREATE TABLE IF NOT EXISTS events (
	run TEXT NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL, kind TEXT NOT NULL, data BLOB,
	PRIMARY KEY (run, seq)) WITHOUT ROWID;`

// storedError is a fault as it lies in the journal and in "ended" events.
type storedError struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
	Stack   string     `json:"stack,omitempty"`
}

func store(e *fault.Error) *storedError {
	if e == nil {
		return nil
	}
	return &storedError{e.Code, e.Message, e.Hint, e.Stack}
}

func insertRun(tx *sql.Tx, l *live, key string, asked []byte) error {
	r := &l.run
	_, err := tx.Exec(`INSERT INTO runs (id, unit, kind, bundle, state, input, parent, depth, created, ended, deadline, key, asked)
		VALUES (?,?,?,?,?,?,?,?,?,0,?,?,?)`, r.ID, r.Unit, r.Kind, r.Bundle, r.State, []byte(r.Input), r.Parent, l.depth,
		r.Created.UnixMilli(), unixMilli(l.deadline), sql.NullString{String: key, Valid: key != ""}, asked)
	return err
}

func insertEvent(tx *sql.Tx, ev Event) error {
	_, err := tx.Exec(`INSERT INTO events VALUES (?,?,?,?,?)`, ev.Run, ev.Seq, ev.Time.UnixNano(), ev.Kind, []byte(ev.Data))
	return err
}

func updateEnded(tx *sql.Tx, r Run) error {
	var e []byte
	if r.Error != nil {
		e, _ = json.Marshal(store(r.Error))
	}
	_, err := tx.Exec(`UPDATE runs SET state = ?, output = ?, error = ?, ended = ? WHERE id = ?`,
		r.State, []byte(r.Output), e, r.Ended.UnixMilli(), r.ID)
	return err
}

const runColumns = `id, unit, kind, bundle, state, error, parent, created, ended,
	(SELECT COALESCE(MAX(seq), 0) FROM events WHERE run = id)`

// startColumn is the first "started" event of a run, for started. It is among the
// first, or there is none: a list of runs must not read all that they said.
const startColumn = `, (SELECT data FROM events WHERE run = id AND seq <= 64 AND kind = 'started' ORDER BY seq LIMIT 1)`

func (r *Run) started(data []byte) {
	if len(data) > 0 {
		_ = json.Unmarshal(data, &r.Start) // that of an agent has no start
	}
}

func scanRun(scan func(...any) error, r *Run, more ...any) error {
	var e []byte
	var created, ended int64
	err := scan(append([]any{&r.ID, &r.Unit, &r.Kind, &r.Bundle, &r.State, &e, &r.Parent, &created, &ended, &r.LastSeq}, more...)...)
	if err != nil {
		return err
	}
	r.Created = time.UnixMilli(created)
	if ended > 0 {
		r.Ended = time.UnixMilli(ended)
	}
	if len(e) > 0 {
		var s storedError
		if err := json.Unmarshal(e, &s); err != nil {
			return fmt.Errorf("error of %s: %w", r.ID, err)
		}
		r.Error = &fault.Error{Code: s.Code, Message: s.Message, Hint: s.Hint, Stack: s.Stack}
	}
	return nil
}

func noID(id ID) error {
	return fault.New(fault.Invalid, "%.40q is not the id of a run", string(id)).WithHint("see arc ls runs")
}

func (t *Tasks) stored(ctx context.Context, id ID) (Run, error) {
	if !id.valid() {
		return Run{}, noID(id)
	}
	var r Run
	var input, output, start []byte
	row := t.db.QueryRowContext(ctx, `SELECT `+runColumns+startColumn+`, input, output FROM runs WHERE id = ?`, id)
	err := scanRun(row.Scan, &r, &start, &input, &output)
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, fault.New(fault.NotFound, "no run %s", id).WithHint("see arc ls runs")
	}
	if err != nil {
		return Run{}, fmt.Errorf("read run %s: %w", id, err)
	}
	r.Input, r.Output = input, output
	r.started(start)
	return r, nil
}

// storedEvents reads up to limit events after a sequence number.
func (t *Tasks) storedEvents(ctx context.Context, id ID, after uint64, limit int) ([]Event, error) {
	rows, err := t.db.QueryContext(ctx,
		`SELECT seq, time, kind, data FROM events WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?`, id, int64(after), limit)
	if err != nil {
		return nil, fmt.Errorf("events of %s: %w", id, err)
	}
	defer rows.Close()
	var out []Event
	for rows.Next() {
		ev := Event{Run: id}
		var ns int64
		var data []byte
		if err := rows.Scan(&ev.Seq, &ns, &ev.Kind, &data); err != nil {
			return nil, fmt.Errorf("events of %s: %w", id, err)
		}
		ev.Time, ev.Data = time.Unix(0, ns), data
		out = append(out, ev)
	}
	return out, rows.Err()
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
