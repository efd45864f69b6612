package openai_test

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
	"github.com/ariacomputecompany/firmware/llm/openai"
	"github.com/ariacomputecompany/firmware/llm/scripted"
)

const secret = "sk-very-secret-key"

// serve runs a script over real HTTP and returns a model that speaks to it.
func serve(t *testing.T, s scripted.Script, change func(*openai.Config)) (*openai.Model, *scripted.Server) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := scripted.Serve(ln, s)
	t.Cleanup(func() { _ = srv.Close() })
	cfg := openai.Config{BaseURL: srv.URL(), Model: "m", Backoff: time.Millisecond, Retries: 2,
		Key: func() (string, error) { return secret + "\n", nil }}
	if change != nil {
		change(&cfg)
	}
	m, err := openai.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m, srv
}

func args(s string) json.RawMessage { return json.RawMessage(s) }

func request() llm.Request {
	return llm.Request{
		Messages: []llm.Message{{Role: llm.System, Text: "be brief"}, {Role: llm.User, Text: "order A-17?"}},
		Tools: []llm.Tool{
			{Name: "orders.get", Schema: args(`{"type":"object","properties":{"id":{"type":"string"},"deep":{"type":"boolean"}},"required":["id"]}`)},
			{Name: "orders_get", Schema: args(`{"type":"object","properties":{}}`)},
		},
	}
}

func TestAnswer(t *testing.T) {
	for _, whole := range []bool{false, true} {
		turns := []scripted.Turn{
			{Expect: scripted.Expect{Model: "m", LastRole: "user"}, Text: "Hällo, world"},
			{Calls: []scripted.Call{{Name: "orders_get"}, {Name: "nope", Arguments: args(`{"a":1}`)}}, Text: "see"},
		}
		m, srv := serve(t, scripted.Script{Turns: turns, Key: secret}, func(c *openai.Config) { c.Whole = whole })
		var pieces strings.Builder
		emit := func(e llm.Event) error { pieces.WriteString(e.Text); return nil }
		r, err := m.Generate(t.Context(), request(), emit)
		if err != nil {
			t.Fatal(err)
		}
		want := llm.Reply{Text: "Hällo, world", Usage: llm.Usage{InputTokens: 10, OutputTokens: 5}, Stop: llm.StopEnd}
		if d := cmp.Diff(want, r); d != "" || pieces.String() != r.Text {
			t.Errorf("whole %v: pieces %q, reply (-want +got):\n%s", whole, pieces.String(), d)
		}
		r, err = m.Generate(t.Context(), request(), nil)
		if err != nil {
			t.Fatal(err)
		}
		calls := []llm.ToolCall{{ID: "call_2_0", Name: "orders_get", Arguments: "{}"}, {ID: "call_2_1", Name: "nope", Arguments: `{"a":1}`}}
		if d := cmp.Diff(calls, r.ToolCalls); d != "" || r.Stop != llm.StopTools {
			t.Errorf("whole %v: stop %s, calls (-want +got):\n%s", whole, r.Stop, d)
		}
		if err := srv.Err(); err != nil {
			t.Error(err)
		}
	}
}

