// Package anthropic speaks the messages dialect. The prompt is cached at the
// provider: tools, instructions and the conversation so far are marked, so that
// the next turn pays a tenth for them.
// Source: docs.claude.com/en/api/messages.
package anthropic

import (
	"context"
	"net/http"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

// Version of the API that is spoken.
const Version = "2023-06-01"

// defaultTokens bounds an answer where nobody does: the dialect wants a bound.
const defaultTokens = 8192

// Model is one model at one address.
type Model struct {
	cfg    wire.Config
	caller *wire.Caller
}

// New checks the configuration. It connects to nothing. BaseURL is up to and
// without "/messages"; "/v1" may be left out.
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
	return m.caller.Do(ctx, wire.Call{URL: m.caller.Base("/v1") + "/messages", Body: body,
		Header: http.Header{"Anthropic-Version": {Version}},
		Key:    func(h http.Header, key string) { h.Set("X-Api-Key", key) }, Read: reader(turn, emit)}, emit)
}
