package task

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// RecordingVersion is that of the form below.
const RecordingVersion = 1

// Recording is everything that the journal holds of a run and of what it called:
// enough to run it again anywhere, with nothing outside. As JSON it is a file
// (docs/spec/recording.md).
type Recording struct {
	Version int           `json:"version"`
	Run     ID            `json:"run"`
	Runs    []RecordedRun `json:"runs"` // the run itself first
}

// RecordedRun is one run of a Recording.
type RecordedRun struct {
	ID      ID                         `json:"id"`
	Unit    string                     `json:"unit"`
	Kind    bundle.Kind                `json:"kind"`
	Bundle  bundle.Digest              `json:"bundle"`
	State   State                      `json:"state"`
	Input   json.RawMessage            `json:"input,omitempty"`
	Output  json.RawMessage            `json:"output,omitempty"`
	Error   *RecordedError             `json:"error,omitempty"`
	Parent  ID                         `json:"parent,omitempty"`
	Created int64                      `json:"created_unix_ms"`
	Events  []RecordedEvent            `json:"events"`
	Effects []RecordedEffect           `json:"effects,omitempty"`
	Marks   map[string]json.RawMessage `json:"marks,omitempty"`
	Answers map[string]Answer          `json:"answers,omitempty"` // to what it waited for, by name
	Seeds   map[string][]byte          `json:"seeds,omitempty"`   // of the randomness, by scope
}

// RecordedError is the error of a run or effect.
type RecordedError = storedError

// Fault is the error as a run has it.
func (e *storedError) Fault() *fault.Error {
	if e == nil {
		return nil
	}
	return &fault.Error{Code: e.Code, Message: e.Message, Hint: e.Hint, Stack: e.Stack}
}

// RecordedEvent is an Event.
type RecordedEvent struct {
	Seq  uint64          `json:"seq"`
	Time int64           `json:"time_unix_nano"`
	Kind string          `json:"kind"`
	Data json.RawMessage `json:"data"`
}