// The name with the dot cannot be spelt and its obvious spelling is taken.
func TestNamesAndUndo(t *testing.T) {
	probe, srv := serve(t, scripted.Script{Turns: []scripted.Turn{{Text: "x"}}}, nil)
	if _, err := probe.Generate(t.Context(), request(), nil); err != nil {
		t.Fatal(err)
	}
	tools := srv.Requests()[0].Tools
	wire := tools[0].Function.Name
	if wire == "orders_get" || !strings.HasPrefix(wire, "orders_get_") || tools[1].Function.Name != "orders_get" {
		t.Fatalf("names on the wire: %q, %q", wire, tools[1].Function.Name)
	}
	if !tools[0].Function.Strict || !strings.Contains(string(tools[0].Function.Parameters), `"null"`) {
		t.Errorf("not lowered: %s", tools[0].Function.Parameters)
	}
	m, _ := serve(t, scripted.Script{Turns: []scripted.Turn{
		{Calls: []scripted.Call{{Name: wire, Arguments: args(`{"id":"A-17","deep":null}`)}}}}}, nil)
	r, err := m.Generate(t.Context(), request(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.ToolCalls[0]; got.Name != "orders.get" || got.Arguments != `{"id":"A-17"}` {
		t.Errorf("got %+v", got)
	}
}

func TestLongNamesStayApart(t *testing.T) {
	long := strings.Repeat("x", 80)
	req := llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "?"}}}
	for _, n := range []string{long + ".a", long + ".b", "é.é", "a.b", "a/b", "a_b"} {
		req.Tools = append(req.Tools, llm.Tool{Name: n, Schema: args(`{"type":"object","properties":{}}`)})
	}
	m, srv := serve(t, scripted.Script{Turns: []scripted.Turn{{Text: "x"}}}, nil)
	if _, err := m.Generate(t.Context(), req, nil); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, tool := range srv.Requests()[0].Tools {
		n := tool.Function.Name
		if seen[n] || len(n) > 64 || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Errorf("name %q twice, too long or misspelt", n)
		}
		seen[n] = true
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		turns []scripted.Turn
		code  fault.Code
		asked int
	}{
		{"a wrong key is not retried and not shown", []scripted.Turn{{Status: 401, Error: "bad key " + secret}}, fault.Unauthenticated, 1},
		{"too many requests, then it works", []scripted.Turn{{Status: 429, RetryAfter: "0.01"}, {Text: "ok"}}, "", 2},
		{"too many requests for too long", []scripted.Turn{{Status: 429, RetryAfter: "3600", Error: "quota " + secret}}, fault.Exhausted, 1},
		{"server errors end as unavailable", []scripted.Turn{{Status: 500}, {Status: 503}, {Status: 502, Error: secret}}, fault.Unavailable, 3},
		{"a cut stream is asked for again", []scripted.Turn{{Text: "Hello world", Cut: true}, {Text: "ok"}}, "", 2},
		{"cut every time", []scripted.Turn{{Text: "Hello world", Cut: true}, {Text: "abc def", Cut: true}, {Text: "abc def", Cut: true}}, fault.Unavailable, 3},
		{"a bad request is not retried", []scripted.Turn{{Status: 400, Error: "no " + secret}}, fault.Invalid, 1},
		{"an unknown model", []scripted.Turn{{Status: 404}}, fault.NotFound, 1},
		{"a redirect is not followed", []scripted.Turn{{Status: 307}}, fault.Invalid, 1},
		{"a page of HTML", []scripted.Turn{{Raw: "<html>"}}, fault.Failed, 1},
		{"too long", []scripted.Turn{{Status: 413}}, fault.Exhausted, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, srv := serve(t, scripted.Script{Turns: c.turns}, nil)
			r, err := m.Generate(t.Context(), request(), nil)
			if fault.CodeOf(err) != c.code || err == nil && r.Text != "ok" {
				t.Errorf("reply %q, error %v; want code %q", r.Text, err, c.code)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the key is in the error: %v", err)
			}
			if n := len(srv.Requests()); n != c.asked {
				t.Errorf("asked %d times, want %d", n, c.asked)
			}
		})
	}
}

func TestKeyStaysHome(t *testing.T) {
	key := func() (string, error) { return secret, nil }
	m, err := openai.New(openai.Config{BaseURL: "http://192.0.2.1/v1", Model: "m", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Generate(t.Context(), request(), nil); fault.CodeOf(err) != fault.Denied {
		t.Errorf("a key over plain HTTP: %v", err)
	}
	broken := errors.New("no such file")
	m, _ = serve(t, scripted.Script{}, func(c *openai.Config) { c.Key = func() (string, error) { return "", broken } })
	if _, err := m.Generate(t.Context(), request(), nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestCancel(t *testing.T) {
	m, _ := serve(t, scripted.Script{Turns: []scripted.Turn{{DelayMS: 60_000, Text: "late"}}}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := m.Generate(ctx, request(), nil); fault.CodeOf(err) != fault.Timeout {
		t.Errorf("got %v", err)
	}
}

func TestTypedAnswerAndMissingUsage(t *testing.T) {
	m, _ := serve(t, scripted.Script{Turns: []scripted.Turn{
		{Raw: `{"choices":[{"message":{"content":"{\"value\":[1,2]}"},"finish_reason":"stop"}]}`}}}, nil)
	req := request()
	req.Output = args(`{"type":"array","items":{"type":"integer"}}`)
	r, err := m.Generate(t.Context(), req, nil)
	if err != nil || r.Text != "[1,2]" {
		t.Fatalf("text %q, error %v", r.Text, err)
	}
	if !r.Usage.Estimated || r.Usage.Tokens() == 0 {
		t.Errorf("a server that counts nothing must not be free: %+v", r.Usage)
	}
}
