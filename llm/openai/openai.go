// Package openai speaks the chat completions dialect to any base URL: OpenAI
// itself, Ollama, the llama.cpp server, vLLM, LM Studio, OpenRouter and others.
// Source: platform.openai.com/docs/api-reference/chat.
package openai

import (
	"context"
	"net/url"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

// Config of one model at one address.
type Config = wire.Config

// Model is one model at one address.
type Model struct {
	cfg    Config
	caller *wire.Caller
	// newLimit: the server calls the bound of an answer max_completion_tokens.
	newLimit bool
}

// New checks the configuration. It connects to nothing.
func New(cfg Config) (*Model, error) {
	caller, err := wire.New(cfg)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(cfg.BaseURL)
	return &Model{cfg: cfg, caller: caller, newLimit: err == nil && u.Hostname() == "api.openai.com"}, err
}

// Generate implements llm.Model.
func (m *Model) Generate(ctx context.Context, req llm.Request, emit func(llm.Event) error) (llm.Reply, error) {
	turn, body, err := m.encode(req)
	if err != nil {
		return llm.Reply{}, err
	}
	return m.caller.Do(ctx, wire.Call{URL: m.caller.Base("") + "/chat/completions", Body: body, Key: wire.Bearer,
		Read: reader(turn, emit)}, emit)
}
