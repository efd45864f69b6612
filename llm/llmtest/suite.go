// Package llmtest is the conformance suite of the dialects: one list of cases,
// run against a server that speaks the dialect as its public reference has it
// (llm/scripted), over real HTTP.
package llmtest

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/scripted"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

// Secret is the key that the servers of the suite demand.
const Secret = "sk-very-secret-key"

// Dialect is what the suite needs to know.
type Dialect struct {
	Open func(wire.Config) (llm.Model, error)
	// ObjectArgs: arguments are an object on the wire, so broken ones cannot come.
	ObjectArgs bool
	// ObjectWhole: they are one in an answer in one piece.
	ObjectWhole bool
	// CountsAlways: an answer without its usage does not happen.
	CountsAlways bool
}

// Serve starts a script and opens the dialect's model on it. change may be nil.
func (d Dialect) Serve(t *testing.T, s scripted.Script, change func(*wire.Config)) (llm.Model, *scripted.Server) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := scripted.Serve(ln, s)
	t.Cleanup(func() { _ = srv.Close() })
	cfg := wire.Config{BaseURL: srv.URL(), Model: "m", Backoff: time.Millisecond, Retries: 2,
		Key: func() (string, error) { return Secret + "\n", nil }}
	if strings.Contains(t.Name(), "emini") {
		cfg.BaseURL = srv.Root()
	}
	if change != nil {
		change(&cfg)
	}
	m, err := d.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m, srv
}

// Run runs every case. The test's name says which dialect it is.
func Run(t *testing.T, d Dialect) {
	for _, whole := range []bool{false, true} {
		name := map[bool]string{false: "stream", true: "whole"}[whole]
		t.Run("answers/"+name, func(t *testing.T) { d.answers(t, whole) })
		t.Run("stops/"+name, func(t *testing.T) { d.stops(t, whole) })
		t.Run("calls/"+name, func(t *testing.T) { d.calls(t, whole) })
		t.Run("errors/"+name, func(t *testing.T) { d.errors(t, whole) })
		t.Run("typed/"+name, func(t *testing.T) { d.typed(t, whole) })
	}
	t.Run("names", d.names)
	t.Run("history", d.history)
	t.Run("bounds", d.bounds)
	t.Run("key", d.key)
	t.Run("cancel", d.cancel)
	t.Run("uncounted", d.uncounted)
	t.Run("emit", d.emit)
}

func js(s string) json.RawMessage { return json.RawMessage(s) }

// request offers two tools whose names look alike on the wire.
func request() llm.Request {
	return llm.Request{
		Messages: []llm.Message{{Role: llm.System, Text: "be brief"}, {Role: llm.User, Text: "order A-17?"}},
		Tools: []llm.Tool{
			{Name: "orders.get", Description: "find one", Schema: js(`{"type":"object","properties":{"id":{"type":"string"},"deep":{"type":"boolean","default":true}},"required":["id"],"additionalProperties":false}`)},
			{Name: "orders_get", Schema: js(`{"type":"object","properties":{},"additionalProperties":false}`)},
			{Name: "tree.put", Schema: js(`{"type":"object","properties":{"node":{"$ref":"#/$defs/N"},"tags":{"type":"object","additionalProperties":{"type":"string"}}},"$defs":{"N":{"type":"object","properties":{"left":{"$ref":"#/$defs/N"}}}}}`)},
		},
	}
}

