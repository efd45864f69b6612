package agency

import (
	"context"
	"errors"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/llm/find"
)

// calm is how long after a change nothing else may have changed before the
// registry is read: a thousand uploads are read once.
const calm = 500 * time.Millisecond

// Foresee makes ready, beside everything else, what searches among tools need:
// the vectors of the descriptions that agents search in, at the start and after
// each change, until ctx ends. Where no agent searches nothing is made, and the
// embedder is not even loaded. A search that comes before makes what it needs.
func (a *Agents) Foresee(ctx context.Context, changed <-chan struct{}) {
	for {
		began := time.Now()
		if n, err := a.foresee(ctx); err != nil && ctx.Err() == nil {
			a.Log.Warn("descriptions of tools are not made ready for searches", "err", err)
		} else if n > 0 {
			a.Log.Info("descriptions of tools are ready for searches", "new", n, "took", time.Since(began))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(calm):
		case <-ctx.Done():
			return
		}
	}
}

// foresee says how many sentences were made.
func (a *Agents) foresee(ctx context.Context) (made int, err error) {
	all, err := a.Registry.Units("")
	if err != nil {
		return 0, err
	}
	pool := map[string]registry.Unit{}
	for _, u := range all {
		if u.Agent == nil {
			continue
		}
		found, e := a.searchable(u)
		err = errors.Join(err, e) // what one agent names wrongly is said when it runs
		for _, t := range found {
			pool[t.Ref()] = t
		}
	}
	for _, t := range pool {
		n, e := a.Find.Learn(ctx, find.Doc{Name: t.Name, Text: t.Description})
		if made += n; e != nil {
			return made, e
		}
	}
	return made, err
}

// searchable are the units that an agent searches in.
func (a *Agents) searchable(u registry.Unit) ([]registry.Unit, error) {
	b, err := a.tools(u)
	if err != nil {
		return nil, err
	}
	var out []registry.Unit
	if len(b.list) > maxPinned {
		out = append(out, b.units...)
	}
	for _, g := range b.patterns {
		units, err := a.granted(g)
		if err != nil {
			return out, err
		}
		out = append(out, units...)
	}
	return out, nil
}
