package agency

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm/find"
)

// Bounds of what a model is offered (docs/spec/limits.md).
const (
	maxPinned   = 20 // tools that an agent names one by one; of more it finds what it needs
	foundAtOnce = 5
	foundKept   = 8 // of those found last
)

const searchTool = "search_tools"

// finder is the search of one agent in everything that it is granted.
type finder struct {
	a     *Agents
	d     *desk
	box   *toolbox
	pool  map[string]registry.Unit // by the name that the model uses
	found []agent.Tool             // the newest last; box.mu guards it
}

// granted are the units that a pattern such as "acme/*@^1#orders.*" names, of the
// newest registered version of each bundle. Fault: Invalid.
func (a *Agents) granted(pattern string) ([]registry.Unit, error) {
	from, unit, _ := strings.Cut(pattern, "#")
	name, rng, _ := strings.Cut(from, "@")
	want, err := bundle.ParseRange(rng)
	if err != nil {
		return nil, err
	}
	all, err := a.Registry.Units("")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(u registry.Unit) bool {
		return !like(name, u.Bundle) || !like(unit, u.Name) || rng != "" && rng != "*" && !want.Fits(u.Version)
	}), nil
}

// like matches text with a pattern in which "*" stands for anything.
func like(pattern, text string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, head)
	if !ok {
		return false
	}
	for i := 0; i <= len(text); i++ {
		if like(rest, text[i:]) {
			return true
		}
	}
	return false
}

// searched takes what an agent is granted by patterns, or one by one in great
// number, out of what the model is offered, and lets it search there. nil: there
// is no such thing.
func (a *Agents) searched(d *desk, b *toolbox, u registry.Unit) (*finder, error) {
	f := &finder{a: a, d: d, box: b, pool: map[string]registry.Unit{}}
	for _, g := range b.patterns {
		units, err := a.granted(g)
		if err != nil {
			return nil, err
		}
		for _, t := range units {
			if t.Ref() != u.Ref() && b.refs[t.Name] != t.Ref() {
				f.add(t)
			}
		}
	}
	if len(b.list) > maxPinned {
		for _, t := range b.units {
			f.add(t)
		}
		b.list, b.refs = nil, map[string]string{}
	}
	if len(f.pool) == 0 && len(b.patterns) == 0 {
		return nil, nil
	}
	return f, b.offer(f.tool())
}

// add puts a unit into the pool; where two have one name, later ones have their
// bundle's in front.
func (f *finder) add(t registry.Unit) {
	name := t.Name
	if old, taken := f.pool[name]; taken && old.Ref() == t.Ref() {
		return
	} else if _, pinned := f.box.refs[name]; taken || pinned {
		name = strings.ReplaceAll(t.Bundle, "/", ".") + "." + t.Name
	}
	f.pool[name] = t
}

func (f *finder) tool() own {
	return own{agent.Tool{Unit: searchTool,
		Description: fmt.Sprintf("Search among %d more tools. What is found can be called from your next turn on.", len(f.pool)),
		Schema:      json.RawMessage(`{"type":"object","properties":{"query":{"type":"string","minLength":1,"maxLength":500,"description":"what is to be done, in words"}},"required":["query"],"additionalProperties":false}`),
	}, func(ctx context.Context, input json.RawMessage, call string) (json.RawMessage, error) {
		var in struct{ Query string }
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "a search has a query")
		}
		return f.search(ctx, in.Query, call)
	}}
}

// hit is a tool that was found, as it is remembered: for good, by its digest.
type hit struct {
	Name string `json:"name"`
	Ref  string `json:"ref"`
}

// FoundEvent: a search among the tools of an agent has ended.
type FoundEvent struct {
	Call  string   `json:"call"` // "3.1", or "0" for the search before the first turn
	Query string   `json:"query"`
	Tools []string `json:"tools"`
	Among int      `json:"among"`
}

// search finds tools and remembers which.
func (f *finder) search(ctx context.Context, query, call string) (json.RawMessage, error) {
	names := make([]string, 0, len(f.pool))
	for name := range f.pool {
		names = append(names, name)
	}
	slices.Sort(names)
	docs := make([]find.Doc, len(names))
	for i, n := range names {
		docs[i] = find.Doc{Name: n, Text: f.pool[n].Description}
	}
	hits, err := f.a.Find.Search(ctx, docs, query, foundAtOnce)
	if err != nil {
		return nil, err
	}
	found, said := []hit{}, []map[string]string{}
	e := FoundEvent{Call: call, Query: query, Tools: []string{}, Among: len(docs)}
	for _, h := range hits {
		n := names[h.At]
		found = append(found, hit{n, f.pool[n].Ref()})
		said = append(said, map[string]string{"name": n, "description": f.pool[n].Description})
		e.Tools = append(e.Tools, n)
	}
	if err := f.d.job.Remember("found/"+call, found); err != nil {
		return nil, err
	}
	if err := f.d.emit("tools.found", e); err != nil {
		return nil, err
	}
	return json.Marshal(said)
}

// begin searches with the request itself, so that a first turn mostly has what it
// needs.
func (f *finder) begin(ctx context.Context, request, call string) error {
	raw, err := f.d.job.Recall(ctx, "found/"+call)
	if err != nil {
		return err
	}
	if raw == nil {
		if _, err := f.search(ctx, request, call); err != nil {
			return err
		}
	}
	return f.take(ctx, call)
}

// take offers what a search has found.
func (f *finder) take(ctx context.Context, call string) error {
	raw, err := f.d.job.Recall(ctx, "found/"+call)
	if err != nil || raw == nil {
		return err
	}
	var hits []hit
	if err := json.Unmarshal(raw, &hits); err != nil {
		return fmt.Errorf("tools found by %s of %s: %w", call, f.d.job.Run, err)
	}
	f.box.mu.Lock()
	defer f.box.mu.Unlock()
	for i := len(hits) - 1; i >= 0; i-- { // the best last: it stays longest
		h := hits[i]
		u, err := f.a.Registry.Resolve(h.Ref)
		if fault.CodeOf(err) == fault.NotFound {
			continue // its bundle was removed since
		}
		if err != nil {
			return err
		}
		schema, err := u.Schema(u.Input)
		if err != nil {
			return err
		}
		f.box.refs[h.Name] = h.Ref
		f.found = slices.DeleteFunc(f.found, func(t agent.Tool) bool { return t.Unit == h.Name })
		f.found = append(f.found, agent.Tool{Unit: h.Name, Description: u.Description, Schema: schema})
	}
	f.found = f.found[max(0, len(f.found)-foundKept):]
	return nil
}

// offered are the tools of the next turn beside the pinned ones.
func (f *finder) offered() []agent.Tool {
	f.box.mu.Lock()
	defer f.box.mu.Unlock()
	return slices.Clone(f.found)
}
