package daemon

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/probe"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// list asks every provider what it has, in the words of the public port.
func (m models) list(ctx context.Context, timeout time.Duration) *ariav1.ListModelsResponse {
	f := m.file()
	results := probe.All(ctx, f.Providers, timeout, func(name string, p llm.Provider) (string, error) {
		if k := key(llm.Target{Provider: p, Name: name}); k != nil {
			return k()
		}
		return "", nil
	})
	out := &ariav1.ListModelsResponse{Fallback: f.Fallback}
	for _, name := range slices.Sorted(maps.Keys(f.Providers)) {
		p, r := f.Providers[name], results[name]
		w := &ariav1.ModelProvider{Name: name, Dialect: p.Dialect, BaseUrl: p.BaseURL, Key: keyKind(p), State: "reachable", TookUs: r.Took.Microseconds()}
		switch {
		case p.Dialect == llm.DialectLocal:
			w.State, r.Models = "local", []string{"embed", "planner"}
		case fault.CodeOf(r.Err) == fault.Unauthenticated:
			w.State = "refused"
		case r.Err != nil:
			w.State = "unreachable"
		}
		if e, ok := fault.As(r.Err); ok {
			if w.Detail = e.Message; e.Hint != "" {
				w.Detail += " (" + e.Hint + ")"
			}
		}
		w.Models = known(f.Providers, name, r.Models)
		out.Providers = append(out.Providers, w)
	}
	return out
}

func keyKind(p llm.Provider) string {
	switch {
	case p.KeyFile != "":
		return "file"
	case p.Key != "":
		return "secret"
	}
	return "none"
}

// known joins what the file says and what the provider offers.
func known(c llm.Catalog, name string, offered []string) (out []*ariav1.Model) {
	p, all := c[name], map[string]bool{}
	for _, m := range offered {
		all[m] = true
	}
	for m := range p.Models {
		all[m] = all[m] || false
	}
	for m := range p.Prices {
		all[m] = all[m] || false
	}
	for _, m := range slices.Sorted(maps.Keys(all)) {
		t, err := c.Resolve(name + ":" + m)
		if err != nil {
			continue
		}
		_, said := p.Models[m]
		_, priced := p.Prices[m]
		w := &ariav1.Model{Ref: t.Ref(), Offered: all[m], Configured: said || priced, Context: t.Traits.Context, MaxOutput: t.Traits.MaxOutput, Fallback: t.Traits.Fallback}
		if t.Price != nil {
			w.Priced, w.InputUsd, w.OutputUsd = true, t.Price.Input, t.Price.Output
		}
		out = append(out, w)
	}
	return out
}
