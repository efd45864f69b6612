package gemini_test

import (
	"testing"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/gemini"
	"github.com/ariacomputecompany/firmware/llm/llmtest"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

func TestGeminiDialect(t *testing.T) {
	llmtest.Run(t, llmtest.Dialect{Open: func(cfg wire.Config) (llm.Model, error) { return gemini.New(cfg) }, ObjectArgs: true, CountsAlways: true})
}
