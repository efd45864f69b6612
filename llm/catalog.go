package llm

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Dialects that exist.
const (
	DialectOpenAI = "openai" // chat completions; also Ollama, llama.cpp, vLLM and others
	DialectLocal  = "local"  // the planner of llm/local; needs nothing
)

// Provider is one entry of the catalogue: an address that speaks a dialect.
type Provider struct {
	Dialect string `toml:"dialect" json:"dialect"`
	BaseURL string `toml:"base_url" json:"baseUrl,omitempty"` // "https://api.openai.com/v1"
	// KeyFile holds the key and nothing else; mode 0600. Empty: no key is sent.
	KeyFile string `toml:"key_file" json:"keyFile,omitempty"`
	// PlainHTTP allows a key to cross http:// to another machine.
	PlainHTTP bool `toml:"plain_http" json:"plainHttp,omitempty"`
	// Prices by model name. A model without one cannot have a money budget.
	Prices map[string]Price `toml:"prices" json:"prices,omitempty"`
}

// Catalog maps the word before the colon of a model reference to a provider.
type Catalog map[string]Provider

// Target is a model reference resolved: what a dialect needs to be built.
type Target struct {
	Provider
	Name  string // the provider's name in the catalogue
	Model string // "gpt-4o-mini"
	Price *Price // nil: not known; local models cost nothing and say so
}

// DefaultCatalog needs no key: only the local planner.
func DefaultCatalog() Catalog { return Catalog{"local": {Dialect: DialectLocal}} }

// Resolve finds "openai:gpt-4o-mini" or "local:planner". The model's name may
// hold colons itself ("ollama:qwen3:8b"). An empty reference is the planner.
func (c Catalog) Resolve(ref string) (Target, error) {
	if ref == "" {
		ref = "local:planner"
	}
	name, model, ok := strings.Cut(ref, ":")
	if !ok || name == "" || model == "" {
		return Target{}, fault.New(fault.Invalid, "model %q is not of the form provider:model", ref).
			WithHint(`write "local:planner", or "openai:gpt-4o-mini"`)
	}
	p, ok := c[name]
	if !ok {
		return Target{}, fault.New(fault.NotFound, "no provider %q is configured for model %q", name, ref).
			WithHint("configured: %s; add [models.%s] with dialect, base_url and key_file to the daemon's configuration, or use \"local:planner\"",
				strings.Join(slices.Sorted(maps.Keys(c)), ", "), name)
	}
	t := Target{Provider: p, Name: name, Model: model}
	if price, ok := p.Prices[model]; ok {
		t.Price = &price
	}
	switch p.Dialect {
	case DialectLocal:
		t.Price = &Price{}
		if model != "planner" {
			return Target{}, fault.New(fault.NotFound, "there is no local model %q", model).WithHint(`write "local:planner"`)
		}
	case DialectOpenAI:
		if u, err := url.Parse(p.BaseURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return Target{}, fault.New(fault.Invalid, "provider %q has no usable base_url: %q", name, p.BaseURL).
				WithHint(`such as "https://api.openai.com/v1" or "http://127.0.0.1:11434/v1"`)
		}
	default:
		return Target{}, fault.New(fault.Unimplemented, "provider %q speaks %q, which this build does not", name, p.Dialect).
			WithHint(`dialects: "openai", "local"; most servers offer an address that speaks "openai"`)
	}
	return t, nil
}
