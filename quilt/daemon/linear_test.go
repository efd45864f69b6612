package daemon

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// step is one operation of a client on two keys, as the checker sees it. A
// conflict is an answer too: for a compare-and-set it says that the version was
// another; a transaction that failed is no step at all.
type step struct {
	op       string // "get", "put", "cas", "swap": a transaction that swaps both keys
	key      int
	value    int // to write
	expect   int // version of a cas
	got      cell
	other    cell // swap: what the second key was
	conflict bool
}

// cell is a key's value and version; version 0: it is not there.
type cell struct{ value, version int }

// registers are two versioned registers that a transaction can swap.
var registers = porcupine.Model{
	Init: func() any { return [2]cell{} },
	Step: func(state, in, _ any) (bool, any) {
		s, o := state.([2]cell), in.(step)
		is := s[o.key]
		switch o.op {
		case "get":
			return o.got == is, s
		case "put":
			s[o.key] = cell{o.value, is.version + 1}
			return o.got.version == is.version+1, s
		case "cas":
			if is.version != o.expect {
				return o.conflict, s
			}
			s[o.key] = cell{o.value, is.version + 1}
			return !o.conflict && o.got.version == is.version+1, s
		}
		if o.got != s[0] || o.other != s[1] {
			return false, s
		}
		return true, [2]cell{{s[1].value, s[0].version + 1}, {s[0].value, s[1].version + 1}}
	},
	DescribeOperation: func(in, _ any) string { return fmt.Sprintf("%+v", in) },
}

// Several clients under shared leases: single operations and transactions
// together look as if they happened one after the other.
func TestKVIsLinearizable(t *testing.T) {
	d := openServices(t, t.TempDir())
	began := time.Now()
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	for client := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(client), 5))
			c := kvClient{t, d, uint64(10 + client)}
			for i := range 150 {
				call := time.Since(began).Nanoseconds()
				s, ok := c.random(r, client*1000+i)
				end := time.Since(began).Nanoseconds()
				if !ok {
					continue
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: client, Input: s, Call: call, Output: nil, Return: end})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	result, info := porcupine.CheckOperationsVerbose(registers, history, testenv.Patience(60*time.Second))
	if result != porcupine.Ok {
		path := t.TempDir() + "/history.html"
		err := porcupine.VisualizePath(registers, info, path)
		t.Fatalf("%d operations: %s (%s %v)", len(history), result, path, err)
	}
	swaps := 0
	for _, o := range history {
		if o.Input.(step).op == "swap" {
			swaps++
		}
	}
	if swaps < 20 {
		t.Errorf("only %d transactions went through", swaps)
	}
}

type kvClient struct {
	t     *testing.T
	d     *data
	fence uint64
}

func (c kvClient) ask(op string, args m, into any) bool {
	args["ns"] = "lin"
	got, err := c.d.ask(c.t, "kv:lin:a", c.fence, op, args)
	if fault.CodeOf(err) == fault.Conflict && err != nil {
		return false
	}
	if err == nil {
		err = json.Unmarshal([]byte(got), into)
	}
	if err != nil {
		c.t.Error(err)
	}
	return err == nil
}

func (c kvClient) get(key int) (out cell) {
	var got *struct{ Value, Version int }
	if c.ask("kv.get", m{"key": fmt.Sprint(key)}, &got); got != nil {
		out = cell{got.Value, got.Version}
	}
	return out
}

func (c kvClient) random(r *rand.Rand, value int) (step, bool) {
	s := step{key: r.IntN(2), value: value}
	var got struct{ Version int }
	switch n := r.IntN(10); {
	case n < 3:
		s.op, s.got = "get", c.get(s.key)
	case n < 5:
		s.op = "put"
		c.ask("kv.put", m{"key": fmt.Sprint(s.key), "value": value}, &got)
		s.got.version = got.Version
	case n < 7:
		s.op, s.expect = "cas", c.get(s.key).version
		s.conflict = !c.ask("kv.cas", m{"key": fmt.Sprint(s.key), "value": value, "version": s.expect}, &got)
		s.got.version = got.Version
	default:
		return c.swap(s)
	}
	return s, true
}

func (c kvClient) swap(s step) (step, bool) {
	s.op, s.got, s.other = "swap", c.get(0), c.get(1)
	var done struct{ Versions []int }
	ok := c.ask("kv.commit", m{
		"reads": []m{{"ns": "lin", "key": "0", "version": s.got.version}, {"ns": "lin", "key": "1", "version": s.other.version}},
		"writes": []m{
			{"ns": "lin", "key": "0", "value": s.other.value}, {"ns": "lin", "key": "1", "value": s.got.value}},
	}, &done)
	return s, ok
}