// RecordedEffect is an Effect with its scope.
type RecordedEffect struct {
	Scope  string          `json:"scope"`
	Seq    uint64          `json:"seq"`
	ID     int64           `json:"id"`
	Op     string          `json:"op"`
	Args   []byte          `json:"args"`
	Text   string          `json:"text"`
	Intent bool            `json:"intent,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
	Error  *RecordedError  `json:"error,omitempty"`
	Clock  int64           `json:"clock_unix_ms"`
	After  uint64          `json:"after,omitempty"` // the event of the run that was told last; 0: not known
}

// Before says whether the answer came before an event of the run.
func (e RecordedEffect) Before(ev RecordedEvent) bool {
	if e.After > 0 {
		return e.After < ev.Seq
	}
	return e.Clock <= ev.Time/int64(time.Millisecond)
}

// Effect is the effect as a job has it.
func (e RecordedEffect) Effect() Effect {
	return Effect{Seq: e.Seq, ID: e.ID, Op: e.Op, Args: e.Args, Text: e.Text, Intent: e.Intent, Value: e.Value,
		Error: e.Error.Fault(), Clock: time.UnixMilli(e.Clock)}
}

// maxRecorded bounds the runs of one recording.
const maxRecorded = 10000

// Recording reads what the journal holds of a run and of all below it.
func (t *Tasks) Recording(ctx context.Context, id ID) (*Recording, error) {
	if err := t.journal.flush(); err != nil {
		return nil, unwritable(err)
	}
	root, err := t.stored(ctx, id)
	if err != nil {
		return nil, err
	}
	ids, err := t.below(ctx, root.ID)
	if err != nil {
		return nil, err
	}
	if len(ids) > maxRecorded {
		return nil, fault.New(fault.Exhausted, "run %s called more than %d others, too many for one recording", id, maxRecorded).
			WithHint("take one of those that it called: arc ls runs")
	}
	out := &Recording{Version: RecordingVersion, Run: root.ID}
	for _, id := range ids {
		r, err := t.recorded(ctx, id)
		if err != nil {
			return nil, err
		}
		out.Runs = append(out.Runs, r)
	}
	return out, nil
}

// below are a run and all that it called, callers before what they called.
func (t *Tasks) below(ctx context.Context, id ID) ([]ID, error) {
	rows, err := t.db.QueryContext(ctx, `WITH RECURSIVE below(r, d) AS (
			SELECT ?1, 0 UNION SELECT runs.id, d + 1 FROM runs JOIN below ON runs.parent = r)
		SELECT r FROM below ORDER BY d, r`, id)
	if err != nil {
		return nil, fmt.Errorf("runs below %s: %w", id, err)
	}
	defer rows.Close()
	var out []ID
	for rows.Next() {
		var r ID
		if err := rows.Scan(&r); err != nil {
			return nil, fmt.Errorf("runs below %s: %w", id, err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func (t *Tasks) recorded(ctx context.Context, id ID) (RecordedRun, error) {
	r, err := t.stored(ctx, id)
	if err != nil {
		return RecordedRun{}, err
	}
	out := RecordedRun{ID: r.ID, Unit: r.Unit, Kind: r.Kind, Bundle: r.Bundle, State: r.State, Input: r.Input, Output: r.Output,
		Error: store(r.Error), Parent: r.Parent, Created: r.Created.UnixMilli(), Seeds: map[string][]byte{}}
	err = t.replay(ctx, id, 0, ^uint64(0), func(events []Event) error {
		for _, e := range events {
			out.Events = append(out.Events, RecordedEvent{e.Seq, e.Time.UnixNano(), e.Kind, e.Data})
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	if err := t.recordedEffects(ctx, &out); err != nil {
		return out, err
	}
	return out, t.recordedMarks(ctx, &out)
}

func (t *Tasks) recordedEffects(ctx context.Context, out *RecordedRun) error {
	rows, err := t.db.QueryContext(ctx, `SELECT DISTINCT scope FROM effects WHERE run = ? ORDER BY scope`, out.ID)
	if err != nil {
		return fmt.Errorf("scopes of %s: %w", out.ID, err)
	}
	defer rows.Close()
	var scopes []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return fmt.Errorf("scopes of %s: %w", out.ID, err)
		}
		scopes = append(scopes, s)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("scopes of %s: %w", out.ID, err)
	}
	after, err := t.effectsAfter(ctx, out.ID)
	if err != nil {
		return err
	}
	for _, s := range scopes {
		past, err := t.past(ctx, out.ID, s)
		if err != nil {
			return err
		}
		for _, e := range past {
			out.Effects = append(out.Effects, RecordedEffect{Scope: s, Seq: e.Seq, ID: e.ID, Op: e.Op, Args: e.Args, Text: e.Text,
				Intent: e.Intent, Value: e.Value, Error: store(e.Error), Clock: e.Clock.UnixMilli(), After: after[fmt.Sprint(s, " ", e.Seq)]})
		}
	}
	return nil
}

// effectsAfter are the events that effects came behind, by scope and number.
func (t *Tasks) effectsAfter(ctx context.Context, run ID) (map[string]uint64, error) {
	rows, err := t.db.QueryContext(ctx, `SELECT scope, seq, after FROM effects WHERE run = ?`, run)
	if err != nil {
		return nil, fmt.Errorf("effects of %s: %w", run, err)
	}
	defer rows.Close()
	out := map[string]uint64{}
	for rows.Next() {
		var scope string
		var seq, after int64
		if err := rows.Scan(&scope, &seq, &after); err != nil {
			return nil, fmt.Errorf("effects of %s: %w", run, err)
		}
		out[fmt.Sprint(scope, " ", seq)] = uint64(after)
	}
	return out, rows.Err()
}

func (t *Tasks) recordedMarks(ctx context.Context, out *RecordedRun) error {
	rows, err := t.db.QueryContext(ctx, `SELECT 0, name, value FROM marks WHERE run = ?1
		UNION ALL SELECT 1, name, answer FROM waits WHERE run = ?1 AND answer IS NOT NULL`, out.ID)
	if err != nil {
		return fmt.Errorf("marks of %s: %w", out.ID, err)
	}
	defer rows.Close()
	out.Marks, out.Answers = map[string]json.RawMessage{}, map[string]Answer{}
	for rows.Next() {
		var wait bool
		var name string
		var value []byte
		if err := rows.Scan(&wait, &name, &value); err != nil {
			return fmt.Errorf("marks of %s: %w", out.ID, err)
		}
		if !wait {
			out.Marks[name] = value
			continue
		}
		var a Answer
		if err := json.Unmarshal(value, &a); err != nil {
			return fmt.Errorf("answer %s of %s: %w", name, out.ID, err)
		}
		out.Answers[name] = a
	}
	return rows.Err()
}

// Seed of a scope of any run of this data folder.
func (t *Tasks) Seed(run ID, scope string) []byte { return t.seed(run, scope) }

// ChildID is the id of what a run called by a name of its own.
func ChildID(parent ID, call string) ID { return childID(parent, call) }

// RunnerFor is the one that runs units of a kind.
func (t *Tasks) RunnerFor(k bundle.Kind) (Runner, bool) {
	r, ok := t.runners[k]
	return r, ok
}

// Seal writes the seeds of every scope into the recording, so that it can be
// played where the data folder is another one.
func (r *Recording) Seal(seed func(run ID, scope string) []byte) {
	for i := range r.Runs {
		run := &r.Runs[i]
		of := run.Origin().Run
		run.Seeds = map[string][]byte{}
		for _, e := range run.Effects {
			run.Seeds[e.Scope] = seed(of, e.Scope)
		}
		for name := range run.Marks {
			if scope, ok := strings.CutPrefix(name, "clock/"); ok {
				run.Seeds[scope] = seed(of, scope)
			}
		}
		run.Seeds["main.1"] = seed(of, "main.1")
	}
}
