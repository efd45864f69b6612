package vector

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

// asker asks the service as a container would.
type asker struct {
	testing.TB
	data    *store.Store
	service broker.Service
	indexes *indexes
	sweep   store.Change
}

func newAsker(t testing.TB, dir string) *asker {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	data, err := store.Open(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { data.Close() })
	if err := data.Ensure(t.Context(), tables); err != nil {
		t.Fatal(err)
	}
	s := &service{data: data, indexes: newIndexes(data.Reader(), filepath.Join(dir, "scratch"), log), turn: make(chan struct{}, 1)}
	return &asker{t, data, broker.Service{Ops: map[string]broker.Op{"upsert": s.upsert, "delete": s.remove, "query": s.query}}, s.indexes, s.expiry()}
}

func (a *asker) ask(op string, args map[string]any) (page, error) {
	args["ns"] = "docs"
	raw, err := json.Marshal(args)
	if err != nil {
		a.Fatal(err)
	}
	set, _ := token.ParseSet([]string{"vector:docs:a"})
	got, err := a.service.Ops[op](context.Background(), broker.Call{Execution: "x", Grant: broker.Grant{Tokens: set, Fence: 1 << 50}, Args: raw})
	p, _ := got.(page)
	return p, err
}

func (a *asker) must(op string, args map[string]any) page {
	a.Helper()
	p, err := a.ask(op, args)
	if err != nil {
		a.Fatalf("%s: %v", op, err)
	}
	return p
}

type point struct {
	v    []float32
	meta map[string]any
}

func random(r *rand.Rand, dims int) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(r.NormFloat64()) + 0.4 // a mean that is not zero
	}
	u, _ := unit(toBytes(v), "x")
	return u
}

func randomMeta(r *rand.Rand) map[string]any {
	m := map[string]any{"n": r.IntN(10), "lang": []string{"en", "de", "fr"}[r.IntN(3)]}
	if r.IntN(2) == 0 {
		m["tags"] = []string{string(rune('a' + r.IntN(4))), string(rune('a' + r.IntN(4)))}
	}
	if r.IntN(3) == 0 {
		m["draft"] = r.IntN(2) == 0
	}
	return m
}

var filters = []struct {
	where any
	holds func(m map[string]any) bool
}{
	{nil, func(map[string]any) bool { return true }},
	{map[string]any{"lang": "en"}, func(m map[string]any) bool { return m["lang"] == "en" }},
	{map[string]any{"n": map[string]any{"gte": 3, "lt": 6}}, func(m map[string]any) bool { n := m["n"].(int); return n >= 3 && n < 6 }},
	{map[string]any{"tags": []any{"a", "b"}}, func(m map[string]any) bool {
		tags, _ := m["tags"].([]string)
		return slices.Contains(tags, "a") || slices.Contains(tags, "b")
	}},
	{map[string]any{"$or": []any{map[string]any{"draft": true}, map[string]any{"lang": map[string]any{"gt": "en"}}}},
		func(m map[string]any) bool { return m["draft"] == true || m["lang"].(string) > "en" }},
	{map[string]any{"$not": map[string]any{"lang": "de", "n": 7}}, func(m map[string]any) bool { return m["lang"] != "de" || m["n"] != 7 }},
	{map[string]any{"draft": map[string]any{"exists": false}}, func(m map[string]any) bool { _, ok := m["draft"]; return !ok }},
}

