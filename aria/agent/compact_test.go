package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/scripted"
)

// long is a tool whose every output differs and has n bytes.
func long(n int) func(context.Context, string, json.RawMessage, string) (json.RawMessage, error) {
	return func(_ context.Context, _ string, _ json.RawMessage, id string) (json.RawMessage, error) {
		return json.Marshal(id + " " + strings.Repeat("x", n))
	}
}

// A conversation that nears the model's window loses old outputs, then becomes a
// summary; what the server reads is always well formed, which it checks.
func TestCompaction(t *testing.T) {
	w := newWorld(t, script())
	var turns []scripted.Turn
	for i := range 30 {
		turn := scripted.Turn{Usage: &scripted.Usage{Input: 600, Output: 50},
			Calls: []scripted.Call{{Name: "orders.list"}, {Name: "orders.get", Arguments: json.RawMessage(fmt.Sprintf(`{"id":"A-%d"}`, i))}}}
		if i == 29 {
			turn = scripted.Turn{Text: "all seen"}
		}
		turns = append(turns, turn)
	}
	served := 0
	w.deps.Model = model(func(req llm.Request) (llm.Reply, error) {
		if last := req.Messages[len(req.Messages)-1]; strings.HasPrefix(last.Text, "Sum up") {
			return llm.Reply{Text: "so far: nothing", Stop: llm.StopEnd, Usage: llm.Usage{InputTokens: 500, OutputTokens: 10}}, nil
		}
		if err := paired(req.Messages); err != nil {
			return llm.Reply{}, err
		}
		bytes := 0
		for _, m := range req.Messages {
			bytes += len(m.Text)
		}
		if bytes/4 > 4000 {
			return llm.Reply{}, llm.ErrTooLong
		}
		turn := turns[served]
		served++
		r := llm.Reply{Text: turn.Text, Stop: llm.StopEnd, Usage: llm.Usage{InputTokens: int64(bytes / 4), OutputTokens: 20}}
		for i, c := range turn.Calls {
			r.ToolCalls = append(r.ToolCalls, llm.ToolCall{ID: fmt.Sprintf("c%d.%d", served, i), Name: c.Name, Arguments: string(c.Arguments)})
		}
		return r, nil
	})
	w.deps.Invoke, w.deps.Context, w.deps.MaxOutput = long(900), 4000, 500
	w.in.Limits.Steps = 40
	var events []agent.CompactedEvent
	w.deps.Emit = func(_ string, data any) error {
		if e, ok := data.(agent.CompactedEvent); ok {
			events = append(events, e)
		}
		return nil
	}
	got, err := agent.Run(t.Context(), w.in, w.deps)
	if err != nil || got.Text != "all seen" || got.Steps != 30 {
		t.Fatalf("%d steps, %q: %v", got.Steps, got.Text, err)
	}
	droppedSome, summed := false, false
	for _, e := range events {
		droppedSome, summed = droppedSome || e.Dropped > 0, summed || e.Summarised > 0
		if e.After >= e.Before {
			t.Errorf("no shorter: %+v", e)
		}
	}
	if !droppedSome || !summed {
		t.Errorf("events %+v", events)
	}
	if got.Messages[0].Text != "where is A-17?" {
		t.Errorf("the request is gone: %q", got.Messages[0].Text)
	}
}

// A model that says it is full is asked once more with less.
func TestCompactsWhenRefused(t *testing.T) {
	refusal := scripted.Turn{Status: 400, Error: "context_length_exceeded: too many tokens"}
	w := newWorld(t, script(call(`{"id":"huge"}`), call(`{"id":"A-17"}`), call(`{"id":"B"}`), refusal, scripted.Turn{Text: "short"}, scripted.Turn{Text: "answer"}))
	got, err := agent.Run(t.Context(), w.in, w.deps)
	if err != nil || got.Text != "answer" {
		t.Fatalf("%q %v", got.Text, err)
	}
	reqs := w.server.Requests()
	if last := reqs[len(reqs)-1]; len(last.Body) > 8<<10 {
		t.Errorf("the last request has %d bytes", len(last.Body))
	}
	if err := w.server.Err(); err != nil {
		t.Error(err)
	}
}

type model func(llm.Request) (llm.Reply, error)

func (m model) Generate(_ context.Context, req llm.Request, _ func(llm.Event) error) (llm.Reply, error) {
	return m(req)
}

// paired: every call has its result behind it, every result its call before it.
func paired(msgs []llm.Message) error {
	open := map[string]bool{}
	for i, m := range msgs {
		if m.Role == llm.ToolRole {
			if !open[m.CallID] {
				return fmt.Errorf("message %d answers %q, which was not called", i, m.CallID)
			}
			delete(open, m.CallID)
			continue
		}
		if len(open) > 0 {
			return fmt.Errorf("message %d comes before the results of %v", i, open)
		}
		for _, c := range m.ToolCalls {
			open[c.ID] = true
		}
	}
	return nil
}
