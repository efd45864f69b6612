package responses_test

import (
	"testing"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/llmtest"
	"github.com/ariacomputecompany/firmware/llm/responses"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

func TestResponsesDialect(t *testing.T) {
	llmtest.Run(t, llmtest.Dialect{Open: func(cfg wire.Config) (llm.Model, error) { return responses.New(cfg) }})
}
