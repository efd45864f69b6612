package daemon

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/ariacomputecompany/firmware/llm/models"
	"github.com/ariacomputecompany/firmware/quilt/llmgate"
)

// modelGate is the model gateway over the models file. secrets finds a key by
// its name; nil: there is no secret store.
func modelGate(cfg Config, secrets func(ctx context.Context, tenant, name string) (string, error), log *slog.Logger) (*llmgate.Gate, error) {
	live, err := models.Open(cfg.Models, log)
	if err != nil {
		return nil, err
	}
	return llmgate.New(llmgate.Config{Models: live, Key: secrets, Dir: filepath.Join(cfg.Data, "quilt"), Log: log})
}