func (d Dialect) answers(t *testing.T, whole bool) {
	m, srv := d.Serve(t, scripted.Script{Key: Secret, Turns: []scripted.Turn{
		{Expect: scripted.Expect{Model: "m", LastRole: "user", Contains: []string{"order A-17?"}, Tools: []string{"orders.get"}},
			Text: "Hällo, world ✓", Usage: &scripted.Usage{Input: 100, Output: 7, Cached: 60}},
	}}, func(c *wire.Config) { c.Whole = whole })
	var pieces strings.Builder
	n := 0
	r, err := m.Generate(t.Context(), request(), func(e llm.Event) error { pieces.WriteString(e.Text); n++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	want := llm.Reply{Text: "Hällo, world ✓", Usage: llm.Usage{InputTokens: 100, OutputTokens: 7, CachedTokens: 60}, Stop: llm.StopEnd}
	if diff := cmp.Diff(want, r); diff != "" || pieces.String() != r.Text || !whole && n < 3 {
		t.Errorf("%d pieces %q, reply (-want +got):\n%s", n, pieces.String(), diff)
	}
	if err := srv.Err(); err != nil {
		t.Error(err)
	}
	first := srv.Requests()[0]
	if role, _ := first.Last(); role != "user" || first.Messages[0].Role != "system" || first.Messages[0].Content != "be brief" || first.Stream == whole {
		t.Errorf("the server saw %+v", first.Messages)
	}
}

func (d Dialect) stops(t *testing.T, whole bool) {
	for _, c := range []struct {
		name string
		turn scripted.Turn
		stop llm.Stop
		text string
	}{
		{"cut at its bound", scripted.Turn{Text: "and then", Finish: "length"}, llm.StopLength, "and then"},
		{"refused", scripted.Turn{Refusal: "I will not"}, llm.StopFilter, "I will not"},
		{"filtered", scripted.Turn{Text: "half", Finish: "content_filter"}, llm.StopFilter, "half"},
	} {
		m, _ := d.Serve(t, scripted.Script{Turns: []scripted.Turn{c.turn}}, func(c *wire.Config) { c.Whole = whole })
		r, err := m.Generate(t.Context(), request(), nil)
		if err != nil || r.Stop != c.stop || r.Text != c.text {
			t.Errorf("%s: stop %q, text %q, %v", c.name, r.Stop, r.Text, err)
		}
	}
}

// Several calls at once, with text beside them; then their results go back, one
// of them failed, and the server finds every call answered.
func (d Dialect) calls(t *testing.T, whole bool) {
	broken, object := `{"id":`, d.ObjectArgs || whole && d.ObjectWhole
	if object {
		broken = `{"id":"B-2","deep":null}`
	}
	m, srv := d.Serve(t, scripted.Script{Turns: []scripted.Turn{
		{Text: "let me see", Calls: []scripted.Call{{Name: "orders_get", Arguments: js(`{"id":"x"}`)}, {Name: "orders_get"},
			{Name: "nope", Arguments: js(`{"a":1}`)}, {Name: "tree_put", Arguments: quoted(broken)}}},
		{Expect: scripted.Expect{LastRole: "tool", Contains: []string{"shipped", "no such tool"}}, Text: "done"},
	}}, func(c *wire.Config) { c.Whole = whole })
	req := request()
	r, err := m.Generate(t.Context(), req, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range r.ToolCalls {
		got = append(got, c.Name+" "+c.Arguments)
	}
	want := []string{`orders_get {"id":"x"}`, `orders_get {}`, `nope {"a":1}`, "tree.put " + broken}
	if object {
		want[3] = `tree.put {"deep":null,"id":"B-2"}`
	}
	if diff := cmp.Diff(want, got); diff != "" || r.Stop != llm.StopTools || r.Text != "let me see" {
		t.Fatalf("stop %s, text %q, calls (-want +got):\n%s", r.Stop, r.Text, diff)
	}
	req.Messages = append(req.Messages, llm.Message{Role: llm.Assistant, Text: r.Text, ToolCalls: r.ToolCalls})
	for i, c := range r.ToolCalls {
		res := llm.Message{Role: llm.ToolRole, CallID: c.ID, Tool: c.Name, Text: `{"status":"shipped"}`}
		switch i {
		case 1:
			res.Text = ""
		case 2:
			res.Text, res.Failed = "no such tool", true
		}
		req.Messages = append(req.Messages, res)
	}
	if r, err = m.Generate(t.Context(), req, nil); err != nil || r.Text != "done" {
		t.Errorf("%q, %v", r.Text, err)
	}
	if err := srv.Err(); err != nil {
		t.Error(err)
	}
}

// quoted makes arguments that may be no JSON a bare text of the script.
func quoted(s string) json.RawMessage {
	b, _ := json.Marshal(s)
	return b
}

func (d Dialect) errors(t *testing.T, whole bool) {
	for _, c := range []struct {
		name  string
		turns []scripted.Turn
		code  fault.Code
		asked int
	}{
		{"a wrong key is not retried and not shown", []scripted.Turn{{Status: 401, Error: "bad key " + Secret}}, fault.Unauthenticated, 1},
		{"a key without the right", []scripted.Turn{{Status: 403, Error: "no " + Secret}}, fault.Unauthenticated, 1},
		{"too many requests, then it works", []scripted.Turn{{Status: 429, RetryAfter: "0.01"}, {Text: "ok"}}, "", 2},
		{"too many requests for too long", []scripted.Turn{{Status: 429, RetryAfter: "3600", Error: "quota " + Secret}}, fault.Exhausted, 1},
		{"server errors end as unavailable", []scripted.Turn{{Status: 500}, {Status: 503}, {Status: 529, Error: Secret}}, fault.Unavailable, 3},
		{"a cut answer is asked for again", []scripted.Turn{{Text: "Hello world", Cut: true}, {Text: "ok"}}, "", 2},
		{"a call cut in its arguments", []scripted.Turn{{Text: "x", Calls: []scripted.Call{{Name: "orders_get", Arguments: js(`{"id":"A-17"}`)}}, Cut: true}, {Text: "ok"}}, "", 2},
		{"cut every time", []scripted.Turn{{Text: "Hello world", Cut: true}, {Text: "abc def", Cut: true}, {Text: "abc def", Cut: true}}, fault.Unavailable, 3},
		{"a bad request is not retried", []scripted.Turn{{Status: 400, Error: "no " + Secret}}, fault.Invalid, 1},
		{"an unknown model", []scripted.Turn{{Status: 404}}, fault.NotFound, 1},
		{"a redirect is not followed", []scripted.Turn{{Status: 307}}, fault.Invalid, 1},
		{"a page of HTML", []scripted.Turn{{Raw: "<html>"}}, fault.Failed, 1},
		{"JSON of somebody else", []scripted.Turn{{Raw: `{"hello":1}`}}, fault.Failed, 1},
		{"too long", []scripted.Turn{{Status: 413}}, fault.Exhausted, 1},
		{"too long in words", []scripted.Turn{{Status: 400, Error: "prompt is too long: 300000 tokens"}}, fault.Exhausted, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, srv := d.Serve(t, scripted.Script{Turns: c.turns}, func(c *wire.Config) { c.Whole = whole })
			r, err := m.Generate(t.Context(), request(), nil)
			if fault.CodeOf(err) != c.code || err == nil && (r.Text != "ok" || len(r.ToolCalls) > 0) {
				t.Errorf("reply %+v, error %v; want code %q", r, err, c.code)
			}
			if err != nil && strings.Contains(err.Error(), Secret) {
				t.Errorf("the key is in the error: %v", err)
			}
			if n := len(srv.Requests()); n != c.asked {
				t.Errorf("asked %d times, want %d", n, c.asked)
			}
		})
	}
}

// typed: a schema that the provider takes, one that it does not take, and one
// whose root is no object; beside tools and without.
func (d Dialect) typed(t *testing.T, whole bool) {
	for _, c := range []struct{ name, schema, said, want string }{
		{"an object", `{"type":"object","properties":{"a":{"type":"integer","minimum":1},"b":{"type":"string"}},"required":["a"],"additionalProperties":false}`,
			`{"a":1,"b":null}`, `{"a":1}`},
		{"a list", `{"type":"array","items":{"type":"integer"}}`, `{"value":[1,2]}`, `[1,2]`},
		{"a map", `{"type":"object","additionalProperties":{"type":"number"}}`, `{"x":1.5}`, `{"x":1.5}`},
		{"a fence around it", `{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}`, "```json\n{\"a\": 1}\n```", `{"a":1}`},
		{"recursion", `{"$ref":"#/$defs/N","$defs":{"N":{"type":"object","properties":{"next":{"$ref":"#/$defs/N"}},"additionalProperties":false}}}`,
			`{"next":{"next":null}}`, `{"next":{}}`},
	} {
		for _, tools := range []bool{false, true} {
			m, srv := d.Serve(t, scripted.Script{Turns: []scripted.Turn{{Text: c.said}}}, func(c *wire.Config) { c.Whole = whole })
			req := request()
			if !tools {
				req.Tools = nil
			}
			req.Output = js(c.schema)
			r, err := m.Generate(t.Context(), req, nil)
			if err != nil || r.Text != c.want {
				t.Errorf("%s, tools %v: %q, %v", c.name, tools, r.Text, err)
				continue
			}
			got := srv.Requests()[0]
			if len(got.Format) == 0 && !strings.Contains(string(got.Messages[0].Content), "JSON Schema") {
				t.Errorf("%s, tools %v: the model was not told the schema", c.name, tools)
			}
		}
	}
}

func (d Dialect) cancel(t *testing.T) {
	m, _ := d.Serve(t, scripted.Script{Turns: []scripted.Turn{{DelayMS: 60_000, Text: "late"}}}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := m.Generate(ctx, request(), nil); fault.CodeOf(err) != fault.Timeout {
		t.Errorf("got %v", err)
	}
}

// An error of emit ends the turn, and nothing is asked again.
func (d Dialect) emit(t *testing.T) {
	full := errors.New("the listener is gone")
	m, srv := d.Serve(t, scripted.Script{Forever: true, Turns: []scripted.Turn{{Text: "hello world"}}}, nil)
	if _, err := m.Generate(t.Context(), request(), func(llm.Event) error { return full }); !errors.Is(err, full) || len(srv.Requests()) != 1 {
		t.Errorf("%v after %d requests", err, len(srv.Requests()))
	}
}
