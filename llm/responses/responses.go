// Package responses speaks OpenAI's responses dialect, without its state: the
// whole conversation goes with every request and nothing is stored there.
// Source: platform.openai.com/docs/api-reference/responses.
package responses

import (
	"context"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

// Model is one model at one address.
type Model struct {
	cfg    wire.Config
	caller *wire.Caller
}

// New checks the configuration. It connects to nothing. BaseURL is up to and
// without "/responses".
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
	return m.caller.Do(ctx, wire.Call{URL: m.caller.Base("") + "/responses", Body: body, Key: wire.Bearer, Read: reader(turn, emit)}, emit)
}
