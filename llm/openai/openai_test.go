package openai_test

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

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
