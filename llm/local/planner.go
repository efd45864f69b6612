// Package local is the deterministic planner behind "local:planner". It is no
// language model and never says it is one: it chooses a tool by words, names
// and, if it has an embedder, meaning; fills the tool's input from what the
// request literally says; asks for what is missing; and answers with the
// result. The same conversation always gives the same reply.
//
// It never invents a value and never calls a tool it is not sure of.
package local

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// Planner is an llm.Model.
type Planner struct{ embed Embed }

// Embed gives a text's vector of length 1. It is deterministic.
type Embed func(text string) ([]float32, error)

// New makes a planner. embed may be nil: then only words count.
func New(embed Embed) *Planner { return &Planner{embed: embed} }

// Generate implements llm.Model. It uses no tokens.
func (p *Planner) Generate(ctx context.Context, req llm.Request, emit func(llm.Event) error) (llm.Reply, error) {
	if err := ctx.Err(); err != nil {
		return llm.Reply{}, fault.Wrap(err, fault.Cancelled, "the planner's turn was cancelled")
	}
	reply, err := p.reply(req)
	if err != nil || emit == nil || reply.Text == "" {
		return reply, err
	}
	return reply, emit(llm.Event{Kind: llm.EventText, Text: reply.Text})
}

// talk is what the planner reads of a conversation: the request and the calls
// made for it so far.
type talk struct {
	request string
	values  map[string]any // of a request that is a JSON object
	calls   []llm.ToolCall
	results []llm.Message // as many as calls
	stuck   bool          // the loop says the last answer has the wrong form
}

func read(msgs []llm.Message) talk {
	var t talk
	for _, m := range msgs {
		switch {
		case m.Role == llm.User && m.Correction:
			t.stuck = true
		case m.Role == llm.User:
			t = talk{request: m.Text}
			if v, err := llm.Decode([]byte(m.Text)); err == nil {
				t.values, _ = v.(map[string]any)
			}
			if t.values != nil {
				t.request = strings.Join(stringsOf(t.values), ". ")
			}
		case m.Role == llm.Assistant:
			t.calls = append(t.calls, m.ToolCalls...)
		case m.Role == llm.ToolRole:
			t.results = append(t.results, m)
		}
	}
	return t
}

func (p *Planner) reply(req llm.Request) (llm.Reply, error) {
	t := read(req.Messages)
	if t.stuck {
		return llm.Reply{}, fault.New(fault.Failed, "the planner cannot bring the tool's result into the form of the answer").
			WithHint("let the agent return what its tool returns, or give it a language model")
	}
	if n := len(t.results); n > 0 && t.results[n-1].Failed {
		return failed(t.results[n-1], req.Output != nil)
	}
	plan, err := p.plan(t, req.Tools)
	if err != nil {
		return llm.Reply{}, err
	}
	if len(t.results) >= len(plan) && len(plan) > 0 {
		return answer(t, req.Output)
	}
	if len(plan) == 0 {
		return ask(p.clueless(req.Tools)), nil
	}
	step := plan[len(t.results)]
	if step.unsure != "" {
		return ask(step.unsure), nil
	}
	args, missing := fill(p, llm.OpenSchema(step.tool.Schema), step.words, t)
	if len(missing) > 0 {
		return ask(question(step.tool, missing)), nil
	}
	b, err := json.Marshal(args)
	if err != nil {
		return llm.Reply{}, fmt.Errorf("arguments: %w", err)
	}
	call := llm.ToolCall{ID: fmt.Sprintf("plan_%d", len(t.results)+1), Name: step.tool.Name, Arguments: string(b)}
	return llm.Reply{ToolCalls: []llm.ToolCall{call}, Stop: llm.StopTools}, nil
}

func ask(text string) llm.Reply { return llm.Reply{Text: text, Stop: llm.StopAsk} }

func (p *Planner) clueless(tools []llm.Tool) string {
	if len(tools) == 0 {
		return "I am a planner, not a language model: without a tool there is nothing I can do."
	}
	var names []string
	for _, t := range tools[:min(len(tools), 8)] {
		names = append(names, t.Name)
	}
	return "I cannot tell which tool you mean; I have " + strings.Join(names, ", ") + ". Please say it in other words."
}

// question says what is missing, in the words of the schema.
func question(t *llm.Tool, missing []gap) string {
	var parts []string
	for _, g := range missing {
		part := g.name
		if g.about != "" {
			part += " (" + g.about + ")"
		}
		parts = append(parts, part)
	}
	return fmt.Sprintf("To call %s I need %s. What should it be?", t.Name, strings.Join(parts, " and "))
}

// failed tells the error of a tool: in words, or as the run's own error where
// an answer in words would not fit.
func failed(m llm.Message, typed bool) (llm.Reply, error) {
	var e struct {
		Error struct {
			Code          fault.Code
			Message, Hint string
		}
	}
	if json.Unmarshal([]byte(m.Text), &e) != nil || e.Error.Message == "" {
		e.Error.Code, e.Error.Message = fault.Failed, m.Text
	}
	if typed {
		return llm.Reply{}, fault.New(e.Error.Code, "%s: %s", m.Tool, e.Error.Message).WithHint("%s", e.Error.Hint)
	}
	text := fmt.Sprintf("%s did not work: %s", m.Tool, e.Error.Message)
	if e.Error.Hint != "" {
		text += " (" + e.Error.Hint + ")"
	}
	return llm.Reply{Text: text + ".", Stop: llm.StopEnd}, nil
}
