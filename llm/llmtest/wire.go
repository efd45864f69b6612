package llmtest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/scripted"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

// names: what cannot be spelt is mapped, kept apart, and mapped back.
func (d Dialect) names(t *testing.T) {
	long := strings.Repeat("x", 80)
	req := llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "?"}}}
	var units []string
	for _, n := range []string{long + ".a", long + ".b", "é.é", "a.b", "a/b", "a_b"} {
		units = append(units, n)
		req.Tools = append(req.Tools, llm.Tool{Name: n, Description: n, Schema: js(`{"type":"object","properties":{"a":{"type":"integer"}}}`)})
	}
	probe, srv := d.Serve(t, scripted.Script{Turns: []scripted.Turn{{Text: "x"}}}, nil)
	if _, err := probe.Generate(t.Context(), req, nil); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var calls []scripted.Call
	for _, tool := range srv.Requests()[0].Tools {
		n := tool.Function.Name
		if seen[n] || len(n) > 64 || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Errorf("name %q twice, too long or misspelt", n)
		}
		seen[n] = true
		calls = append(calls, scripted.Call{Name: n, Arguments: js(`{"a":1}`)})
	}
	m, _ := d.Serve(t, scripted.Script{Turns: []scripted.Turn{{Calls: calls}}}, nil)
	r, err := m.Generate(t.Context(), req, nil)
	if err != nil || len(r.ToolCalls) != len(units) {
		t.Fatalf("%d calls, %v", len(r.ToolCalls), err)
	}
	for i, c := range r.ToolCalls {
		if c.Name != units[i] {
			t.Errorf("call %d is of %q, want %q", i, c.Name, units[i])
		}
	}
}

// history: what a run may hold by the time it asks: empty texts, arguments that
// are no JSON, calls of tools that are gone, two users in a row.
func (d Dialect) history(t *testing.T) {
	m, srv := d.Serve(t, scripted.Script{Turns: []scripted.Turn{{Text: "ok"}}}, nil)
	req := request()
	req.Choice = llm.Required
	req.Messages = append(req.Messages,
		llm.Message{Role: llm.Assistant, ToolCalls: []llm.ToolCall{{ID: "c1", Name: "gone.tool", Arguments: `{"a":`}, {ID: "c2", Name: "orders.get", Arguments: `[1]`}}},
		llm.Message{Role: llm.ToolRole, CallID: "c1", Tool: "gone.tool", Text: "no such tool", Failed: true},
		llm.Message{Role: llm.ToolRole, CallID: "c2", Tool: "orders.get", Text: `[1,2]`},
		llm.Message{Role: llm.Assistant, Text: "so "},
		llm.Message{Role: llm.User, Text: "go on"}, llm.Message{Role: llm.User, Text: "please", Correction: true})
	if r, err := m.Generate(t.Context(), req, nil); err != nil || r.Text != "ok" {
		t.Fatalf("%q, %v", r.Text, err)
	}
	got := srv.Requests()[0]
	if got.ToolChoice == "" || got.ToolChoice == "auto" {
		t.Errorf("the choice was %q", got.ToolChoice)
	}
	if _, text := got.Last(); !strings.Contains(text, "please") {
		t.Errorf("the last message is %q", text)
	}
}

func (d Dialect) bounds(t *testing.T) {
	m, srv := d.Serve(t, scripted.Script{Turns: []scripted.Turn{{Text: "ok"}}}, nil)
	req, warm := request(), 0.5
	req.MaxTokens, req.Temperature = 77, &warm
	if _, err := m.Generate(t.Context(), req, nil); err != nil {
		t.Fatal(err)
	}
	got := srv.Requests()[0]
	if got.MaxTokens != 77 || !strings.Contains(string(got.Body), "0.5") {
		t.Errorf("bound %d in %s", got.MaxTokens, got.Body)
	}
	var any map[string]json.RawMessage
	if err := json.Unmarshal(got.Body, &any); err != nil {
		t.Error(err)
	}
}

func (d Dialect) key(t *testing.T) {
	m, srv := d.Serve(t, scripted.Script{Key: Secret, Turns: []scripted.Turn{{Text: "ok"}}}, nil)
	if _, err := m.Generate(t.Context(), request(), nil); err != nil {
		t.Fatal(err)
	}
	if got := srv.Requests()[0]; strings.Contains(got.Path+string(got.Body), Secret) {
		t.Errorf("the key is in the address or the body: %s", got.Path)
	}
	m, err := d.Open(wire.Config{BaseURL: "http://192.0.2.1/v1", Model: "m", Key: func() (string, error) { return Secret, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Generate(t.Context(), request(), nil); fault.CodeOf(err) != fault.Denied {
		t.Errorf("a key over plain HTTP: %v", err)
	}
	for _, bad := range []string{"", "ftp://a/v1", "https://user:pw@a/v1"} {
		if _, err := d.Open(wire.Config{BaseURL: bad, Model: "m"}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("base URL %q: %v", bad, err)
		}
	}
}

// uncounted: a server that counts nothing must not be free.
func (d Dialect) uncounted(t *testing.T) {
	if d.CountsAlways {
		return
	}
	m, _ := d.Serve(t, scripted.Script{Turns: []scripted.Turn{{Text: "ok", NoUsage: true}}}, nil)
	r, err := m.Generate(t.Context(), request(), nil)
	if err != nil || !r.Usage.Estimated || r.Usage.InputTokens < 10 || r.Usage.OutputTokens == 0 {
		t.Errorf("%+v, %v", r.Usage, err)
	}
}
