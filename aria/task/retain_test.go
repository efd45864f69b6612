package task

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// Ended runs go with all that is theirs, and the disk has the space again; what
// goes on stays, with what it called.
func TestPrune(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	long := json.RawMessage(`"` + strings.Repeat("x", 20<<10) + `"`)
	tasks := opened(t, Config{Tools: 8, Agents: 2}, func(ctx context.Context, j Job) (Outcome, error) {
		_ = j.Emit("log", map[string]any{"text": long})
		if err := j.Remember("step/a", long); err != nil {
			return Outcome{}, err
		}
		done := make(chan struct{})
		if err := j.Record("main.1", Effect{Seq: 1, ID: 1, Op: "kv.get", Value: long, Clock: time.Now()}, func() { close(done) }); err != nil {
			return Outcome{}, err
		}
		<-done
		return ok(ctx, j)
	}, func(ctx context.Context, j Job) (Outcome, error) {
		if _, err := j.Invoke(ctx, "tool", json.RawMessage(`{}`), "1"); err != nil {
			return Outcome{}, err
		}
		<-release
		return ok(ctx, j)
	})
	open := start(t, tasks, "agent")
	for range 100 {
		ended1(t, tasks, start(t, tasks, "tool").ID)
	}
	before, file := onDisk(t, tasks.db)

	if p, err := tasks.Prune(t.Context(), Retention{Keep: time.Hour}); err != nil || p.Runs != 0 {
		t.Fatalf("young runs: %+v %v", p, err)
	}
	p, err := tasks.Prune(t.Context(), Retention{Keep: time.Millisecond})
	if err != nil || p.Runs != 100 {
		t.Fatalf("%+v %v", p, err)
	}
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if after := st.Size(); after > before/5 {
		t.Errorf("the file had %d bytes and has %d", before, after)
	}
	for table, want := range map[string]int{"runs": 2, "effects": 1} { // the agent's, and its tool call's
		var n int
		if err := tasks.db.QueryRow(`SELECT COUNT(*) FROM ` + table).Scan(&n); err != nil || n != want {
			t.Errorf("%s has %d rows, want %d: %v", table, n, want, err)
		}
	}
	if r, err := tasks.Get(t.Context(), open.ID); err != nil || r.State != Running {
		t.Errorf("the open run: %+v %v", r, err)
	}
}

// A journal that has grown too large loses its oldest runs first.
func TestPruneBySize(t *testing.T) {
	long := json.RawMessage(`"` + strings.Repeat("x", 50<<10) + `"`)
	tasks := opened(t, Config{Tools: 1, Agents: 1}, func(context.Context, Job) (Outcome, error) { return Outcome{Output: long}, nil }, nil)
	var last Run
	for range 150 {
		last = ended1(t, tasks, start(t, tasks, "tool").ID)
	}
	p, err := tasks.Prune(t.Context(), Retention{MaxBytes: 6 << 20})
	if err != nil || p.Runs != pruneBatch || p.Bytes > 6<<20 {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := tasks.Get(t.Context(), last.ID); err != nil {
		t.Errorf("the newest run: %v", err)
	}
}

func onDisk(t *testing.T, db *sql.DB) (int64, string) {
	t.Helper()
	var n int
	var name, file string
	if err := db.QueryRow(`PRAGMA database_list`).Scan(&n, &name, &file); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size(), file
}