// Searches beside writes and deletes find what a comparison of everything finds,
// with every filter, before and after the index is dropped.
func TestAgainstANaiveModel(t *testing.T) {
	const dims = 70
	a := newAsker(t, t.TempDir())
	r := rand.New(rand.NewPCG(7, 7))
	model := map[string]point{}
	for round := range 12 {
		var items []map[string]any
		for range 60 {
			id := fmt.Sprint("d", r.IntN(400))
			p := point{random(r, dims), randomMeta(r)}
			if slices.ContainsFunc(items, func(m map[string]any) bool { return m["id"] == id }) {
				continue
			}
			model[id] = p
			items = append(items, map[string]any{"id": id, "v": toBytes(p.v), "meta": p.meta})
		}
		a.must("upsert", map[string]any{"items": items})
		var gone []string
		for id := range model {
			if r.IntN(9) == 0 {
				gone = append(gone, id)
				delete(model, id)
			}
		}
		if len(gone) > 0 {
			a.must("delete", map[string]any{"ids": gone})
		}
		if round == 6 {
			a.indexes.mu.Lock()
			for space, e := range a.indexes.open {
				go a.indexes.drop(space, e)
			}
			a.indexes.mu.Unlock()
		}
		for _, f := range filters {
			q := random(r, dims)
			got := a.must("query", map[string]any{"v": toBytes(q), "k": 7, "where": f.where, "min": -1})
			want := nearest(model, q, 7, f.holds)
			if len(got.Hits) != len(want) {
				t.Fatalf("round %d, %v: %d hits, want %d", round, f.where, len(got.Hits), len(want))
			}
			for i, h := range got.Hits {
				if d := h.Score - want[i]; d > 1e-5 || d < -1e-5 {
					t.Fatalf("round %d, %v: hit %d scores %g, want %g", round, f.where, i, h.Score, want[i])
				}
			}
		}
	}
}

