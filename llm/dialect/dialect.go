// Package dialect makes the model that a target names: the one place that knows
// every dialect of this build.
package dialect

import (
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/anthropic"
	"github.com/ariacomputecompany/firmware/llm/gemini"
	"github.com/ariacomputecompany/firmware/llm/openai"
	"github.com/ariacomputecompany/firmware/llm/responses"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

// Open makes the model of a target that is not local. cfg has the key and how to
// send; address and model are the target's. It connects to nothing.
func Open(t llm.Target, cfg wire.Config) (llm.Model, error) {
	cfg.BaseURL, cfg.Model, cfg.PlainHTTP = t.BaseURL, t.Model, t.PlainHTTP
	switch t.Dialect {
	case llm.DialectOpenAI:
		return openai.New(cfg)
	case llm.DialectResponses:
		return responses.New(cfg)
	case llm.DialectAnthropic:
		return anthropic.New(cfg)
	case llm.DialectGemini:
		return gemini.New(cfg)
	}
	return nil, fault.New(fault.Unimplemented, "this build has no %q models", t.Dialect).
		WithHint("configure a provider that speaks openai")
}
