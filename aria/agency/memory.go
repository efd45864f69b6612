package agency

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/aria/memory"
	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/find"
)

// owner names a unit's memory: of all its versions.
func owner(u registry.Unit) string { return u.Bundle + "#" + u.Name }

// history is what was said in the session of this run before it, as it was when
// the run began.
func (d *desk) history(ctx context.Context, m *memory.Store) ([]llm.Message, error) {
	s, err := d.job.Session(ctx)
	if err != nil || s.ID == "" {
		return nil, err
	}
	raw, err := d.job.Recall(ctx, "history")
	if err != nil {
		return nil, err
	}
	var turns []memory.Turn
	if raw == nil {
		if turns, err = m.Turns(ctx, owner(d.job.Unit), s.ID); err != nil {
			return nil, err
		}
		if err := d.job.Remember("history", turns); err != nil {
			return nil, err
		}
	} else if err := json.Unmarshal(raw, &turns); err != nil {
		return nil, fmt.Errorf("history of %s: %w", d.job.Run, err)
	}
	var out []llm.Message
	for _, t := range turns {
		out = append(out, llm.Message{Role: llm.User, Text: t.Said}, llm.Message{Role: llm.Assistant, Text: t.Answer})
	}
	return out, nil
}

// said adds this run's turn to its session.
func (d *desk) said(ctx context.Context, m *memory.Store, request string, answer agent.Result) error {
	s, err := d.job.Session(ctx)
	if err != nil || s.ID == "" {
		return err
	}
	text := answer.Text
	if text == "" {
		text = string(answer.Output)
	}
	return m.Append(ctx, owner(d.job.Unit), s.ID, string(d.job.Run), memory.Turn{Said: request, Answer: text})
}

const recallAtOnce = 8

// memoryTools let an agent remember things of its user over sessions.
func (s *stint) memoryTools(ctx context.Context) ([]own, error) {
	session, err := s.d.job.Session(ctx)
	if err != nil {
		return nil, err
	}
	m, unit, user := s.a.Memory, owner(s.unit), session.User
	remember := func(ctx context.Context, input json.RawMessage, _ string) (json.RawMessage, error) {
		var f memory.Fact
		if err := json.Unmarshal(input, &f); err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "what is to be remembered has a key and a text")
		}
		if err := m.Remember(ctx, unit, user, f); err != nil {
			return nil, err
		}
		return json.Marshal(map[string]string{"remembered": f.Key})
	}
	recall := func(ctx context.Context, input json.RawMessage, _ string) (json.RawMessage, error) {
		var in struct{ Query string }
		_ = json.Unmarshal(input, &in) // the loop has checked it
		facts, err := m.Facts(ctx, unit, user)
		if err != nil {
			return nil, err
		}
		return s.a.nearest(ctx, facts, in.Query)
	}
	return []own{
		{agent.Tool{Unit: "remember", Description: "Remember something of this user for later conversations.",
			Schema: json.RawMessage(`{"type":"object","properties":{"key":{"type":"string","minLength":1,"maxLength":200,"description":"what it is about, the same for the same thing"},"text":{"type":"string","maxLength":4096}},"required":["key","text"],"additionalProperties":false}`)}, remember},
		{agent.Tool{Unit: "recall", Description: "Look up what was remembered of this user in earlier conversations.",
			Schema: json.RawMessage(`{"type":"object","properties":{"query":{"type":"string","description":"what is to be known; without it: everything, up to 8"}},"additionalProperties":false}`)}, recall},
	}, nil
}

// nearest are the facts that fit a query best.
func (a *Agents) nearest(ctx context.Context, facts []memory.Fact, query string) (json.RawMessage, error) {
	if query == "" || len(facts) == 0 {
		return json.Marshal(facts[:min(len(facts), recallAtOnce)])
	}
	docs := make([]find.Doc, len(facts))
	for i, f := range facts {
		docs[i] = find.Doc{Name: f.Key, Text: f.Text}
	}
	hits, err := a.Find.Search(ctx, docs, query, recallAtOnce)
	if err != nil {
		return nil, err
	}
	out := make([]memory.Fact, len(hits))
	for i, h := range hits {
		out[i] = facts[h.At]
	}
	return json.Marshal(out)
}