// nearest are the scores of the k nearest, one by one.
func nearest(model map[string]point, q []float32, k int, holds func(map[string]any) bool) (out []float64) {
	for _, p := range model {
		if holds(p.meta) {
			out = append(out, float64(dotBytes(toBytes(p.v), q)))
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out[:min(k, len(out))]
}

func TestExpiry(t *testing.T) {
	a := newAsker(t, t.TempDir())
	v := toBytes([]float32{1, 0})
	a.must("upsert", map[string]any{"items": []map[string]any{{"id": "stays", "v": v}, {"id": "goes", "v": v, "ttlMs": 400}}})
	if got := a.must("query", map[string]any{"v": v}); len(got.Hits) != 2 {
		t.Fatalf("%v", got)
	}
	time.Sleep(450 * time.Millisecond)
	for range 2 { // before and after the sweep
		if got := a.must("query", map[string]any{"v": v}); len(got.Hits) != 1 || got.Hits[0].ID != "stays" {
			t.Errorf("%v", got)
		}
		if _, err := a.data.Change(t.Context(), a.sweep); err != nil {
			t.Fatal(err)
		}
	}
	if u, err := a.data.Usage(t.Context(), ""); err != nil || u.Items != 1 {
		t.Errorf("%+v %v", u, err)
	}
}

// Among many the codes choose candidates; nearly all true neighbours are found,
// also under a filter, and the measuring asks for no more than it needs.
func TestRecall(t *testing.T) {
	const dims, n = 128, 6000
	a := newAsker(t, t.TempDir())
	r := rand.New(rand.NewPCG(3, 3))
	centres := make([][]float32, 40)
	for i := range centres {
		centres[i] = random(r, dims)
	}
	one := func() []float32 {
		v := slices.Clone(centres[r.IntN(len(centres))])
		for i := range v {
			v[i] += 0.07 * float32(r.NormFloat64())
		}
		u, _ := unit(toBytes(v), "x")
		return u
	}
	model := map[string]point{}
	for at := 0; at < n; at += 500 {
		var items []map[string]any
		for i := at; i < at+500; i++ {
			id, p := fmt.Sprint(i), point{one(), map[string]any{"half": i % 2}}
			model[id] = p
			items = append(items, map[string]any{"id": id, "v": toBytes(p.v), "meta": p.meta})
		}
		a.must("upsert", map[string]any{"items": items})
	}
	a.must("query", map[string]any{"v": toBytes(one())})
	for _, e := range a.indexes.open {
		e.measure() // now, not beside
		if want := e.idx.want; want < 160 || want > n/2 {
			t.Errorf("ten answers need %d candidates of %d", want, n)
		}
	}
	for name, f := range map[string]struct {
		where any
		holds func(map[string]any) bool
	}{
		"all":  {nil, func(map[string]any) bool { return true }},
		"half": {map[string]any{"half": 1}, func(m map[string]any) bool { return m["half"] == 1 }},
	} {
		found, all := 0, 0
		for range 50 {
			q := one()
			want := nearest(model, q, 10, f.holds)
			got := a.must("query", map[string]any{"v": toBytes(q), "k": 10, "where": f.where})
			all += len(want)
			for _, h := range got.Hits {
				if h.Score >= want[len(want)-1]-1e-6 {
					found++
				}
			}
		}
		if recall := float64(found) / float64(all); recall < 0.98 {
			t.Errorf("%s: recall %.3f, want at least 0.98", name, recall)
		}
	}
}

// Writers, searches and drops at once: no search fails, none sees what is gone.
func TestSearchesBesideWrites(t *testing.T) {
	a := newAsker(t, t.TempDir())
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for i := range 60 {
				id := fmt.Sprint(w, "-", i)
				v := random(r, 16)
				if _, err := a.ask("upsert", map[string]any{"items": []map[string]any{{"id": id, "v": toBytes(v), "meta": map[string]any{"w": id}}}}); err != nil {
					t.Error(err)
				}
				got, err := a.ask("query", map[string]any{"v": toBytes(v), "k": 1, "where": map[string]any{"w": id}})
				if err != nil || len(got.Hits) != 1 || got.Hits[0].ID != id {
					t.Errorf("%s right after its write: %v %v", id, got, err)
				}
				if i%20 == 0 {
					a.indexes.mu.Lock()
					for space, e := range a.indexes.open {
						go a.indexes.drop(space, e)
					}
					a.indexes.mu.Unlock()
				}
				if _, err := a.ask("delete", map[string]any{"ids": []string{id}}); err != nil {
					t.Error(err)
				}
				if got, err := a.ask("query", map[string]any{"v": toBytes(v), "where": map[string]any{"w": id}}); err != nil || len(got.Hits) != 0 {
					t.Errorf("%s right after its end: %v %v", id, got, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestWhere(t *testing.T) {
	deep := any(map[string]any{"a": 1.0})
	for range 10 {
		deep = map[string]any{"$not": deep}
	}
	var wide []any
	for range 100 {
		wide = append(wide, map[string]any{"a": 1.0})
	}
	for text, where := range map[string]any{
		"an object":           7.0,
		"unknown word":        map[string]any{"a": map[string]any{"regex": "x"}},
		"there are $and":      map[string]any{"$nor": []any{}},
		"takes a list":        map[string]any{"$or": map[string]any{}},
		"not with an object":  map[string]any{"a": map[string]any{"eq": map[string]any{}}},
		"number or a text":    map[string]any{"a": map[string]any{"gt": true}},
		"true or false":       map[string]any{"a": map[string]any{"exists": 1.0}},
		"more than 8 levels":  deep,
		"more than 64 condit": map[string]any{"$or": wide},
	} {
		if _, err := parseWhere(where); fault.CodeOf(err) != fault.Invalid || !strings.Contains(fmt.Sprint(err), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzWhere(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"$or":[{"a":{"gt":1}},{"b":["x",null]}]}`, `{"$not":{"a":{"exists":true}}}`, `[]`, `{"a":{"in":[]}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var v any
		if json.Unmarshal(text, &v) != nil {
			return
		}
		c, err := parseWhere(v)
		if err != nil {
			if fault.CodeOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		x := index{ids: []int64{1, 0, 3}, cols: map[string]*column{}}
		c.fields(func(name string) {
			x.cols[name] = newColumn(name)
			x.cols[name].set(0, []byte(`{"a":[1,"x",null],"b":"x","c":{}}`))
		})
		if b := x.matching(c); b != nil && (b.has(1) || b.count() > 2) {
			t.Fatalf("%s: a free row matches", text)
		}
	})
}
