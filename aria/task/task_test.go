package task

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// runner does what a function says.
type runner func(ctx context.Context, job Job) (Outcome, error)

func (runner) Check(_ registry.Unit, input json.RawMessage, _ string) (json.RawMessage, error) {
	return input, nil
}
func (r runner) Run(ctx context.Context, job Job) (Outcome, error) { return r(ctx, job) }

// opened is a Tasks with the units "tool" and "agent".
func opened(t *testing.T, cfg Config, tool, agent runner) *Tasks {
	t.Helper()
	dir := t.TempDir()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "t.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	reg, err := registry.New(db, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	object := json.RawMessage(`{"type":"object"}`)
	data, _, err := bundle.Pack(&bundle.Manifest{Aria: "1", Name: "b", Version: "1.0.0",
		Builder: bundle.Builder{Arc: "0.1.0", TypeScript: "7.0.2", Esbuild: "0.28.2"},
		Units: []bundle.Unit{
			{Name: "tool", Kind: bundle.Tool, Entry: &bundle.Entry{Code: "code/a.js", Export: "A"}, Input: object, Output: object},
			{Name: "careful", Kind: bundle.Tool, Approve: true, Entry: &bundle.Entry{Code: "code/a.js", Export: "A"}, Input: object, Output: object},
			{Name: "agent", Kind: bundle.Agent, Agent: &bundle.AgentSpec{Model: "m:m"}, Input: object, Output: object},
		}}, map[string][]byte{"code/a.js": []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := reg.Add(t.Context(), data, registry.Register); err != nil {
		t.Fatal(err)
	}
	tasks, err := New(db, reg, map[bundle.Kind]Runner{bundle.Tool: tool, bundle.Agent: agent}, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		now, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		tasks.Close(now)
		db.Close()
	})
	return tasks
}

func start(t *testing.T, tasks *Tasks, unit string) Run {
	t.Helper()
	r, err := tasks.Start(t.Context(), Request{Unit: unit, Input: json.RawMessage(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ended1(t *testing.T, tasks *Tasks, id ID) Run {
	t.Helper()
	if err := tasks.Watch(t.Context(), id, 0, func([]Event) error { return nil }); err != nil {
		t.Fatal(err)
	}
	r, err := tasks.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ok(context.Context, Job) (Outcome, error) { return Outcome{Output: json.RawMessage(`1`)}, nil }

// Watchers that come, leave and come back at any moment see every event once.
func TestWatchLosesAndRepeatsNothing(t *testing.T) {
	const events = 3000
	tasks := opened(t, Config{Tools: 4, Agents: 4}, func(ctx context.Context, job Job) (Outcome, error) {
		for i := range events {
			if err := job.Emit("log", map[string]int{"i": i}); err != nil {
				return Outcome{}, err
			}
		}
		return ok(ctx, job)
	}, nil)
	run := start(t, tasks, "tool")
	var watchers sync.WaitGroup
	for w := range 8 {
		watchers.Go(func() {
			after, leave := uint64(0), fmt.Errorf("leave")
			for {
				n := 0
				err := tasks.Watch(t.Context(), run.ID, after, func(evs []Event) error {
					for _, e := range evs {
						if e.Seq != after+1 {
							t.Errorf("watcher %d: event %d after %d", w, e.Seq, after)
						}
						after = e.Seq
					}
					if n++; w > 3 && n == w {
						return leave
					}
					return nil
				})
				if err == nil {
					break
				}
				if err != leave {
					t.Errorf("watcher %d: %v", w, err)
					break
				}
			}
			if after != events+2 {
				t.Errorf("watcher %d saw %d events", w, after)
			}
		})
	}
	watchers.Wait()
	if r := ended1(t, tasks, run.ID); r.LastSeq != events+2 || r.State != Done {
		t.Errorf("%+v", r)
	}
}

func TestCancelReachesChildren(t *testing.T) {
	began := make(chan struct{})
	tasks := opened(t, Config{Tools: 4, Agents: 4}, func(ctx context.Context, job Job) (Outcome, error) {
		close(began)
		<-ctx.Done()
		return Outcome{}, ctx.Err()
	}, func(ctx context.Context, job Job) (Outcome, error) {
		out, err := job.Invoke(ctx, "tool", nil, "1.1")
		return Outcome{Output: out}, err
	})
	run := start(t, tasks, "agent")
	<-began
	if r, err := tasks.Cancel(t.Context(), run.ID, ""); err != nil || r.State != Cancelled {
		t.Errorf("%+v %v", r, err)
	}
	all, err := tasks.List(t.Context(), 0, "", Cancelled)
	if err != nil || len(all) != 2 {
		t.Errorf("cancelled: %v %v", all, err)
	}
	if r, err := tasks.Cancel(t.Context(), run.ID, "again"); err != nil || r.State != Cancelled {
		t.Errorf("an ended run stays as it is: %+v %v", r, err)
	}
}

// A call of another version than the one its caller was built with says so.
func TestBuiltWith(t *testing.T) {
	tasks := opened(t, Config{Tools: 4, Agents: 4}, ok, func(ctx context.Context, job Job) (Outcome, error) {
		out, err := job.Invoke(ctx, "b@^1#tool", nil, "1.1")
		return Outcome{Output: out}, err
	})
	object := json.RawMessage(`{"type":"object"}`)
	data, _, err := bundle.Pack(&bundle.Manifest{Aria: "1", Name: "desk", Version: "1.0.0",
		Units: []bundle.Unit{{Name: "clerk", Kind: bundle.Agent, Input: object, Output: object, Agent: &bundle.AgentSpec{Model: "m:m", Tools: []string{"b@^1#tool"}}}},
		Pins:  []bundle.Pin{{Bundle: "b", Range: "^1", Version: "1.2.0", Digest: bundle.Digest("sha256:" + strings.Repeat("0", 64))}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := tasks.reg.Add(t.Context(), data, registry.Register); err != nil {
		t.Fatal(err)
	}
	parent := ended1(t, tasks, start(t, tasks, "clerk").ID)
	var first accepted
	if err := tasks.Watch(t.Context(), childID(parent.ID, "1.1"), 0, func(evs []Event) error {
		if evs[0].Kind == "accepted" {
			return json.Unmarshal(evs[0].Data, &first)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if first.Version != "b@1.0.0" || first.BuiltWith != "b@1.2.0" {
		t.Errorf("%+v", first)
	}
}

func TestChildHasItsParentsTime(t *testing.T) {
	tasks := opened(t, Config{Tools: 4, Agents: 4}, func(ctx context.Context, job Job) (Outcome, error) {
		<-ctx.Done()
		return Outcome{}, ctx.Err()
	}, func(ctx context.Context, job Job) (Outcome, error) {
		out, err := job.Invoke(ctx, "tool", nil, "1.1")
		return Outcome{Output: out}, err
	})
	r, err := tasks.Start(t.Context(), Request{Unit: "agent", Deadline: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if got := ended1(t, tasks, r.ID); got.Error == nil || got.Error.Code != fault.Timeout {
		t.Errorf("%+v", got.Error)
	}
	failed, err := tasks.List(t.Context(), 0, "", Failed)
	if err != nil || len(failed) != 2 || failed[0].Error.Code != fault.Timeout || failed[1].Error.Code != fault.Timeout {
		t.Errorf("%+v %v", failed, err)
	}
}

func TestDepth(t *testing.T) {
	tasks := opened(t, Config{Tools: 1, Agents: 1}, ok, func(ctx context.Context, job Job) (Outcome, error) {
		out, err := job.Invoke(ctx, "agent", nil, "1.1")
		return Outcome{Output: out}, err
	})
	r := ended1(t, tasks, start(t, tasks, "agent").ID)
	if r.Error == nil || r.Error.Code != fault.Exhausted || !strings.Contains(r.Error.Message, "16 deep") {
		t.Errorf("%+v", r.Error)
	}
}

// A unit that needs a person's approval waits for it when another run calls it,
// and survives whoever waits.
func TestApprovalIsNotAssumed(t *testing.T) {
	tasks := opened(t, Config{Tools: 1, Agents: 1}, ok, func(ctx context.Context, job Job) (Outcome, error) {
		out, err := job.Invoke(ctx, "careful", nil, "1.1")
		return Outcome{Output: out}, err
	})
	if r := ended1(t, tasks, start(t, tasks, "careful").ID); r.State != Done {
		t.Errorf("a person may start it: %+v", r.Error)
	}
	for _, answer := range []Answer{{OK: true, By: "ann"}, {Reason: "too much"}} {
		run := start(t, tasks, "agent")
		waits(t, tasks, run.ID)
		if err := tasks.Unused(t.Context(), run.Bundle); fault.CodeOf(err) != fault.Conflict {
			t.Errorf("the bundle of a run that waits can be removed: %v", err)
		}
		if _, err := tasks.Approve(t.Context(), run.ID, answer); err != nil {
			t.Fatal(err)
		}
		r := ended1(t, tasks, run.ID)
		if answer.OK && r.State != Done {
			t.Errorf("approved: %+v", r.Error)
		}
		if !answer.OK && (r.Error == nil || r.Error.Code != fault.Denied || !strings.Contains(r.Error.Message, "too much")) {
			t.Errorf("denied: %+v", r.Error)
		}
		if _, err := tasks.Approve(t.Context(), run.ID, answer); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("a second answer: %v", err)
		}
	}
}

// waits returns when somebody is asked in the run or below it.
func waits(t *testing.T, tasks *Tasks, id ID) {
	t.Helper()
	found := fmt.Errorf("found")
	err := tasks.Watch(t.Context(), id, 0, func(evs []Event) error {
		for _, e := range evs {
			if e.Kind == "waiting" {
				return found
			}
		}
		return nil
	})
	if err != found {
		t.Fatalf("the run ended instead of waiting: %v", err)
	}
}

func TestPanicEndsTheRun(t *testing.T) {
	tasks := opened(t, Config{Tools: 1, Agents: 1}, func(context.Context, Job) (Outcome, error) { panic("secret detail") }, nil)
	for range 2 { // the slot came back
		r := ended1(t, tasks, start(t, tasks, "tool").ID)
		if r.Error == nil || r.Error.Code != fault.Internal || strings.Contains(r.Error.Message, "secret") || !strings.Contains(r.Error.Message, string(r.ID)) {
			t.Errorf("%+v", r.Error)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	tasks := opened(t, Config{Tools: 3, Agents: 1}, func(ctx context.Context, job Job) (Outcome, error) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		now--
		mu.Unlock()
		return ok(ctx, job)
	}, nil)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if r := ended1(t, tasks, start(t, tasks, "tool").ID); r.State != Done {
				t.Errorf("%+v", r.Error)
			}
		})
	}
	all.Wait()
	if most > 3 || most < 2 {
		t.Errorf("%d at once, the limit is 3", most)
	}
	if n := tasks.Open(); n != 0 {
		t.Errorf("%d still open", n)
	}
}

// A refused event breaks off the run: later events are not written over a gap.
func TestJournalKeepsNoGaps(t *testing.T) {
	var tasks *Tasks
	tasks = opened(t, Config{Tools: 1, Agents: 1}, func(ctx context.Context, job Job) (Outcome, error) {
		_ = job.Emit("log", 1)
		if err := tasks.journal.wait(func(tx *sql.Tx) error {
			_, err := tx.Exec(`CREATE TRIGGER full BEFORE INSERT ON events WHEN NEW.kind = 'log' BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END`)
			return err
		}); err != nil {
			t.Error(err)
		}
		_ = job.Emit("log", 2)
		<-ctx.Done()
		return Outcome{}, ctx.Err()
	}, nil)
	run := start(t, tasks, "tool")
	r := ended1(t, tasks, run.ID)
	if r.State != Failed || r.Error.Code != fault.Exhausted || r.Error.Hint == "" {
		t.Errorf("%+v", r.Error)
	}
	stored, err := tasks.storedEvents(t.Context(), run.ID, 0, 10)
	if err != nil || len(stored) != 3 || stored[2].Kind != "ended" || stored[2].Seq != 3 {
		t.Errorf("on disk: %v %v", stored, err)
	}
}

func TestQueueIsFair(t *testing.T) {
	q := newQueue(1)
	if !q.try() {
		t.Fatal("a free slot was refused")
	}
	var order []string
	tickets := map[string]*ticket{}
	for _, name := range []string{"a1", "a2", "a3", "b1", "c1"} {
		tickets[name], _ = q.enter(ID(name[:1]))
	}
	q.abandon(tickets["c1"])
	for range 4 {
		q.leave()
		for name, tk := range tickets {
			select {
			case <-tk.ready:
				order = append(order, name)
				delete(tickets, name)
			default:
			}
		}
	}
	if got := strings.Join(order, " "); got != "a1 b1 a2 a3" {
		t.Errorf("served %s", got)
	}
	q.leave()
	if !q.try() || q.length != 0 || len(q.turn) != 0 {
		t.Errorf("the queue is not empty: %+v", q)
	}
}

func TestIDs(t *testing.T) {
	now := time.Now()
	a, b := newID(now), newID(now.Add(time.Millisecond))
	if !a.valid() || a >= b {
		t.Errorf("%s %s", a, b)
	}
	for range 10000 { // in the same millisecond, and with a clock that went back
		a, b = b, newID(now)
		if a >= b || !b.valid() {
			t.Fatalf("%s after %s", b, a)
		}
	}
	for n := range 3 {
		number := [10]byte{0: 255 - byte(n), 1: 255, 2: 255, 3: 255, 4: 255, 5: 255, 6: 255, 7: 255, 8: 255, 9: 254}
		before := number
		up := add(&number, uint32(n))
		if up != (bytes.Compare(number[:], before[:]) > 0) {
			t.Errorf("%x + %d = %x, said to have come round: %v", before, n+1, number, !up)
		}
	}
	for _, bad := range []ID{"", "run_", "run_'; DROP TABLE runs", a + "x", ID(strings.ToUpper(string(a)))} {
		if bad.valid() {
			t.Errorf("%q is taken for an id", bad)
		}
	}
}

// Wrong input is refused before a run exists.
func TestWrongInput(t *testing.T) {
	tasks := opened(t, Config{Tools: 1, Agents: 1}, ok, nil)
	start(t, tasks, "tool")
	if _, err := tasks.Start(t.Context(), Request{Unit: "tool", Input: json.RawMessage("{\"a\":\"\xff\"}")}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("input that is not UTF-8: %v", err)
	}
	if _, err := tasks.List(t.Context(), -1, "", ""); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a list of -1: %v", err)
	}
	if _, err := tasks.List(t.Context(), 0, "bogus", ""); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a list before no run: %v", err)
	}
	if runs, err := tasks.List(t.Context(), 0, "", ""); err != nil || len(runs) != 1 {
		t.Errorf("%d runs, %v; want the one that was right", len(runs), err)
	}
}
