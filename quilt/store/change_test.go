package store_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/store"
)

var space = store.Space{Name: "s"}

// A change with a key is made once: again, and after a restart, it answers as it
// did and does nothing. A refused one leaves no answer.
func TestAKeyIsUsedOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	w := put("n", "1")
	w.Once = "run1/7"
	for range 2 {
		done, err := s.Write(t.Context(), w)
		if err != nil || done.Version != 1 {
			t.Fatalf("version %d, %v", done.Version, err)
		}
	}
	refused := store.Write{Space: space, Key: "n", Kind: store.Swap, Expect: 9, Value: []byte("2"), Fence: 1, Once: "run1/8"}
	if _, err := s.Write(t.Context(), refused); fault.CodeOf(err) != fault.Conflict {
		t.Fatalf("got %v", err)
	}
	refused.Expect = 1
	if done, err := s.Write(t.Context(), refused); err != nil || done.Version != 2 {
		t.Fatalf("after a refusal: %v %v", done, err)
	}
	s.Close()
	s = open(t, dir)
	w.Fence = 0 // another session asks: what was done is told whatever its lease
	if done, err := s.Write(t.Context(), w); err != nil || done.Version != 1 {
		t.Fatalf("after a restart: %v %v", done, err)
	}
	other := w
	other.Space.Tenant, other.Fence = "t2", 1
	if done, err := s.Write(t.Context(), other); err != nil || done.Version != 1 {
		t.Fatalf("another tenant's: %v %v", done, err)
	}
	if it, _, _ := s.Get(t.Context(), store.Space{Tenant: "t2", Name: "s"}, "n"); string(it.Value) != "1" {
		t.Error("another tenant's write with the same key was taken for ours")
	}
}

// What a refused change did before its refusal is gone; others of its batch stay.
func TestARefusedChangeLeavesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	if err := s.Ensure(t.Context(), `create table marks (n integer)`); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			_, err := s.Change(t.Context(), store.Change{Do: func(tx *store.Tx) (any, error) {
				if _, err := tx.Exec(`insert into marks values (?)`, i); err != nil {
					return nil, err
				}
				if err := tx.Charge("", 1, 10); err != nil {
					return nil, err
				}
				if i%2 == 1 {
					return nil, fault.New(fault.Conflict, "odd")
				}
				return i, nil
			}})
			if (err != nil) != (i%2 == 1) {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wg.Wait()
	var n, sum int
	if err := s.Reader().QueryRow(`select count(*), sum(n % 2) from marks`).Scan(&n, &sum); err != nil || n != 25 || sum != 0 {
		t.Errorf("%d rows, %d odd, %v", n, sum, err)
	}
	if u, err := s.Usage(t.Context(), ""); err != nil || u != (store.Usage{Items: 25, Bytes: 250}) {
		t.Errorf("usage %+v %v", u, err)
	}
	if _, err := s.Reader().Exec(`insert into marks values (1)`); err == nil {
		t.Error("the reader writes")
	}
}

