package daemon

import (
	"errors"
	"os"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/embed"
	"github.com/ariacomputecompany/firmware/llm/local"
	"github.com/ariacomputecompany/firmware/llm/openai"
)

// models are the providers of the configuration and the planner of this build.
type models struct {
	catalog llm.Catalog
	planner *local.Planner
}

// newModels loads nothing: the planner's vectors are read at their first use.
func newModels(c llm.Catalog) models {
	return models{c, local.New(embed.New().Embed)}
}

// model makes the model that an agent names. A key is read from its file at
// each request, so that changing it needs no restart; it is kept nowhere else.
func (m models) model(ref string) (llm.Model, *llm.Price, error) {
	t, err := m.catalog.Resolve(ref)
	if err != nil {
		return nil, nil, err
	}
	switch t.Dialect {
	case llm.DialectLocal:
		return m.planner, t.Price, nil
	case llm.DialectOpenAI:
		model, err := openai.New(openai.Config{BaseURL: t.BaseURL, Model: t.Model, Key: key(t), PlainHTTP: t.PlainHTTP})
		return model, t.Price, err
	}
	return nil, nil, fault.New(fault.Unimplemented, "this build has no %q models", t.Dialect).
		WithHint("configure a provider that speaks openai")
}

func key(t llm.Target) func() (string, error) {
	if t.KeyFile == "" {
		return nil
	}
	return func() (string, error) {
		k, err := secret(t.KeyFile)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			return "", fault.Wrap(err, fault.Unauthenticated, "the key file of provider %q cannot be read", t.Name).
				WithHint("put the key into %s, owned by ariad's user, mode 600", t.KeyFile)
		}
		return k, err
	}
}
