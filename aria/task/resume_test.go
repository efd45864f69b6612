package task

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// A run that was given up is taken up again by somebody's word, and goes on.
func TestResume(t *testing.T) {
	hangs := func(ctx context.Context, _ Job) (Outcome, error) { <-ctx.Done(); return Outcome{}, context.Cause(ctx) }
	first := opened(t, Config{Tools: 1, Agents: 1}, hangs, nil)
	run := start(t, first, "tool")
	stopped, stop := context.WithCancel(t.Context())
	stop()
	first.Close(stopped)

	second, err := New(first.db, first.reg, first.runners, Config{Tools: 1, Agents: 1}, first.log)
	if err != nil {
		t.Fatal(err)
	}
	tired, _ := json.Marshal(attempts{Times: fruitless, Progress: 1 << 40})
	err = second.journal.wait(func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT OR REPLACE INTO marks VALUES (?, 'attempts', ?)`, run.ID, tired)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := ended1(t, second, run.ID); r.Error == nil || r.Error.Code != fault.Interrupted {
		t.Fatalf("it was not given up: %+v", r)
	}
	for k := range second.runners {
		second.runners[k] = runner(ok)
	}
	if r, err := second.Resume(t.Context(), run.ID); err != nil || r.State != Running {
		t.Fatalf("%+v %v", r, err)
	}
	if r := ended1(t, second, run.ID); r.State != Done || string(r.Output) != "1" {
		t.Errorf("%+v", r)
	}
	var kinds []string
	if err := second.Watch(t.Context(), run.ID, 0, func(events []Event) error {
		for _, e := range events {
			kinds = append(kinds, e.Kind)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(kinds, " "); got != "accepted stopped resumed ended" {
		t.Errorf("events: %s", got)
	}
	if _, err := second.Resume(t.Context(), run.ID); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("one that is done: %v", err)
	}
}

// While draining, new runs are refused and those that go on end.
func TestDrain(t *testing.T) {
	release := make(chan struct{})
	tasks := opened(t, Config{Tools: 2, Agents: 1}, func(ctx context.Context, j Job) (Outcome, error) { <-release; return ok(ctx, j) }, nil)
	run := start(t, tasks, "tool")
	tasks.Drain(true)
	if on, running, waiting := tasks.Draining(); !on || running != 1 || waiting != 0 {
		t.Errorf("%v %d %d", on, running, waiting)
	}
	if _, err := tasks.Start(t.Context(), Request{Unit: "tool"}); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("a new run: %v", err)
	}
	close(release)
	if r := ended1(t, tasks, run.ID); r.State != Done {
		t.Errorf("%+v", r)
	}
	tasks.Drain(false)
	if r := ended1(t, tasks, start(t, tasks, "tool").ID); r.State != Done {
		t.Errorf("%+v", r)
	}
}
