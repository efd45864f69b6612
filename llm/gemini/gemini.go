// Package gemini speaks Google's generateContent dialect. Prompts are cached by
// the provider on its own; what was is counted.
// Source: ai.google.dev/api/generate-content.
package gemini

import (
	"context"
	"net/http"
	"net/url"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

// Model is one model at one address.
type Model struct {
	cfg    wire.Config
	caller *wire.Caller
}

// New checks the configuration. It connects to nothing. BaseURL is up to and
// without "/models"; "/v1beta" may be left out.
func New(cfg wire.Config) (*Model, error) {
	caller, err := wire.New(cfg)
	if err != nil {
		return nil, err
	}
	return &Model{cfg, caller}, nil
}

// Generate implements llm.Model.
func (m *Model) Generate(ctx context.Context, req llm.Request, emit func(llm.Event) error) (llm.Reply, error) {
	turn, body, err := m.encode(req)
	if err != nil {
		return llm.Reply{}, err
	}
	to := m.caller.Base("/v1beta") + "/models/" + url.PathEscape(m.cfg.Model)
	if m.cfg.Whole {
		to += ":generateContent"
	} else {
		to += ":streamGenerateContent?alt=sse"
	}
	return m.caller.Do(ctx, wire.Call{URL: to, Body: body,
		Key: func(h http.Header, key string) { h.Set("X-Goog-Api-Key", key) }, Read: reader(turn, emit)}, emit)
}
