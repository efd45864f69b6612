package trigger

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// echo runs a unit by giving back its input.
type echo struct{}

func (echo) Check(_ registry.Unit, input json.RawMessage, _ string) (json.RawMessage, error) {
	if strings.Contains(string(input), "bad") {
		return nil, fault.New(fault.Invalid, "input: is bad")
	}
	return input, nil
}

func (echo) Run(_ context.Context, job task.Job) (task.Outcome, error) {
	return task.Outcome{Output: job.Input}, nil
}

// house is everything but the containers, on a clock of its own.
type house struct {
	*Triggers
	t     *testing.T
	db    *sql.DB
	reg   *registry.Registry
	tasks *task.Tasks
	clock time.Time
	fail  error // what a start answers with, after it was made: the crash behind it
}

func (h *house) Start(ctx context.Context, r task.Request) (task.Run, error) {
	run, err := h.tasks.Start(ctx, r)
	if err == nil && h.fail != nil {
		return task.Run{}, h.fail
	}
	return run, err
}

func newHouse(t *testing.T, units ...bundle.Unit) *house {
	t.Helper()
	dir := t.TempDir()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "a.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	reg, err := registry.New(db, filepath.Join(dir, "bundles"), log)
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := task.New(db, reg, map[bundle.Kind]task.Runner{bundle.Tool: echo{}}, task.Config{Tools: 4, Agents: 1, Pipelines: 1}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tasks.Close(context.Background()) })
	h := &house{t: t, db: db, reg: reg, tasks: tasks, clock: time.Date(2026, 11, 22, 10, 0, 30, 0, time.UTC)}
	h.upload("1.0.0", units...)
	h.restart()
	return h
}

func (h *house) upload(version string, units ...bundle.Unit) {
	h.t.Helper()
	m := &bundle.Manifest{Aria: "1", Name: "shop", Version: version,
		Builder: bundle.Builder{Arc: "0.1.0", TypeScript: "7.0.2", Esbuild: "0.28.2"}}
	for _, u := range units {
		u.Kind, u.Entry = bundle.Tool, &bundle.Entry{Code: "code/a.js", Export: "A", Method: "m"}
		u.Input = json.RawMessage(`{"type":"object","properties":{"time":{},"missed":{}}}`)
		u.Output, u.Place = json.RawMessage(`{}`), bundle.Place{File: "src/a.ts", Line: 1, Col: 1}
		m.Units = append(m.Units, u)
	}
	data, _, err := bundle.Pack(m, map[string][]byte{"code/a.js": []byte("export class A {}")})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, _, err := h.reg.Add(h.t.Context(), data, registry.Register); err != nil {
		h.t.Fatal(err)
	}
}

// restart is what a crash leaves: the table on disk, nothing in memory.
func (h *house) restart() {
	h.t.Helper()
	tr, err := New(h.db, h.reg, h, slog.New(slog.NewTextHandler(h.t.Output(), nil)))
	if err != nil {
		h.t.Fatal(err)
	}
	tr.now = func() time.Time { return h.clock }
	h.Triggers = tr
}

// at has the loop look once, so much later.
func (h *house) at(later time.Duration) {
	h.t.Helper()
	h.clock = h.clock.Add(later)
	if _, err := h.round(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// inputs are those of all runs, oldest first.
func (h *house) inputs() []string {
	h.t.Helper()
	runs, err := h.tasks.List(h.t.Context(), 100, "", "")
	if err != nil {
		h.t.Fatal(err)
	}
	var out []string
	for _, r := range runs {
		full, err := h.tasks.Get(h.t.Context(), r.ID)
		if err != nil {
			h.t.Fatal(err)
		}
		out = append([]string{string(full.Input)}, out...)
	}
	return out
}

func (h *house) want(shows string, inputs ...string) {
	h.t.Helper()
	if got := h.inputs(); strings.Join(got, " ") != strings.Join(inputs, " ") {
		h.t.Errorf("%s: runs %v, want %v", shows, got, inputs)
	}
}

func tick(at string, missed string) string {
	return `{"missed":` + missed + `,"time":"2026-11-22T` + at + `Z"}`
}

var minutely = bundle.Unit{Name: "sweep", Trigger: &bundle.Trigger{EveryMS: 60_000}}

func TestTicks(t *testing.T) {
	h := newHouse(t, minutely)
	h.at(0)
	h.want("nothing is due at first")
	h.at(29 * time.Second)
	h.want("nor a moment before")
	h.at(time.Second)
	h.want("the first minute", tick("10:01:00", "0"))
	h.at(time.Second)
	h.want("once", tick("10:01:00", "0"))
	h.at(time.Minute)
	h.want("the next", tick("10:01:00", "0"), tick("10:02:00", "0"))
	list, err := h.List()
	if err != nil || len(list) != 1 || list[0].Next.Format("15:04") != "10:03" || list[0].LastRun == "" {
		t.Errorf("%+v %v", list, err)
	}
}

func TestOneRunForAllThatWasMissed(t *testing.T) {
	for name, tr := range map[string]bundle.Trigger{"every": {EveryMS: 60_000}, "cron": {Cron: "* * * * *"}} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, bundle.Unit{Name: "sweep", Trigger: &tr})
			h.at(0)
			h.restart()
			h.at(3*time.Hour + time.Minute)
			h.want("one for three hours", tick("13:01:00", "180"))
			h.at(time.Minute)
			h.want("and on", tick("13:01:00", "180"), tick("13:02:00", "0"))
		})
	}
}

