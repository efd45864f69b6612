package broker

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// durable runs a session over a record: the frames from inside, what it learned,
// what was recorded anew, and which operations were really made.
func durable(t *testing.T, past []Effect, frames ...string) (out Outcome, learned []string, effects []Effect, made []string) {
	t.Helper()
	inside, outside := socketPair(t)
	start, err := Start{Unit: "u", Args: json.RawMessage("[]")}.Frame()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	j := &Journal{Key: "run_1/main.1", Clock: time.UnixMilli(1), Seed: make([]byte, 32), Past: past}
	j.Effect = func(e Effect) {
		mu.Lock()
		effects = append(effects, e)
		mu.Unlock()
		j.Ack(e.Seq)
	}
	op := func(_ context.Context, c Call) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		made = append(made, c.Key)
		return "new", nil
	}
	answers := make(chan []string)
	go func() {
		inside.Write(framed(frames...))
		inside.CloseWrite()
		answers <- readAll(inside)
	}()
	set, err := token.ParseSet(nil)
	if err != nil {
		t.Fatal(err)
	}
	out = Serve(t.Context(), outside, Config{
		Ops: map[string]Op{"x.read": op, "x.put": op, "x.send": op}, Journal: j,
		Natures: map[string]func(string, json.RawMessage) Nature{
			"x.read": Natures{"x.read": Read}.Of, "x.put": Natures{"x.put": Keyed}.Of, "x.send": Natures{}.Of},
		Grant: Grant{Tokens: set}, Start: start, ResultBytes: 100,
		Log: NewLog(1000, slog.New(slog.DiscardHandler), func(Entry) {}), Ready: func() {}, Last: func() {},
	})
	learned = (<-answers)[1:] // behind the start frame
	return out, learned, effects, made
}

func recorded(seq uint64, id int64, op, args, value string) Effect {
	sum := sha256.Sum256([]byte(args))
	return Effect{Seq: seq, ID: id, Op: op, Args: sum[:16], Text: args, Value: json.RawMessage(value), Clock: time.UnixMilli(5)}
}

const (
	readCall = `{"t":"call","id":1,"op":"x.read","args":{"k":1}}`
	putCall  = `{"t":"call","id":2,"op":"x.put","args":{"k":2}}`
)

// What is recorded is told again in the recorded order and not made; the rest is
// made, with its key.
func TestRecordedCallsAreToldAgain(t *testing.T) {
	past := []Effect{recorded(1, 2, "x.put", `{"k":2}`, `"second"`), recorded(2, 1, "x.read", `{"k":1}`, `"first"`)}
	_, learned, effects, made := durable(t, past, ready, readCall, putCall, `{"t":"call","id":3,"op":"x.put","args":{}}`)
	if len(learned) != 3 || !strings.Contains(learned[0], `"second"`) || !strings.Contains(learned[1], `"first"`) || !strings.Contains(learned[2], `"new"`) {
		t.Errorf("learned %v", learned)
	}
	if len(made) != 1 || made[0] != "run_1/main.1/3" {
		t.Errorf("made %v", made)
	}
	if len(effects) != 1 || effects[0].Seq != 3 || effects[0].ID != 3 {
		t.Errorf("recorded %+v", effects)
	}
}

// Another question than the recorded one ends the session and says where.
func TestDivergence(t *testing.T) {
	past := []Effect{recorded(1, 1, "x.read", `{"k":7}`, `1`)}
	out, _, _, made := durable(t, past, ready, readCall, `{"t":"result","value":1}`)
	if !strings.Contains(out.Diverged, `call 1 was x.read {"k":7}, and now is x.read {"k":1}`) || len(made) != 0 {
		t.Errorf("%q, made %v", out.Diverged, made)
	}
	out, _, _, _ = durable(t, past, ready, `{"t":"result","value":1}`)
	if !strings.Contains(out.Diverged, "was not made") {
		t.Errorf("a call that is left out: %q", out.Diverged)
	}
}

// What cannot be repeated is announced first, and uncertain afterwards.
func TestUncertain(t *testing.T) {
	send := `{"t":"call","id":1,"op":"x.send","args":{}}`
	_, _, effects, made := durable(t, nil, ready, send)
	if len(effects) != 2 || !effects[0].Intent || effects[1].Intent || len(made) != 1 {
		t.Fatalf("recorded %+v, made %v", effects, made)
	}
	_, learned, again, made := durable(t, effects[:1], ready, send)
	if len(made) != 0 || len(learned) != 1 || !strings.Contains(learned[0], `"uncertain"`) {
		t.Errorf("learned %v, made %v", learned, made)
	}
	if len(again) != 1 || again[0].Fault == nil || again[0].Fault.Code != fault.Uncertain {
		t.Errorf("recorded %+v", again)
	}
}

// readAll is every frame until the other side ends.
func readAll(r io.Reader) (all []string) {
	for {
		var n uint32
		if binary.Read(r, binary.BigEndian, &n) != nil {
			return all
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return all
		}
		all = append(all, string(b))
	}
}
