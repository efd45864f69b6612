package daemon

import (
	"errors"
	"log/slog"
	"maps"
	"os"

	"github.com/ariacomputecompany/firmware/aria/agency"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/dialect"
	"github.com/ariacomputecompany/firmware/llm/embed"
	"github.com/ariacomputecompany/firmware/llm/fallback"
	"github.com/ariacomputecompany/firmware/llm/local"
	file "github.com/ariacomputecompany/firmware/llm/models"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

// models are the providers of the models file and of the configuration, which
// wins, and the planner of this build.
type models struct {
	own     llm.Catalog // of ariad.toml
	live    *file.Live
	planner *local.Planner
	embed   func(text string) ([]float32, error)
}

// newModels reads the models file; the planner's vectors are read at their first
// use.
func newModels(cfg Config, log *slog.Logger) (models, error) {
	live, err := file.Open(cfg.ModelsFile, log)
	near := embed.New().Embed
	return models{cfg.Models, live, local.New(near), near}, err
}

// file is what holds now.
func (m models) file() file.File {
	f := m.live.File()
	f.Providers = maps.Clone(f.Providers)
	maps.Copy(f.Providers, m.own)
	return f
}

// model makes the model that an agent names, with those that stand in for it. A
// key is read from its file at each request, so that changing it needs no
// restart; it is kept nowhere else. The price is the dearest of all, nil if one
// of them is not known: a budget is never passed because another took over.
func (m models) model(ref string) (agency.Model, error) {
	f := m.file()
	t, err := f.Providers.Resolve(ref)
	if err != nil {
		return agency.Model{}, err
	}
	first, err := m.one(t)
	if err != nil {
		return agency.Model{}, err
	}
	out := agency.Model{Ref: t.Ref(), Price: t.Price, Context: t.Traits.Context, MaxOutput: t.Traits.MaxOutput, Free: t.Dialect == llm.DialectLocal}
	choices := []fallback.Choice{{Ref: t.Ref(), Model: first}}
	for _, other := range f.FallbackOf(t) {
		o, err := f.Providers.Resolve(other)
		if err != nil {
			return agency.Model{}, err
		}
		if o.Ref() == t.Ref() {
			continue
		}
		model, err := m.one(o)
		if err != nil {
			return agency.Model{}, err
		}
		choices = append(choices, fallback.Choice{Ref: o.Ref(), Model: model})
		out.Price, out.Free = dearer(out.Price, o.Price), out.Free && o.Dialect == llm.DialectLocal
		out.Context, out.MaxOutput = smaller(out.Context, o.Traits.Context), smaller(out.MaxOutput, o.Traits.MaxOutput)
	}
	out.Model = fallback.New(choices...)
	return out, nil
}

// smaller of two sizes, of which 0 is one that is not known.
func smaller(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

func (m models) one(t llm.Target) (llm.Model, error) {
	if t.Dialect == llm.DialectLocal {
		if t.Model != "planner" {
			return nil, fault.New(fault.Invalid, "%s is no model for an agent", t.Ref()).WithHint(`write "local:planner"`)
		}
		return m.planner, nil
	}
	return dialect.Open(t, wire.Config{Key: key(t)})
}

func dearer(a, b *llm.Price) *llm.Price {
	if a == nil || b == nil {
		return nil
	}
	return &llm.Price{Input: max(a.Input, b.Input), Output: max(a.Output, b.Output)}
}

func key(t llm.Target) func() (string, error) {
	if t.KeyFile == "" && t.Key != "" {
		return func() (string, error) {
			return "", fault.New(fault.Unauthenticated, "the key of provider %q lies in quiltd's secret store, for units only", t.Name).
				WithHint("give agents a key_file beside key in models.toml")
		}
	}
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
