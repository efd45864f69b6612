package trigger

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Delivery is what an event came to at one unit.
type Delivery struct {
	Unit    string // bundle#unit
	Run     task.ID
	Problem string // why there is no run

	ref string
}

// Emitted is an event that was taken in.
type Emitted struct {
	ID         string
	Repeated   bool // it was known already
	Deliveries []Delivery
}

// remembered is how long an event's id is known.
const remembered = 7 * 24 * time.Hour

// maxID bounds an event's id, and maxInput its input, in bytes.
const (
	maxID    = 200
	maxInput = 4 << 20
)

// Emit takes an event in, which is then on disk, and starts the units that it
// triggers. The same name and id again is the same event. Faults: Invalid,
// Conflict (the id was used with another input).
func (t *Triggers) Emit(ctx context.Context, name, id string, input json.RawMessage) (Emitted, error) {
	if !bundle.ValidEvent(name) {
		return Emitted{}, fault.New(fault.Invalid, "%.80q cannot be the name of an event", name).
			WithHint(`letters and digits, parts joined with ". _ -": order.paid`)
	}
	if len(id) > maxID || !utf8.ValidString(id) {
		return Emitted{}, fault.New(fault.Invalid, "the id of an event is text of at most %d bytes", maxID)
	}
	if len(input) == 0 {
		input = json.RawMessage("{}")
	}
	if len(input) > maxInput || !utf8.Valid(input) || !json.Valid(input) {
		return Emitted{}, fault.New(fault.Invalid, "what comes with an event is JSON of at most %d MiB", maxInput>>20).
			WithHint("put what is larger into a blob, and its name into the event")
	}
	if id == "" {
		id = rand.Text()
	}
	repeated, err := t.take(ctx, name, id, input)
	if err != nil {
		return Emitted{}, err
	}
	// From here on it happens, whether the caller stays or not.
	list, err := t.deliver(context.WithoutCancel(ctx), name, id)
	if err != nil {
		t.log.Error("event", "name", name, "id", id, "err", err)
		t.poke()
	}
	return Emitted{id, repeated, list}, nil
}

// take puts an event on disk with the units that it goes to.
func (t *Triggers) take(ctx context.Context, name, id string, input json.RawMessage) (repeated bool, err error) {
	units, err := t.units()
	if err != nil {
		return false, err
	}
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("event %s: %w", name, err)
	}
	defer tx.Rollback()
	var known []byte
	err = tx.QueryRow(`SELECT input FROM trigger_events WHERE name = ? AND id = ?`, name, id).Scan(&known)
	if err == nil {
		if !bytes.Equal(known, input) {
			return true, fault.New(fault.Conflict, "the event %s with id %q came with another input before", name, id).
				WithHint("an id stands for one event; give a new one its own")
		}
		return true, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("event %s: %w", name, err)
	}
	now := t.now()
	if _, err := tx.Exec(`INSERT INTO trigger_events VALUES (?,?,?,?)`, name, id, []byte(input), now.UnixMilli()); err != nil {
		return false, fmt.Errorf("event %s: %w", name, err)
	}
	for _, u := range units {
		if !slices.Contains(u.trigger.On, name) {
			continue
		}
		problem := ""
		if t.row(u.name).paused {
			problem = paused
		}
		if _, err := tx.Exec(`INSERT INTO trigger_deliveries VALUES (?,?,?,?,'',?)`, name, id, u.name, u.Ref(), problem); err != nil {
			return false, fmt.Errorf("event %s: %w", name, err)
		}
	}
	for _, old := range []string{`DELETE FROM trigger_deliveries WHERE (run != '' OR problem != '') AND
		(name, id) IN (SELECT name, id FROM trigger_events WHERE time < ?)`, `DELETE FROM trigger_events WHERE time < ? AND
		NOT EXISTS (SELECT 1 FROM trigger_deliveries d WHERE d.name = trigger_events.name AND d.id = trigger_events.id)`} {
		if _, err := tx.Exec(old, now.Add(-remembered).UnixMilli()); err != nil {
			return false, fmt.Errorf("events: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return false, fmt.Errorf("event %s: %w", name, err)
	}
	return false, nil
}

// deliver starts what an event has not yet started, and says what became of all.
func (t *Triggers) deliver(ctx context.Context, name, id string) ([]Delivery, error) {
	var input []byte
	if err := t.db.QueryRowContext(ctx, `SELECT input FROM trigger_events WHERE name = ? AND id = ?`, name, id).Scan(&input); err != nil {
		return nil, fmt.Errorf("event %s: %w", name, err)
	}
	list, err := t.deliveries(ctx, name, id)
	if err != nil {
		return nil, err
	}
	for i := range list {
		d := &list[i]
		if d.Run != "" || d.Problem != "" {
			continue
		}
		run, problem, err := t.start(ctx, unit{name: d.Unit}, d.ref, task.Request{Input: input,
			Key: task.OwnKeys + "event/" + name + "/" + d.Unit + "/" + digest(id), Origin: "event " + name + " " + id})
		if err != nil {
			return list, err
		}
		d.Run, d.Problem = run.ID, problem
		if _, err := t.db.Exec(`UPDATE trigger_deliveries SET run = ?, problem = ? WHERE name = ? AND id = ? AND unit = ?`,
			d.Run, d.Problem, name, id, d.Unit); err != nil {
			return list, fmt.Errorf("event %s: %w", name, err)
		}
		t.note(d.Unit, run.ID, t.now(), problem)
	}
	return list, nil
}

func (t *Triggers) deliveries(ctx context.Context, name, id string) ([]Delivery, error) {
	rows, err := t.db.QueryContext(ctx, `SELECT unit, ref, run, problem FROM trigger_deliveries WHERE name = ? AND id = ? ORDER BY unit`, name, id)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", name, err)
	}
	defer rows.Close()
	var out []Delivery
	for rows.Next() {
		var d Delivery
		if err := rows.Scan(&d.Unit, &d.ref, &d.Run, &d.Problem); err != nil {
			return nil, fmt.Errorf("event %s: %w", name, err)
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// deliverAll goes on with events that a crash, a full disk or a stop interrupted,
// and says whether some are still left.
func (t *Triggers) deliverAll(ctx context.Context) (left bool, err error) {
	rows, err := t.db.QueryContext(ctx, `SELECT DISTINCT name, id FROM trigger_deliveries WHERE run = '' AND problem = '' LIMIT 1000`)
	if err != nil {
		return false, fmt.Errorf("events: %w", err)
	}
	var open [][2]string
	for rows.Next() {
		var e [2]string
		if err := rows.Scan(&e[0], &e[1]); err != nil {
			rows.Close()
			return false, fmt.Errorf("events: %w", err)
		}
		open = append(open, e)
	}
	if err := rows.Close(); err != nil {
		return false, fmt.Errorf("events: %w", err)
	}
	for _, e := range open {
		if _, err := t.deliver(ctx, e[0], e[1]); err != nil {
			left = true
			if ctx.Err() == nil {
				t.log.Warn("event waits", "name", e[0], "id", e[1], "err", err)
			}
		}
	}
	return left, nil
}
