package agent_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm/embed"
	"github.com/ariacomputecompany/firmware/llm/local"
	"github.com/ariacomputecompany/firmware/llm/scripted"
)

// The planner goes through the same loop as any model.
func TestPlanner(t *testing.T) {
	for _, c := range []struct {
		name, words, output string
		want                string
		code                fault.Code
	}{
		{"a sentence", "where is order A-17?", "", `"orders.get: id A-17, status shipped."`, ""},
		{"typed", "where is order A-17?", `{"type":"object","properties":{"status":{"type":"string"}},"required":["status"]}`, `{"id":"A-17","status":"shipped"}`, ""},
		{"a tool's error, in words", "where is order B-1?", "", `"orders.get did not work: no order \"B-1\" (ask for its number)."`, ""},
		{"a tool's error, typed", "where is order B-1?", `{"type":"object","properties":{"status":{"type":"string"}},"required":["status"]}`, "", fault.NotFound},
		{"a question back, in words", "get an order", "", `"To call orders.get I need id. What should it be?"`, ""},
		{"a question back, typed", "get an order", `{"type":"object","properties":{"status":{"type":"string"}},"required":["status"]}`, "", fault.Invalid},
		{"a form no result has", "where is order A-17?", `{"type":"object","properties":{"mood":{"type":"string"}},"required":["mood"]}`, "", fault.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, scripted.Script{})
			w.deps.Model = local.New(embed.New().Embed)
			w.in.Input, _ = json.Marshal(map[string]string{"request": c.words})
			w.in.OutputSchema = json.RawMessage(c.output)
			got, err := agent.Run(t.Context(), w.in, w.deps)
			if string(got.Output) != c.want || fault.CodeOf(err) != c.code {
				t.Errorf("output %s, error %v", got.Output, err)
			}
			if c.code == "" && strings.Contains(c.words, "where") && len(w.calls) != 1 {
				t.Errorf("calls %q", w.calls)
			}
		})
	}
}