func TestQuotas(t *testing.T) {
	s := open(t, t.TempDir())
	s.Limit(func(tenant string) store.Usage {
		if tenant == "small" {
			return store.Usage{Items: 3, Bytes: 1000}
		}
		return store.Usage{}
	})
	write := func(key string, size int) error {
		w := put(key, `"`+fmt.Sprintf("%0*d", size, 0)+`"`)
		w.Space.Tenant = "small"
		_, err := s.Write(t.Context(), w)
		return err
	}
	for i := range 3 {
		if err := write(fmt.Sprint(i), 100); err != nil {
			t.Fatal(err)
		}
	}
	if err := write("3", 1); fault.CodeOf(err) != fault.Exhausted {
		t.Errorf("a fourth item: %v", err)
	}
	if err := write("0", 900); fault.CodeOf(err) != fault.Exhausted {
		t.Errorf("too many bytes: %v", err)
	}
	if err := write("0", 300); err != nil {
		t.Errorf("a larger value within the quota: %v", err)
	}
	gone := store.Write{Space: store.Space{Tenant: "small", Name: "s"}, Key: "0", Kind: store.Remove, Fence: 1}
	if _, err := s.Write(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if err := write("3", 100); err != nil {
		t.Errorf("after a delete: %v", err)
	}
	short := put("brief", `1`)
	short.Space.Tenant, short.TTL = "other", time.Millisecond
	if _, err := s.Write(t.Context(), short); err != nil {
		t.Fatal(err)
	}
	if err := s.SweepNow(); err != nil {
		t.Fatal(err)
	}
	if u, err := s.Usage(t.Context(), "other"); err != nil || u != (store.Usage{}) {
		t.Errorf("an expired key still counts: %+v %v", u, err)
	}
	if err := s.Room(t.Context(), "small", 900); fault.CodeOf(err) != fault.Exhausted {
		t.Errorf("room: %v", err)
	}
}

func TestBatches(t *testing.T) {
	s := open(t, t.TempDir())
	other := store.Space{Name: "other"}
	if _, err := s.Write(t.Context(), put("a", "1")); err != nil {
		t.Fatal(err)
	}
	page, err := s.List(t.Context(), space, store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	b := store.Batch{
		Reads:  []store.Read{{Space: space, Key: "a", Version: 1}, {Space: other, Key: "b"}},
		Lists:  []store.Listed{{Space: space, Sum: page.Sum()}},
		Writes: []store.Write{{Space: space, Key: "a", Value: []byte("2"), Fence: 1}, {Space: other, Key: "b", Value: []byte("3"), Fence: 1}},
		Once:   "k",
	}
	for range 2 { // the second time it is told
		if done, err := s.Commit(t.Context(), b); err != nil || len(done) != 2 || done[0].Version != 2 || done[1].Version != 1 {
			t.Fatalf("%v %v", done, err)
		}
	}
	for name, change := range map[string]func(*store.Batch){
		"a read":  func(b *store.Batch) { b.Lists = nil; b.Reads = b.Reads[:1] },
		"no read": func(b *store.Batch) { b.Lists = nil; b.Reads = b.Reads[1:] },
		"a list":  func(b *store.Batch) { b.Reads = nil },
		"a fence": func(b *store.Batch) { b.Reads, b.Lists, b.Writes[1].Fence = nil, nil, 0 },
	} {
		again := b
		again.Once, again.Writes = "", append([]store.Write{}, b.Writes...)
		change(&again)
		if _, err := s.Commit(t.Context(), again); fault.CodeOf(err) != fault.Conflict {
			t.Errorf("%s has changed: %v", name, err)
		}
		if it, _, _ := s.Get(t.Context(), space, "a"); it.Version != 2 {
			t.Fatalf("%s: a refused batch wrote", name)
		}
	}
}

func TestSnapshotsHoldStillAndAreFew(t *testing.T) {
	s := open(t, t.TempDir())
	if _, err := s.Write(t.Context(), put("a", "1")); err != nil {
		t.Fatal(err)
	}
	var all []*store.Snapshot
	for {
		snap, err := s.Snapshot(t.Context())
		if fault.CodeOf(err) == fault.Exhausted {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, snap)
	}
	for i := range 20 {
		if _, err := s.Write(t.Context(), put("a", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, snap := range all {
		if it, ok, err := snap.Get(t.Context(), space, "a"); err != nil || !ok || string(it.Value) != "1" {
			t.Fatalf("%s %v %v", it.Value, ok, err)
		}
		snap.Close()
		snap.Close()
		if _, _, err := snap.Get(t.Context(), space, "a"); fault.CodeOf(err) != fault.Timeout {
			t.Fatalf("a closed snapshot: %v", err)
		}
	}
	if snap, err := s.Snapshot(t.Context()); err != nil || len(all) < 4 {
		t.Errorf("%d at once; after them: %v", len(all), err)
	} else {
		snap.Close()
	}
}

func TestWatch(t *testing.T) {
	s := open(t, t.TempDir())
	write := func(key, value string) {
		t.Helper()
		if _, err := s.Write(t.Context(), put(key, value)); err != nil {
			t.Fatal(err)
		}
	}
	write("before", "1")
	start := s.Watch(t.Context(), space, "", 0, 10, 0)
	for _, key := range []string{"p/a", "p/b", "q", "p/a"} {
		write(key, "1")
	}
	got := s.Watch(t.Context(), space, "p/", start.Next, 10, time.Second)
	if text := fmt.Sprint(got.Keys, got.Gap); text != "[p/b p/a] false" {
		t.Errorf("got %s", text)
	}
	one := s.Watch(t.Context(), space, "p/", start.Next, 1, time.Second)
	two := s.Watch(t.Context(), space, "p/", one.Next, 1, time.Second)
	if text := fmt.Sprint(one.Keys, two.Keys); text != "[p/a] [p/b]" && text != "[p/b] [p/a]" {
		t.Errorf("one by one: %s", text)
	}
	if old := s.Watch(t.Context(), space, "", 1, 10, time.Second); !old.Gap {
		t.Errorf("a place of an earlier start: %+v", old)
	}
	woken := make(chan store.News)
	go func() { woken <- s.Watch(t.Context(), space, "", got.Next, 10, 10*time.Second) }()
	time.Sleep(20 * time.Millisecond)
	write("late", "1")
	if n := <-woken; fmt.Sprint(n.Keys) != "[late]" {
		t.Errorf("woken with %+v", n)
	}
	for i := range 5000 {
		if i%100 == 0 {
			var batch store.Batch
			for j := range 100 {
				batch.Writes = append(batch.Writes, put(fmt.Sprint("many", i+j), "1"))
			}
			if _, err := s.Commit(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := s.Watch(t.Context(), space, "", got.Next, 10, 0); !n.Gap {
		t.Errorf("a reader 5,000 changes behind was not told: %d keys", len(n.Keys))
	}
}

func TestAnswersAreJSON(t *testing.T) {
	s := open(t, t.TempDir())
	c := store.Change{Key: "k", Do: func(*store.Tx) (any, error) { return map[string]int{"a": 1}, nil }}
	for _, want := range []string{`{"a":1}`, `{"a":1}`} {
		v, err := s.Change(t.Context(), c)
		text, _ := json.Marshal(v)
		if err != nil || string(text) != want {
			t.Errorf("%s %v", text, err)
		}
	}
}
