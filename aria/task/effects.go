package task

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Effect is one call of a unit with the answer that the unit learned, or, with
// Intent, the announcement of a call that cannot be made twice. Effects are kept
// by scope: one attempt of one piece of a run's code.
type Effect struct {
	Seq    uint64 // 1, 2, 3 … in the order in which the unit learned
	ID     int64  // of the call
	Op     string
	Args   []byte // the first 16 bytes of the sha256 of its arguments
	Text   string // the arguments for people, clipped
	Intent bool
	Value  json.RawMessage // unless Error
	Error  *fault.Error
	Clock  time.Time // the unit's clock from here on
}

const effectSchema = `
CREATE TABLE IF NOT EXISTS effects (
	run TEXT NOT NULL, scope TEXT NOT NULL, seq INTEGER NOT NULL, id INTEGER NOT NULL, op TEXT NOT NULL, args BLOB,
	text TEXT NOT NULL, intent INTEGER NOT NULL, value BLOB, error BLOB, clock INTEGER NOT NULL,
	after INTEGER NOT NULL DEFAULT 0, -- the event of the run that was told last; 0: not known
	PRIMARY KEY (run, scope, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (
	run TEXT NOT NULL, name TEXT NOT NULL, value BLOB, PRIMARY KEY (run, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS run_secret (one INTEGER PRIMARY KEY CHECK (one = 1), secret BLOB NOT NULL);`

// record queues an effect; durable is called once it is on disk. If it cannot be
// written the run breaks off.
func (t *Tasks) record(l *live, scope string, e Effect, durable func()) error {
	if err := l.problem(); err != nil {
		return unwritable(err)
	}
	l.mu.Lock()
	l.recorded++
	after := l.next
	l.mu.Unlock()
	t.journal.add(op{
		do: func(tx *sql.Tx) error {
			if err := l.problem(); err != nil {
				return err
			}
			return insertEffect(tx, l.run.ID, scope, e, after)
		},
		done: func(err error) {
			if err != nil {
				l.breakOff(err)
				return
			}
			durable()
		},
	})
	return nil
}

// breakOff stops a run whose journal refused a write.
func (l *live) breakOff(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		l.broken = err
		l.cancel(unwritable(err))
	}
	l.notify()
}

// after is the last event of the run that was told before.
func insertEffect(tx *sql.Tx, run ID, scope string, e Effect, after uint64) error {
	var fail []byte
	if e.Error != nil {
		fail, _ = json.Marshal(store(e.Error))
	}
	// The same effect again is the same effect: a record may be sent twice when a
	// daemon stops between its commit and the acknowledgement.
	_, err := tx.Exec(`INSERT OR REPLACE INTO effects VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`, run, scope, int64(e.Seq), e.ID, e.Op, e.Args,
		e.Text, e.Intent, []byte(e.Value), fail, e.Clock.UnixMilli(), int64(after))
	return err
}

// past reads what is recorded of a scope.
func (t *Tasks) past(ctx context.Context, run ID, scope string) ([]Effect, error) {
	rows, err := t.db.QueryContext(ctx, `SELECT seq, id, op, args, text, intent, value, error, clock FROM effects
		WHERE run = ? AND scope = ? ORDER BY seq`, run, scope)
	if err != nil {
		return nil, fmt.Errorf("effects of %s: %w", run, err)
	}
	defer rows.Close()
	var out []Effect
	for rows.Next() {
		var e Effect
		var seq, clock int64
		var value, fail []byte
		if err := rows.Scan(&seq, &e.ID, &e.Op, &e.Args, &e.Text, &e.Intent, &value, &fail, &clock); err != nil {
			return nil, fmt.Errorf("effects of %s: %w", run, err)
		}
		e.Seq, e.Value, e.Clock = uint64(seq), value, time.UnixMilli(clock)
		if len(fail) > 0 {
			var s storedError
			if err := json.Unmarshal(fail, &s); err != nil {
				return nil, fmt.Errorf("effects of %s: %w", run, err)
			}
			e.Error = &fault.Error{Code: s.Code, Message: s.Message, Hint: s.Hint, Stack: s.Stack}
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// recall reads a mark; nil if there is none.
func (t *Tasks) recall(ctx context.Context, l *live, name string) (json.RawMessage, error) {
	l.mu.Lock()
	v, ok := l.marks[name]
	look := !ok && l.resumed
	l.mu.Unlock()
	if !look {
		return v, nil
	}
	var value []byte
	err := t.db.QueryRowContext(ctx, `SELECT value FROM marks WHERE run = ? AND name = ?`, l.run.ID, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("mark %s of %s: %w", name, l.run.ID, err)
	}
	return value, nil
}

// remember queues a mark, and waits until it is on disk if asked to. What is
// queued later is durable later.
func (t *Tasks) remember(l *live, name string, value any, wait bool) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("mark %s of %s: %w", name, l.run.ID, err)
	}
	if err := l.problem(); err != nil {
		return unwritable(err)
	}
	l.mu.Lock()
	l.marks[name] = raw
	l.recorded++
	l.mu.Unlock()
	done := make(chan error, 1)
	t.journal.add(op{
		do: func(tx *sql.Tx) error {
			if err := l.problem(); err != nil {
				return err
			}
			_, err := tx.Exec(`INSERT OR REPLACE INTO marks VALUES (?,?,?)`, l.run.ID, name, []byte(raw))
			return err
		},
		done: func(err error) {
			if err != nil {
				l.breakOff(err)
			}
			done <- err
		},
	})
	if !wait {
		return nil
	}
	if err := <-done; err != nil {
		return unwritable(err)
	}
	return nil
}

// seed is what a scope's randomness grows from: not to be guessed from the id of
// the run, and the same whenever the run is taken up again.
func (t *Tasks) seed(run ID, scope string) []byte {
	h := hmac.New(sha256.New, t.secret)
	fmt.Fprintf(h, "%s %s", run, scope)
	return h.Sum(nil)
}

// secret reads the data folder's own, or makes it.
func secret(db *sql.DB) ([]byte, error) {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	if _, err := db.Exec(`INSERT OR IGNORE INTO run_secret VALUES (1, ?)`, fresh); err != nil {
		return nil, fmt.Errorf("run store: %w", err)
	}
	var out []byte
	if err := db.QueryRow(`SELECT secret FROM run_secret`).Scan(&out); err != nil {
		return nil, fmt.Errorf("run store: %w", err)
	}
	return out, nil
}

// grow gives a journal from before them the columns that came later.
func grow(db *sql.DB) error {
	var there int
	err := db.QueryRow(`SELECT COUNT(*) FROM pragma_table_info('effects') WHERE name = 'after'`).Scan(&there)
	if err == nil && there == 0 {
		_, err = db.Exec(`ALTER TABLE effects ADD COLUMN after INTEGER NOT NULL DEFAULT 0`)
	}
	if err != nil {
		return fmt.Errorf("run store: %w", err)
	}
	return nil
}
