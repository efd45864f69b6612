package openai_test

import (
	"testing"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/llmtest"
	"github.com/ariacomputecompany/firmware/llm/openai"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

func TestOpenAIDialect(t *testing.T) {
	llmtest.Run(t, llmtest.Dialect{Open: func(cfg wire.Config) (llm.Model, error) { return openai.New(cfg) }})
}
