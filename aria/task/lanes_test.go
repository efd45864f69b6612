package task

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

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// road is a Tasks with units that bound their runs, whose work ends when the test
// says so.
type road struct {
	*Tasks
	t   *testing.T
	db  *sql.DB
	reg *registry.Registry

	mu    sync.Mutex
	doors map[string]chan struct{} // by the text of the input
	going []string                 // what is at work, in the order in which it began
}

func newRoad(t *testing.T) *road {
	t.Helper()
	dir := t.TempDir()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "t.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	reg, err := registry.New(db, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	object := json.RawMessage(`{"type":"object"}`)
	m := &bundle.Manifest{Aria: "1", Name: "b", Version: "1.0.0", Builder: bundle.Builder{Arc: "0.1.0", TypeScript: "7.0.2", Esbuild: "0.28.2"}}
	for _, u := range []struct {
		name string
		c    bundle.Concurrency
	}{{"newest", bundle.Concurrency{Max: 1, Then: bundle.ThenOld}}, {"nested", bundle.Concurrency{Max: 1, Then: bundle.ThenQueue}},
		{"one", bundle.Concurrency{Key: "input.k", Max: 1, Then: bundle.ThenQueue}}, {"refuse", bundle.Concurrency{Max: 2, Then: bundle.ThenRefuse}},
		{"ring", bundle.Concurrency{Key: "input.k", Max: 1, Then: bundle.ThenQueue}}} {
		m.Units = append(m.Units, bundle.Unit{Name: u.name, Kind: bundle.Tool, Concurrency: &u.c,
			Entry: &bundle.Entry{Code: "code/a.js", Export: "A"}, Input: object, Output: object})
	}
	spec := &bundle.AgentSpec{Model: "m:m"}
	m.Units = append(m.Units, bundle.Unit{Name: "talks", Kind: bundle.Agent, Agent: spec, Input: object, Output: object},
		bundle.Unit{Name: "chats", Kind: bundle.Agent, Agent: spec, Input: object, Output: object, Concurrency: &bundle.Concurrency{Max: 1, Then: bundle.ThenQueue}})
	data, _, err := bundle.Pack(m, map[string][]byte{"code/a.js": []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := reg.Add(t.Context(), data, registry.Register); err != nil {
		t.Fatal(err)
	}
	r := &road{t: t, db: db, reg: reg, doors: map[string]chan struct{}{}}
	r.open()
	t.Cleanup(r.stop)
	return r
}

func (r *road) open() {
	r.t.Helper()
	tasks, err := New(r.db, r.reg, map[bundle.Kind]Runner{bundle.Tool: runner(r.work), bundle.Agent: runner(r.work)}, Config{Tools: 50, Agents: 50, Pipelines: 1}, slog.New(slog.DiscardHandler))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := tasks.Recover(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.Tasks = tasks
}

// stop leaves what goes on as it is.
func (r *road) stop() {
	now, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	r.Close(now)
	r.mu.Lock()
	r.going = nil
	r.mu.Unlock()
}

// work goes on until its door opens; what calls another unit does that instead.
func (r *road) work(ctx context.Context, job Job) (Outcome, error) {
	var in struct{ K, Call string }
	if err := json.Unmarshal(job.Input, &in); err != nil {
		return Outcome{}, err
	}
	r.mu.Lock()
	r.going = append(r.going, in.K)
	r.mu.Unlock()
	if in.Call != "" {
		<-r.door(in.K)
		out, err := job.Invoke(ctx, in.Call, json.RawMessage(`{"k":"`+map[string]string{"x": "y", "y": "x"}[in.K]+`"}`), "1")
		return Outcome{Output: out}, err
	}
	select {
	case <-r.door(in.K):
		return Outcome{Output: json.RawMessage(`{}`)}, nil
	case <-ctx.Done():
		return Outcome{}, context.Cause(ctx)
	}
}

func (r *road) door(k string) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.doors[k] == nil {
		r.doors[k] = make(chan struct{}, 20)
	}
	return r.doors[k]
}

func (r *road) start(unit, input string) Run {
	r.t.Helper()
	run, err := r.Start(r.t.Context(), Request{Unit: unit, Input: json.RawMessage(input)})
	if err != nil {
		r.t.Fatal(err)
	}
	return run
}

// works waits until so much is at work, and says what.
func (r *road) works(n int) string {
	r.t.Helper()
	for range 400 {
		r.mu.Lock()
		have := strings.Join(r.going, " ")
		count := len(r.going)
		r.mu.Unlock()
		if count >= n {
			return have
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.t.Fatalf("not %d at work after 2 s", n)
	return ""
}

func (r *road) why(id ID) Reason {
	r.t.Helper()
	_, w, err := r.Why(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return w
}

func TestLaneIsByKeyAndInOrder(t *testing.T) {
	r := newRoad(t)
	first := r.start("one", `{"k":"a"}`)
	second := r.start("one", `{"k":"a"}`)
	third := r.start("one", `{"k":"a"}`)
	r.start("one", `{"k":"b"}`)
	r.works(2)
	if w := r.why(third.ID); w.For != "turn" || w.Position != 2 || w.HeldBy[0] != first.ID || w.Of != `b#one with "a"` {
		t.Errorf("%+v", w)
	}
	if w := r.why(first.ID); w.For != "" {
		t.Errorf("the first waits: %+v", w)
	}
	r.door("a") <- struct{}{}
	ended1(t, r.Tasks, first.ID)
	r.works(3)
	if w := r.why(second.ID); w.For != "" {
		t.Errorf("the second waits: %+v", w)
	}
	if got, err := r.Cancel(t.Context(), third.ID, ""); err != nil || got.State != Cancelled {
		t.Errorf("one that waits is cancelled: %v %v", got.State, err)
	}
}

// TestSessionIsInOrder: the turns of one session go on one after the other, as they
// came, also over a restart; those of other sessions beside them. Who waits for a
// session holds no place of its unit.
func TestSessionIsInOrder(t *testing.T) {
	r := newRoad(t)
	turn := func(unit, session, k string) Run {
		t.Helper()
		run, err := r.Start(t.Context(), Request{Unit: unit, Input: json.RawMessage(`{"k":"` + k + `"}`), Session: Session{ID: session}})
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	first, second, third := turn("talks", "s", "a"), turn("talks", "s", "b"), turn("talks", "s", "c")
	turn("talks", "other", "d")
	r.start("talks", `{"k":"e"}`) // no session
	r.works(3)
	if w := r.why(third.ID); w.For != "turn" || w.Position != 2 || w.HeldBy[0] != first.ID || w.Of != `session "s" of b#talks` {
		t.Errorf("%+v", w)
	}
	r.stop()
	r.open()
	r.works(3)
	if w := r.why(third.ID); w.For != "turn" || w.Position != 2 || w.HeldBy[0] != first.ID {
		t.Errorf("after a restart: %+v", w)
	}
	if _, err := r.Cancel(t.Context(), first.ID, ""); err != nil {
		t.Fatal(err)
	}
	if got := r.works(4); !strings.HasSuffix(got, "b") {
		t.Errorf("at work: %s; want the second turn last", got)
	}
	r.door("b") <- struct{}{}
	ended1(t, r.Tasks, second.ID)
	if got := r.works(5); !strings.HasSuffix(got, "c") {
		t.Errorf("at work: %s; want the third turn last", got)
	}

	// One at a time in the unit too: the second turn of a session does not stand in
	// the way of a run of another.
	one, two := turn("chats", "s", "f"), turn("chats", "s", "g")
	r.works(6)
	other := turn("chats", "other", "h")
	r.door("f") <- struct{}{}
	ended1(t, r.Tasks, one.ID)
	r.works(7)
	if w := r.why(two.ID); w.For != "turn" || w.HeldBy[0] != other.ID {
		t.Errorf("%+v", w)
	}
	r.door("h") <- struct{}{}
	ended1(t, r.Tasks, other.ID)
	r.door("g") <- struct{}{}
	ended1(t, r.Tasks, two.ID)
}

func TestLaneOverARestart(t *testing.T) {
	r := newRoad(t)
	first := r.start("one", `{"k":"a"}`)
	second, third := r.start("one", `{"k":"a"}`), r.start("one", `{"k":"a"}`)
	r.works(1)
	r.stop()
	r.open()
	r.works(1)
	for i, id := range []ID{second.ID, third.ID} {
		if w := r.why(id); w.For != "turn" || w.Position != i+1 || w.HeldBy[0] != first.ID {
			t.Errorf("number %d after the restart: %+v", i, w)
		}
	}
	for i, id := range []ID{first.ID, second.ID, third.ID} {
		r.works(i + 1)
		r.door("a") <- struct{}{}
		if got := ended1(t, r.Tasks, id); got.State != Done {
			t.Errorf("number %d: %s %v", i, got.State, got.Error)
		}
	}
}

func TestLaneRefuses(t *testing.T) {
	r := newRoad(t)
	r.start("refuse", `{"k":"a"}`)
	last := r.start("refuse", `{"k":"b"}`)
	if _, err := r.Start(t.Context(), Request{Unit: "refuse", Input: json.RawMessage(`{}`)}); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a third: %v", err)
	}
	r.door("b") <- struct{}{}
	ended1(t, r.Tasks, last.ID)
	for range 400 { // the place is free a moment after the end can be seen
		if _, err := r.Start(t.Context(), Request{Unit: "refuse", Input: json.RawMessage(`{"k":"c"}`)}); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("no place after 2 s")
}

func TestLaneCancelsTheOld(t *testing.T) {
	r := newRoad(t)
	old := r.start("newest", `{"k":"a"}`)
	r.works(1)
	young := r.start("newest", `{"k":"b"}`)
	if got := ended1(t, r.Tasks, old.ID); got.State != Cancelled || !strings.Contains(got.Error.Message, string(young.ID)) {
		t.Errorf("the old: %s %v", got.State, got.Error)
	}
	r.door("b") <- struct{}{}
	if got := ended1(t, r.Tasks, young.ID); got.State != Done {
		t.Errorf("the young: %s %v", got.State, got.Error)
	}
}

func TestLaneThatWaitsForItself(t *testing.T) {
	r := newRoad(t)
	self := r.start("nested", `{"k":"s","call":"nested"}`)
	r.door("s") <- struct{}{}
	if got := ended1(t, r.Tasks, self.ID); got.State != Failed || got.Error.Code != fault.Deadlock {
		t.Errorf("a unit that calls itself: %s %v", got.State, got.Error)
	}

	x, y := r.start("ring", `{"k":"x","call":"ring"}`), r.start("ring", `{"k":"y","call":"ring"}`)
	r.works(3)
	r.door("x") <- struct{}{} // calls ring with y, which y holds
	time.Sleep(50 * time.Millisecond)
	r.door("y") <- struct{}{} // calls ring with x: a circle
	if got := ended1(t, r.Tasks, y.ID); got.State != Failed || got.Error.Code != fault.Deadlock {
		t.Errorf("the call that closes the circle: %s %v", got.State, got.Error)
	}
	r.door("y") <- struct{}{} // what x called has its turn now
	if got := ended1(t, r.Tasks, x.ID); got.State != Done {
		t.Errorf("the other goes on: %s %v", got.State, got.Error)
	}
}
