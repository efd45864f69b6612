package daemon

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

// data is the services over one data folder, asked as a container asks.
type data struct {
	store *store.Store
	ops   map[string]broker.Op
	names map[string][]string // operations by scheme
}

func openServices(t testing.TB, dir string) *data {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(filepath.Join(dir, "quilt"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	cfg := defaults()
	cfg.Data = dir
	all, err := services(s, cfg, true, log)
	if err != nil {
		t.Fatal(err)
	}
	d := &data{store: s, ops: map[string]broker.Op{}, names: map[string][]string{}}
	for _, one := range all {
		maps.Copy(d.ops, one.Ops)
		d.names[one.Scheme] = slices.Sorted(maps.Keys(one.Ops))
	}
	return d
}

// ask makes one call under a token; the answer is JSON.
func (d *data) ask(t testing.TB, tok string, fence uint64, op string, args any) (string, error) {
	t.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	set, err := token.ParseSet(strings.Fields(tok))
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.ops[op](t.Context(), broker.Call{Execution: "x", Grant: broker.Grant{Tokens: set, Fence: fence}, Args: raw})
	text, _ := json.Marshal(v)
	return string(text), err
}

type m = map[string]any

// Of every operation: its least arguments, and whether it writes. Those that
// only end or go on with what another began are named without.
var operations = map[string]struct {
	args   m
	writes bool
}{
	"kv.get": {m{"key": "k"}, false}, "kv.list": {m{}, false}, "kv.watch": {m{}, false},
	"kv.put": {m{"key": "k", "value": 1}, true}, "kv.cas": {m{"key": "k2", "value": 1, "version": 0}, true}, "kv.delete": {m{"key": "k3"}, true},
	"kv.commit":    {m{"writes": []m{{"ns": "a", "key": "k", "value": 2}}}, true},
	"lock.take":    {m{"name": "a"}, true},
	"vector.query": {m{"v": "AACAPw=="}, false}, "vector.get": {m{"ids": []string{"x"}}, false}, "vector.info": {m{}, false},
	"vector.upsert": {m{"items": []m{{"id": "x", "v": "AACAPw=="}}}, true}, "vector.delete": {m{"ids": []string{"y"}}, true},
	"queue.stats": {m{}, false}, "queue.dead": {m{}, false}, "queue.push": {m{"items": []m{{"body": 1}}}, true}, "queue.claim": {m{}, true},
	"queue.redrive": {m{}, true}, "queue.discard": {m{}, true},
	"blob.read": {m{"name": "b", "length": 1}, false}, "blob.stat": {m{"name": "b"}, false}, "blob.list": {m{"name": "b"}, false},
	"blob.put": {m{"name": "b", "data": "eA=="}, true}, "blob.begin": {m{}, true}, "blob.delete": {m{"name": "c"}, true},
	"fs.read": {m{"path": "f", "length": 1}, false}, "fs.stat": {m{"path": "f"}, false}, "fs.list": {m{}, false},
	"fs.write": {m{"path": "f", "data": "eA=="}, true}, "fs.remove": {m{"path": "g"}, true},
}

// These take the id of what another operation made, or cannot be done on nothing.
var onlyAfter = []string{"kv.begin", "kv.end", "lock.drop", "queue.ack", "queue.nack", "queue.extend", "blob.chunk", "blob.commit", "blob.end", "fs.rename"}

func TestEveryOperationNeedsItsToken(t *testing.T) {
	d := openServices(t, t.TempDir())
	for scheme, names := range d.names {
		path := "a"
		if scheme == "fs" {
			path = "/a"
		}
		for _, op := range names {
			o, ok := operations[op]
			if !ok {
				if !slices.Contains(onlyAfter, op) {
					t.Errorf("no case for %s", op)
				}
				continue
			}
			args := maps.Clone(o.args)
			if _, named := args["ns"]; !named && scheme != "lock" {
				args["ns"] = path
			}
			for verb, allowed := range map[string]bool{"": false, "s": !o.writes, "r": !o.writes, "u": !o.writes, "a": scheme != "lock", "rw": true} {
				tok := scheme + ":" + path + ":" + verb
				if verb == "" {
					tok = scheme + ":" + path + "x:rw" // a neighbour
				}
				_, err := d.ask(t, tok, 1<<50, op, args)
				if denied := fault.CodeOf(err) == fault.Denied; denied == allowed {
					t.Errorf("%s under %s: %v", op, tok, err)
				}
			}
		}
	}
}

// A writer whose lease is older than the last writer's is refused by every
// operation that writes.
func TestEveryWriteIsFenced(t *testing.T) {
	d := openServices(t, t.TempDir())
	for op, o := range operations {
		scheme, _, _ := strings.Cut(op, ".")
		if !o.writes || op == "lock.take" || op == "blob.begin" {
			continue
		}
		path := "fenced/" + strings.ReplaceAll(op, ".", "-")
		if scheme == "fs" {
			path = "/" + path
		}
		args := maps.Clone(o.args)
		args["ns"] = path
		first, firstArgs := op, args
		switch op {
		case "queue.claim", "queue.redrive", "queue.discard":
			first, firstArgs = "queue.push", m{"ns": path, "items": []m{{"body": 1}, {"body": 2}}}
		case "kv.cas":
			first, firstArgs = "kv.put", m{"ns": path, "key": "other", "value": 1}
		case "kv.commit":
			args["writes"] = []m{{"ns": path, "key": "k", "value": 2}}
		}
		tok := scheme + ":" + path + ":rw"
		if _, err := d.ask(t, tok, 9, first, firstArgs); err != nil {
			t.Errorf("%s under fence 9: %v", first, err)
		}
		if _, err := d.ask(t, tok, 8, op, args); fault.CodeOf(err) != fault.Conflict || !strings.Contains(fmt.Sprint(err), "stale lease") {
			t.Errorf("%s under fence 8 after 9: %v", op, err)
		}
	}
}

func TestEveryStoreCountsAgainstTheQuota(t *testing.T) {
	d := openServices(t, t.TempDir())
	d.store.Limit(func(string) store.Usage { return store.Usage{Items: 2, Bytes: 1 << 20} })
	fill := map[string]func(i int) m{
		"kv.put":        func(i int) m { return m{"key": fmt.Sprint(i), "value": 1} },
		"vector.upsert": func(i int) m { return m{"items": []m{{"id": fmt.Sprint(i), "v": "AACAPw=="}}} },
		"queue.push":    func(i int) m { return m{"items": []m{{"body": i}}} },
		"blob.put":      func(i int) m { return m{"name": fmt.Sprint(i), "data": "eA=="} },
		"fs.write":      func(i int) m { return m{"path": fmt.Sprint(i), "data": "eA=="} },
	}
	empty := map[string]func(i int) (string, m){
		"kv.put":        func(i int) (string, m) { return "kv.delete", m{"key": fmt.Sprint(i)} },
		"vector.upsert": func(i int) (string, m) { return "vector.delete", m{"ids": []string{fmt.Sprint(i)}} },
		"blob.put":      func(i int) (string, m) { return "blob.delete", m{"name": fmt.Sprint(i)} },
		"fs.write":      func(i int) (string, m) { return "fs.remove", m{"path": fmt.Sprint(i)} },
	}
	for _, op := range slices.Sorted(maps.Keys(fill)) {
		scheme, _, _ := strings.Cut(op, ".")
		path := map[string]string{"fs": "/q"}[scheme]
		if path == "" {
			path = "q"
		}
		ask := func(op string, args m) error {
			args["ns"] = path
			_, err := d.ask(t, scheme+":"+path+":rw", 5, op, args)
			return err
		}
		for i := range 3 {
			if err := ask(op, fill[op](i)); (fault.CodeOf(err) == fault.Exhausted) != (i == 2) || err != nil && i < 2 {
				t.Errorf("%s, item %d: %v", op, i, err)
			}
		}
		for i := range 2 {
			if op == "queue.push" {
				got, err := d.ask(t, "queue:q:rw", 5, "queue.claim", m{"ns": path})
				var b struct{ Items []m }
				if json.Unmarshal([]byte(got), &b); err != nil || len(b.Items) != 1 {
					t.Fatalf("claim: %s %v", got, err)
				}
				if err := ask("queue.ack", m{"id": b.Items[0]["id"], "claim": 1}); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if err := ask(empty[op](i)); err != nil {
				t.Fatal(err)
			}
		}
		if u, err := d.store.Usage(t.Context(), ""); err != nil || u != (store.Usage{}) {
			t.Errorf("after %s and giving all back: %+v %v", op, u, err)
		}
	}
}