func TestNoTickTwiceAfterACrash(t *testing.T) {
	h := newHouse(t, minutely)
	h.at(0)
	h.fail = fault.New(fault.Unavailable, "crash")
	h.clock = h.clock.Add(time.Minute)
	if pause, err := h.round(t.Context()); err != nil || pause != again {
		t.Errorf("pause %s, %v", pause, err)
	}
	h.fail = nil
	h.restart()
	h.at(time.Second)
	h.want("the run of before the crash", tick("10:01:00", "0"))
	if list, _ := h.List(); list[0].LastRun == "" {
		t.Error("the list does not know the run")
	}
}

func TestClockSetBack(t *testing.T) {
	h := newHouse(t, minutely)
	h.at(0)
	h.at(time.Minute)
	h.at(-10 * time.Minute) // 09:51:30
	h.at(30 * time.Second)
	h.want("it does not wait for the old time to come again", tick("10:01:00", "0"), tick("09:52:00", "0"))
	h.at(9 * time.Minute) // 10:01:00, for the second time
	h.want("a moment that comes again has its run", tick("10:01:00", "0"), tick("09:52:00", "0"))
	h.at(time.Minute)
	h.want("and on", tick("10:01:00", "0"), tick("09:52:00", "0"), tick("10:02:00", "0"))
}

func TestAnotherScheduleBeginsNow(t *testing.T) {
	h := newHouse(t, minutely)
	h.at(0)
	h.upload("1.1.0", bundle.Unit{Name: "sweep", Trigger: &bundle.Trigger{EveryMS: 3_600_000}})
	h.at(5 * time.Minute)
	h.want("nothing of the old one")
	h.at(time.Hour)
	h.want("the new one", tick("11:00:00", "0"))
}

func TestPause(t *testing.T) {
	h := newHouse(t, minutely, bundle.Unit{Name: "paid", Trigger: &bundle.Trigger{On: []string{"order.paid"}}})
	h.at(0)
	for _, u := range []string{"sweep", "shop#paid"} {
		if e, err := h.Pause(u, false); err != nil || !e.Paused || !e.Next.IsZero() {
			t.Fatal(e, err)
		}
	}
	h.restart()
	h.at(time.Hour)
	e, err := h.Emit(t.Context(), "order.paid", "", nil)
	if err != nil || len(e.Deliveries) != 1 || e.Deliveries[0].Problem != paused {
		t.Errorf("%+v %v", e, err)
	}
	h.want("paused")
	if _, err := h.Pause("sweep", true); err != nil {
		t.Fatal(err)
	}
	h.at(0)
	h.want("what was missed while it was paused does not come")
	h.at(time.Minute)
	h.want("it goes on", tick("11:01:00", "0"))
}

func TestEmit(t *testing.T) {
	h := newHouse(t, bundle.Unit{Name: "a", Trigger: &bundle.Trigger{On: []string{"order.paid", "order.sent"}}},
		bundle.Unit{Name: "b", Trigger: &bundle.Trigger{On: []string{"order.paid"}}})
	one, err := h.Emit(t.Context(), "order.paid", "7", []byte(`{"n":1}`))
	if err != nil || one.Repeated || len(one.Deliveries) != 2 || one.Deliveries[1].Unit != "shop#b" {
		t.Fatalf("%+v %v", one, err)
	}
	two, err := h.Emit(t.Context(), "order.paid", "7", []byte(`{"n":1}`))
	if err != nil || !two.Repeated || two.Deliveries[0].Run != one.Deliveries[0].Run {
		t.Errorf("%+v %v", two, err)
	}
	if _, err := h.Emit(t.Context(), "order.paid", "7", []byte(`{"n":2}`)); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("another input under the same id: %v", err)
	}
	three, err := h.Emit(t.Context(), "order.sent", "7", []byte(`{"bad":1}`))
	if err != nil || len(three.Deliveries) != 1 || three.Deliveries[0].Problem != "input: is bad" {
		t.Errorf("%+v %v", three, err)
	}
	h.want("one run a unit", `{"n":1}`, `{"n":1}`)
}

