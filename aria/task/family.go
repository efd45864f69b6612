package task

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Above are the runs that called this one, the nearest first.
func (j Job) Above() []ID {
	if j.l == nil {
		return nil
	}
	var out []ID
	for p := j.l.parent; p != nil; p = p.parent {
		out = append(out, p.run.ID)
	}
	return out
}

// Mark is a value that was remembered.
type Mark struct {
	Name  string
	Value json.RawMessage
}

// Remembered are the values whose names begin with prefix, by name, once all
// that was queued is on disk.
func (j Job) Remembered(ctx context.Context, prefix string) ([]Mark, error) {
	return j.marks(ctx, `SELECT name, value FROM marks WHERE run = ?1 AND substr(name, 1, length(?2)) = ?2 ORDER BY name`, prefix)
}

// EndedBelow are the values of that name of every run that this one called,
// directly or not, and that has ended.
func (j Job) EndedBelow(ctx context.Context, name string) ([]Mark, error) {
	return j.marks(ctx, `WITH RECURSIVE below(r) AS (SELECT id FROM runs WHERE parent = ?1 UNION SELECT runs.id FROM runs JOIN below ON runs.parent = r)
		SELECT name, value FROM marks JOIN below ON run = r JOIN runs ON runs.id = r WHERE name = ?2 AND runs.ended > 0`, name)
}

func (j Job) marks(ctx context.Context, query, name string) ([]Mark, error) {
	if j.t == nil {
		return nil, nil
	}
	if err := j.t.journal.flush(); err != nil {
		return nil, unwritable(err)
	}
	rows, err := j.t.db.QueryContext(ctx, query, j.Run, name)
	if err != nil {
		return nil, fmt.Errorf("marks of %s: %w", j.Run, err)
	}
	defer rows.Close()
	var out []Mark
	for rows.Next() {
		var m Mark
		var value []byte
		if err := rows.Scan(&m.Name, &value); err != nil {
			return nil, fmt.Errorf("marks of %s: %w", j.Run, err)
		}
		m.Value = value
		out = append(out, m)
	}
	return out, rows.Err()
}

// EmitOnce is how a run that is taken up tells its events: those that it told
// before are not told again. Events of one kind are told apart by the "step" and
// "call" in their data.
func (j Job) EmitOnce(ctx context.Context) (func(kind string, data any) error, error) {
	if !j.Resumed {
		return j.Emit, nil
	}
	told := map[string]bool{}
	past, err := j.Events(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range past {
		told[eventName(e.Kind, e.Data)] = true
	}
	return func(kind string, data any) error {
		raw, err := json.Marshal(data)
		if err != nil {
			return fmt.Errorf("event %s: %w", kind, err)
		}
		if told[eventName(kind, raw)] {
			return nil
		}
		return j.Emit(kind, data)
	}, nil
}

func eventName(kind string, data json.RawMessage) string {
	var at struct {
		Step int    `json:"step"`
		Call string `json:"call"`
	}
	_ = json.Unmarshal(data, &at) // what has neither happens once
	return fmt.Sprintf("%s %d %s", kind, at.Step, at.Call)
}

const (
	sessionMark = "session"
	maxSession  = 200 // bytes of its name, and of its user's
)

// join makes a run a turn of a session. It is one that has not been accepted.
func (l *live) join(s Session) error {
	if s == (Session{}) {
		return nil
	}
	if l.unit.Kind != bundle.Agent && l.unit.Kind != bundle.Team {
		return fault.New(fault.Invalid, "%s is a %s, and only agents and teams have sessions", l.unit.Name, l.unit.Kind).
			WithHint("start it without one")
	}
	if len(s.ID) > maxSession || len(s.User) > maxSession {
		return fault.New(fault.Invalid, "the names of a session and of a user have at most %d bytes", maxSession).WithHint("use shorter ones")
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("session of %s: %w", l.run.ID, err)
	}
	l.marks[sessionMark], l.session = raw, s.ID
	return nil
}

// Session is the conversation that the run is a turn of.
func (j Job) Session(ctx context.Context) (s Session, err error) {
	raw, err := j.Recall(ctx, sessionMark)
	if err != nil || raw == nil {
		return s, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("session of %s: %w", j.Run, err)
	}
	return s, nil
}
