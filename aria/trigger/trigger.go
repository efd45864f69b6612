// Package trigger starts units that nobody asks for: at the moments of a
// schedule, for events, and for calls over HTTP. It decides when and with what
// input, and hands the rest to aria/task; it runs nothing and reads no request.
//
// What it has taken in happens exactly once: every run has a key that follows
// from its unit and the moment or event, so that a start that is made again after
// a crash finds the run of the first. The triggers are those of the newest
// registered version of every bundle. docs/spec/triggers.md has the promises.
//
// Locks: Triggers.mu guards the table in memory; it is never held during a start.
package trigger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Starter is what this room needs of aria/task.
type Starter interface {
	Start(ctx context.Context, req task.Request) (task.Run, error)
}

// Triggers is safe for use by many goroutines.
type Triggers struct {
	db    *sql.DB
	reg   *registry.Registry
	tasks Starter
	log   *slog.Logger
	now   func() time.Time
	wake  chan struct{}

	mu      sync.Mutex
	rows    map[string]*row // by bundle#unit
	dirty   map[string]bool // rows that are not on disk as they are
	flushed time.Time       // when they last were
}

// row is what is kept of a unit that something triggers.
type row struct {
	spec    string    // of the schedule that next belongs to
	next    time.Time // zero: not known
	paused  bool
	run     task.ID   // the last one that was triggered
	ran     time.Time // when
	problem string    // why there was none then
}

const schema = `
CREATE TABLE IF NOT EXISTS triggers (
	unit TEXT PRIMARY KEY, spec TEXT NOT NULL, next INTEGER NOT NULL, paused INTEGER NOT NULL,
	run TEXT NOT NULL, ran INTEGER NOT NULL, problem TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trigger_events (
	name TEXT NOT NULL, id TEXT NOT NULL, input BLOB NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (name, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trigger_deliveries (
	name TEXT NOT NULL, id TEXT NOT NULL, unit TEXT NOT NULL, ref TEXT NOT NULL, run TEXT NOT NULL, problem TEXT NOT NULL,
	PRIMARY KEY (name, id, unit)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trigger_signed (
	unit TEXT NOT NULL, signature TEXT NOT NULL, call TEXT NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (unit, signature)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS trigger_signed_old ON trigger_signed (time);
CREATE INDEX IF NOT EXISTS trigger_open ON trigger_deliveries (name, id) WHERE run = '' AND problem = '';`

// New opens the table in db. Nothing is started before Run.
func New(db *sql.DB, reg *registry.Registry, tasks Starter, log *slog.Logger) (*Triggers, error) {
	if _, err := db.Exec(schema); err != nil {
		return nil, fmt.Errorf("triggers: %w", err)
	}
	t := &Triggers{db: db, reg: reg, tasks: tasks, log: log, now: time.Now, wake: make(chan struct{}, 1), rows: map[string]*row{}, dirty: map[string]bool{}}
	reg.OnChange(t.poke)
	return t, t.load()
}

func (t *Triggers) load() error {
	rows, err := t.db.Query(`SELECT unit, spec, next, paused, run, ran, problem FROM triggers`)
	if err != nil {
		return fmt.Errorf("triggers: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var unit string
		var r row
		var next, ran int64
		if err := rows.Scan(&unit, &r.spec, &next, &r.paused, &r.run, &ran, &r.problem); err != nil {
			return fmt.Errorf("triggers: %w", err)
		}
		r.next, r.ran = moment(next), moment(ran)
		t.rows[unit] = &r
	}
	return rows.Err()
}

// poke has the loop look again.
func (t *Triggers) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// unit is one that something triggers.
type unit struct {
	registry.Unit
	name    string // bundle#unit
	trigger bundle.Trigger
}

// units are all of them, by name.
func (t *Triggers) units() ([]unit, error) {
	all, err := t.reg.Units("")
	if err != nil {
		return nil, err
	}
	var out []unit
	for _, u := range all {
		if tr, ok := u.Triggers(); ok {
			out = append(out, unit{u, u.Bundle + "#" + u.Name, tr})
		}
	}
	slices.SortFunc(out, func(a, b unit) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// row of a unit; a new one if there is none yet.
func (t *Triggers) row(name string) row {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.rows[name]; r != nil {
		return *r
	}
	return row{}
}

// change changes a row on disk and then in memory.
func (t *Triggers) change(name string, f func(*row)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var r row
	if old := t.rows[name]; old != nil {
		r = *old
	}
	f(&r)
	if err := write(t.db, name, &r); err != nil {
		return err
	}
	t.rows[name] = &r
	delete(t.dirty, name)
	return nil
}

// execer is a database or a transaction.
type execer interface {
	Exec(query string, args ...any) (sql.Result, error)
}

func write(to execer, name string, r *row) error {
	_, err := to.Exec(`INSERT OR REPLACE INTO triggers VALUES (?,?,?,?,?,?,?)`,
		name, r.spec, millis(r.next), r.paused, r.run, millis(r.ran), r.problem)
	if err != nil {
		return fmt.Errorf("triggers: %w", err)
	}
	return nil
}

// note keeps what a unit was last triggered to. Nothing rests on it, so that it is
// on disk within a moment and no call waits for that.
func (t *Triggers) note(name string, run task.ID, at time.Time, problem string) {
	t.mu.Lock()
	r := t.rows[name]
	if r == nil {
		r = &row{}
		t.rows[name] = r
	}
	r.run, r.ran, r.problem = run, at, problem
	first := len(t.dirty) == 0
	t.dirty[name] = true
	t.mu.Unlock()
	if first {
		t.poke()
	}
}

// flush writes what note kept, at most once a second unless it is now or never,
// and says when there is more to write.
func (t *Triggers) flush(now bool) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.dirty) == 0 {
		return 0
	}
	if wait := time.Second - time.Since(t.flushed); !now && wait > 0 {
		return wait
	}
	t.flushed = time.Now()
	tx, err := t.db.Begin()
	if err == nil {
		for name := range t.dirty {
			err = errors.Join(err, write(tx, name, t.rows[name]))
		}
		err = errors.Join(err, tx.Commit())
	}
	if err != nil {
		t.log.Warn("triggers", "err", err)
		return again
	}
	clear(t.dirty)
	return 0
}

// start makes one run and keeps what came of it. An error means that it should be
// tried again.
func (t *Triggers) start(ctx context.Context, u unit, ref string, req task.Request) (task.Run, string, error) {
	req.Unit = ref
	r, err := t.tasks.Start(ctx, req)
	switch fault.CodeOf(err) {
	case fault.Unavailable, fault.Exhausted, fault.Cancelled, fault.Internal:
		if err != nil {
			return r, "", err
		}
	}
	problem := ""
	if f, ok := fault.As(err); ok {
		problem = f.Message
	} else if err != nil {
		return r, "", err
	}
	if problem != "" {
		t.log.Warn("trigger started nothing", "unit", u.name, "by", req.Origin, "err", problem)
	}
	return r, problem, nil
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
