// Package fallback is a model that has others behind it: when one is down or
// limited, the next takes over, and an event says so. A refusal for any other
// reason (a wrong key, a bad request) is an answer, and nobody takes over.
package fallback

import (
	"context"
	"errors"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// Choice is one model under its reference.
type Choice struct {
	Ref   string // "openai:gpt-4o-mini"
	Model llm.Model
	Price *llm.Price // nil: not known
}

// New tries choices in order. With one it is that one.
func New(choices ...Choice) llm.Model {
	if len(choices) == 1 {
		return choices[0].Model
	}
	return chain(choices)
}

type chain []Choice

// Generate implements llm.Model. Each turn begins with the first choice again:
// who was down may be back.
func (c chain) Generate(ctx context.Context, req llm.Request, emit func(llm.Event) error) (llm.Reply, error) {
	var tried []error
	for i, choice := range c {
		reply, err := choice.Model.Generate(ctx, req, emit)
		if err == nil || ctx.Err() != nil || !passes(err) {
			return reply, err
		}
		tried = append(tried, err)
		if i == len(c)-1 {
			break
		}
		if emit == nil {
			continue
		}
		text := choice.Ref + ": " + words(err) + "; going on with " + c[i+1].Ref
		if err := emit(llm.Event{Kind: llm.EventFallback, Text: text}); err != nil {
			return llm.Reply{}, err
		}
	}
	last, _ := fault.As(tried[len(tried)-1])
	return llm.Reply{}, fault.Wrap(errors.Join(tried...), last.Code, "%s and the %d behind it cannot answer; the last says: %s", c[0].Ref, len(c)-1, last.Message).
		WithHint("arc models shows what can be reached")
}

// passes: another provider may do better.
func passes(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Unavailable, fault.Exhausted:
		return true
	}
	return false
}

func words(err error) string {
	if f, ok := fault.As(err); ok {
		return f.Message
	}
	return err.Error()
}
