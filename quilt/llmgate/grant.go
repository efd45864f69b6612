package llmgate

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/models"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/token"
)

// granted is a model that an execution may use, found and held.
type granted struct {
	target llm.Target
	token  token.Token // of the grant: its parameters bound the use
	hold   broker.Hold
}

// grant finds the provider that a request means and holds its token. A client
// may write "openai:gpt-4o", or "gpt-4o" alone: then it is the provider of a
// token that it holds, or the one called like its dialect.
func (g *Gate) grant(ctx context.Context, f models.File, c broker.Call, front *front, model string) (granted, error) {
	refs := candidates(f, c.Grant.Tokens, front, model)
	for _, ref := range refs {
		t, need, err := cover(f, c.Grant.Tokens, ref)
		if err != nil || need == (token.Token{}) {
			continue
		}
		hold, err := c.Hold(ctx, need)
		if err != nil {
			return granted{}, err
		}
		return granted{target: t, token: hold.Token, hold: hold}, nil
	}
	// The last is the plainest reading of what was asked; say what it lacks.
	ref := refs[len(refs)-1]
	need, err := modelToken(ref)
	if err != nil {
		return granted{}, err
	}
	hold, err := c.Hold(ctx, need)
	if err != nil {
		return granted{}, err
	}
	hold.Done()
	_, err = f.Providers.Resolve(ref)
	if err == nil {
		err = fault.New(fault.Denied, "this unit holds no %s", need)
	}
	return granted{}, err
}

// candidates are the references that model may mean, best first.
func candidates(f models.File, held token.Set, front *front, model string) (refs []string) {
	if name, _, ok := strings.Cut(model, ":"); ok {
		if _, there := f.Providers[name]; there {
			return []string{model}
		}
	}
	if front != nil {
		for _, t := range held {
			name := t.Segments()[0]
			if p, ok := f.Providers[name]; t.Scheme() == "llm" && ok && slices.Contains(front.speaks, p.Dialect) {
				refs = append(refs, name+":"+model)
			}
		}
		return append(refs, front.name+":"+model)
	}
	return []string{model}
}

// cover finds the model and the token to hold for it: the need carries the
// bounds of the grant's own token, which apply to it.
func cover(f models.File, held token.Set, ref string) (llm.Target, token.Token, error) {
	t, err := f.Providers.Resolve(ref)
	if err != nil {
		return t, token.Token{}, err
	}
	plain, err := modelToken(ref)
	if err != nil {
		return t, token.Token{}, err
	}
	for _, h := range held {
		if h.Scheme() != "llm" {
			continue
		}
		text := plain.String()
		if _, query, ok := strings.Cut(h.String(), "?"); ok {
			text += "?" + query
		}
		if need, err := token.Parse(text); err == nil && h.Covers(need) {
			return t, need, nil
		}
	}
	return t, token.Token{}, nil
}

// modelToken is the authority that a model needs. The name comes from inside:
// only what the grammar takes as exactly this path passes.
func modelToken(ref string) (token.Token, error) {
	t, err := token.Parse("llm:" + ref)
	if err != nil || t.Path() != strings.ReplaceAll(ref, "/", ":") || t.Units() != 1 || t.Params() != (token.Params{}) {
		return token.Token{}, fault.New(fault.Invalid, "%q is not the name of a model", clip(ref, 80)).
			WithHint(`write provider:model, such as "openai:gpt-4o-mini"`)
	}
	return t, nil
}

// list answers GET …/models with what the execution may use: its tokens, and
// the models of the file that they cover.
func (g *Gate) list(w http.ResponseWriter, r *http.Request, c broker.Call) bool {
	var front *front
	switch r.URL.Path {
	case "/openai/v1/models":
		front = openaiChat
	case "/anthropic/v1/models":
		front = anthropicMessages
	case "/gemini/v1beta/models":
		front = geminiGenerate
	default:
		return false
	}
	f := g.cfg.Models.File()
	data, google := []map[string]any{}, []map[string]any{}
	for _, ref := range usable(f, c.Grant.Tokens, front) {
		data = append(data, map[string]any{"id": ref, "object": "model", "type": "model", "display_name": ref, "created": 0,
			"created_at": "1970-01-01T00:00:00Z", "owned_by": strings.SplitN(ref, ":", 2)[0]})
		google = append(google, map[string]any{"name": "models/" + ref, "displayName": ref,
			"supportedGenerationMethods": []string{"generateContent"}})
	}
	w.Header().Set("Content-Type", "application/json")
	if front == geminiGenerate {
		_ = json.NewEncoder(w).Encode(map[string]any{"models": google})
	} else {
		_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": data, "has_more": false})
	}
	return true
}

// usable are the references that tokens name or cover, for clients of a front.
func usable(f models.File, held token.Set, front *front) []string {
	refs := map[string]bool{}
	for _, h := range held {
		if h.Scheme() != "llm" {
			continue
		}
		segs := h.Segments()
		p, ok := f.Providers[segs[0]]
		if !ok || !slices.Contains(front.speaks, p.Dialect) {
			continue
		}
		if len(segs) > 1 && len(p.Models) == 0 {
			refs[strings.Join(segs, ":")] = true
		}
		for model := range p.Models {
			ref := segs[0] + ":" + model
			if _, need, err := cover(f, token.Set{h}, ref); err == nil && need != (token.Token{}) {
				refs[ref] = true
			}
		}
		if len(segs) > 1 && !covered(refs, h) {
			refs[strings.Join(segs, ":")] = true
		}
	}
	return slices.Sorted(maps.Keys(refs))
}

func covered(refs map[string]bool, h token.Token) bool {
	for ref := range refs {
		if t, err := modelToken(ref); err == nil && t.Path() == h.Path() {
			return true
		}
	}
	return false
}
