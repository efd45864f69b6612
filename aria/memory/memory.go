// Package memory keeps what agents know beyond one run: the turns of a session,
// and what they were asked to remember of a user. Whatever a call has answered
// with is on disk.
//
// It knows no run and no model. A memory belongs to a unit by name, so that a new
// version of an agent knows what the old one knew.
package memory

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Bounds (docs/spec/limits.md).
const (
	MaxTurns = 50       // of a session, the newest
	MaxBytes = 64 << 10 // of them together
	MaxFacts = 1000     // of one user with one agent
	MaxFact  = 4 << 10  // bytes
	maxKey   = 200      // bytes
)

// Store is safe for use by many goroutines.
type Store struct{ db *sql.DB }

const schema = `
CREATE TABLE IF NOT EXISTS threads (
	unit TEXT NOT NULL, session TEXT NOT NULL, run TEXT NOT NULL, said TEXT NOT NULL, answer TEXT NOT NULL, time INTEGER NOT NULL,
	PRIMARY KEY (unit, session, run)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (
	unit TEXT NOT NULL, user TEXT NOT NULL, key TEXT NOT NULL, text TEXT NOT NULL, time INTEGER NOT NULL,
	PRIMARY KEY (unit, user, key)) WITHOUT ROWID;`

// New opens the memory in db.
func New(db *sql.DB) (*Store, error) {
	if _, err := db.Exec(schema); err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	return &Store{db}, nil
}

// Turn is what a user said and what the agent answered, in one run.
type Turn struct {
	Said   string `json:"said"`
	Answer string `json:"answer"`
}

// Turns are the newest of a session, oldest first.
func (s *Store) Turns(ctx context.Context, unit, session string) ([]Turn, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT said, answer FROM threads WHERE unit = ? AND session = ? ORDER BY time DESC, run DESC LIMIT ?`, unit, session, MaxTurns)
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", session, err)
	}
	defer rows.Close()
	var out []Turn
	for bytes := 0; rows.Next(); {
		var t Turn
		if err := rows.Scan(&t.Said, &t.Answer); err != nil {
			return nil, fmt.Errorf("session %s: %w", session, err)
		}
		if bytes += len(t.Said) + len(t.Answer); bytes > MaxBytes {
			break
		}
		out = append(out, t)
	}
	slices.Reverse(out)
	return out, rows.Err()
}

// Append adds the turn of a run; of the same run again, nothing.
func (s *Store) Append(ctx context.Context, unit, session, run string, t Turn) error {
	_, err := s.db.ExecContext(ctx, `INSERT OR IGNORE INTO threads VALUES (?,?,?,?,?,?)`, unit, session, run, t.Said, t.Answer, time.Now().UnixMicro())
	if err != nil {
		return fmt.Errorf("session %s: %w", session, err)
	}
	return nil
}

// Fact is something that an agent was to remember.
type Fact struct {
	Key  string `json:"key"`
	Text string `json:"text"`
}

// Remember keeps a fact, in the place of one with the same key. Fault: Invalid,
// Exhausted.
func (s *Store) Remember(ctx context.Context, unit, user string, f Fact) error {
	if f.Key == "" || len(f.Key) > maxKey || len(f.Text) > MaxFact {
		return fault.New(fault.Invalid, "what is to be remembered has a key of at most %d bytes and a text of at most %d", maxKey, MaxFact).
			WithHint("say it shorter")
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing after a commit
	var others int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM facts WHERE unit = ? AND user = ? AND key != ?`, unit, user, f.Key).Scan(&others); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	if others >= MaxFacts {
		return fault.New(fault.Exhausted, "%d things are remembered, and no more fit", MaxFacts).WithHint("put it under a key that is there")
	}
	if _, err := tx.Exec(`INSERT OR REPLACE INTO facts VALUES (?,?,?,?,?)`, unit, user, f.Key, f.Text, time.Now().UnixMicro()); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	return tx.Commit()
}

// Facts are all that is remembered of a user, by key.
func (s *Store) Facts(ctx context.Context, unit, user string) ([]Fact, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT key, text FROM facts WHERE unit = ? AND user = ? ORDER BY key`, unit, user)
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	defer rows.Close()
	out := []Fact{}
	for rows.Next() {
		var f Fact
		if err := rows.Scan(&f.Key, &f.Text); err != nil {
			return nil, fmt.Errorf("memory: %w", err)
		}
		out = append(out, f)
	}
	return out, rows.Err()
}
