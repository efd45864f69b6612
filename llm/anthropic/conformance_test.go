package anthropic_test

import (
	"testing"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/anthropic"
	"github.com/ariacomputecompany/firmware/llm/llmtest"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

func TestAnthropicDialect(t *testing.T) {
	llmtest.Run(t, llmtest.Dialect{Open: func(cfg wire.Config) (llm.Model, error) { return anthropic.New(cfg) }, ObjectWhole: true, CountsAlways: true})
}