func TestEmitSurvivesACrash(t *testing.T) {
	h := newHouse(t, bundle.Unit{Name: "a", Trigger: &bundle.Trigger{On: []string{"order.paid"}}})
	h.fail = fault.New(fault.Unavailable, "crash")
	if _, err := h.Emit(t.Context(), "order.paid", "7", []byte(`{"n":1}`)); err != nil {
		t.Fatal(err)
	}
	h.fail = nil
	h.upload("2.0.0", minutely) // which no longer waits for it
	h.restart()
	h.at(0)
	h.at(0)
	h.want("once, by the code that waited for it then", `{"n":1}`)
	e, err := h.Emit(t.Context(), "order.paid", "7", []byte(`{"n":1}`))
	if err != nil || !e.Repeated || e.Deliveries[0].Run == "" {
		t.Errorf("%+v %v", e, err)
	}
}

func TestEmitAtTheSameTime(t *testing.T) {
	h := newHouse(t, bundle.Unit{Name: "a", Trigger: &bundle.Trigger{On: []string{"order.paid"}}})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if e, err := h.Emit(t.Context(), "order.paid", "7", nil); err != nil || len(e.Deliveries) != 1 || e.Deliveries[0].Run == "" {
				t.Errorf("%+v %v", e, err)
			}
		})
	}
	all.Wait()
	h.want("one run for twenty calls", `{}`)
}

func TestHooks(t *testing.T) {
	h := newHouse(t, bundle.Unit{Name: "a", Trigger: &bundle.Trigger{HTTP: "POST /hooks/a"}},
		bundle.Unit{Name: "b", Trigger: &bundle.Trigger{HTTP: "PUT /hooks/same"}}, bundle.Unit{Name: "c", Trigger: &bundle.Trigger{HTTP: "PUT /hooks/same"}})
	for call, code := range map[string]fault.Code{"POST /hooks/b": fault.NotFound, "GET /hooks/a": fault.Invalid, "PUT /hooks/same": fault.Conflict} {
		verb, path, _ := strings.Cut(call, " ")
		if _, err := h.Hook(verb, path); fault.CodeOf(err) != code {
			t.Errorf("%s: %v, want %s", call, err, code)
		}
	}
	hook, err := h.Hook("POST", "/hooks/a")
	if err != nil {
		t.Fatal(err)
	}
	first, err := h.Call(t.Context(), hook, []byte(`{"n":1}`), "x", "")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.Call(t.Context(), hook, []byte(`{"n":1}`), "x", ""); err != nil || again.ID != first.ID {
		t.Errorf("the same call is run %s, not %s (%v)", again.ID, first.ID, err)
	}
	if other, err := h.Call(t.Context(), hook, []byte(`{"n":1}`), "", ""); err != nil || other.ID == first.ID {
		t.Errorf("a call without an id is run %s (%v)", other.ID, err)
	}

	// Headers are not signed: a signature that was seen is its call, whatever it bears.
	signed, err := h.Call(t.Context(), hook, []byte(`{"n":2}`), "d1", "mac1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id, signature string
		same          bool
		shows         string
	}{
		{"d1", "mac1", true, "delivered again"}, {"d2", "mac1", true, "replayed under another id"},
		{"d1", "mac2", true, "sent again by its sender, signed anew"}, {"d3", "mac3", false, "another call"},
	} {
		run, err := h.Call(t.Context(), hook, []byte(`{"n":2}`), c.id, c.signature)
		if err != nil || (run.ID == signed.ID) != c.same {
			t.Errorf("%s: run %s beside %s (%v)", c.shows, run.ID, signed.ID, err)
		}
	}
	for range 2 {
		h.now = func() time.Time { return time.Now().Add(signaturesKept + time.Hour) }
		if _, err := h.Call(t.Context(), hook, nil, "d4", "mac4"); err != nil {
			t.Fatal(err)
		}
	}
	var kept int
	if err := h.db.QueryRow(`SELECT COUNT(*) FROM trigger_signed`).Scan(&kept); err != nil || kept != 1 {
		t.Errorf("%d signatures are kept after their time, want the newest (%v)", kept, err)
	}
}

// TestRun has the real loop tick on the real clock.
func TestRun(t *testing.T) {
	h := newHouse(t, bundle.Unit{Name: "sweep", Trigger: &bundle.Trigger{EveryMS: 1000}})
	h.now = time.Now
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { h.Run(ctx); close(over) }()
	for range 200 {
		if len(h.inputs()) >= 2 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	<-over
	if n := len(h.inputs()); n < 2 || n > 12 {
		t.Errorf("%d runs", n)
	}
}
