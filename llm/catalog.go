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
	DialectOpenAI    = "openai"    // chat completions; also Ollama, llama.cpp, vLLM and others
	DialectResponses = "responses" // OpenAI's newer form
	DialectAnthropic = "anthropic" // messages
	DialectGemini    = "gemini"    // generateContent
	DialectLocal     = "local"     // the planner of llm/local; needs nothing
)

// Dialects in the order in which they are told.
var Dialects = []string{DialectOpenAI, DialectResponses, DialectAnthropic, DialectGemini, DialectLocal}

// Provider is one entry of the catalogue: an address that speaks a dialect.
type Provider struct {
	Dialect string `toml:"dialect" json:"dialect"`
	BaseURL string `toml:"base_url,omitempty" json:"baseUrl,omitempty"` // "https://api.openai.com/v1"
	// Key names the secret in Quilt's store that holds the key.
	Key string `toml:"key,omitempty" json:"key,omitempty"`
	// KeyFile holds the key and nothing else; mode 0600. Neither: no key is sent.
	KeyFile string `toml:"key_file,omitempty" json:"keyFile,omitempty"`
	// PlainHTTP allows a key to cross http:// to another machine.
	PlainHTTP bool `toml:"plain_http,omitempty" json:"plainHttp,omitempty"`
	// Limits of everything that goes to this provider.
	Limits
	// Prices by model name. A model without one cannot have a money budget.
	Prices map[string]Price `toml:"prices,omitempty" json:"prices,omitempty"`
	// Models says more of single models.
	Models map[string]Traits `toml:"models,omitempty" json:"models,omitempty"`
}

// Traits are what is known of one model, and its own limits.
type Traits struct {
	Price     *Price `toml:"price,omitempty" json:"price,omitempty"`
	Context   int64  `toml:"context,omitempty" json:"context,omitempty"`      // tokens in and out that it takes at most
	MaxOutput int64  `toml:"max_output,omitempty" json:"maxOutput,omitempty"` // tokens that it answers at most
	Limits
	// Fallback are model references to try in order when this one is down or
	// limited.
	Fallback []string `toml:"fallback,omitempty" json:"fallback,omitempty"`
}

// Limits of use; 0 is none.
type Limits struct {
	Concurrency       int64   `toml:"concurrency,omitempty" json:"concurrency,omitempty"` // calls at the same time
	RequestsPerMinute int64   `toml:"requests_per_minute,omitempty" json:"requestsPerMinute,omitempty"`
	TokensPerMinute   int64   `toml:"tokens_per_minute,omitempty" json:"tokensPerMinute,omitempty"` // in and out together
	USDPerRun         float64 `toml:"usd_per_run,omitempty" json:"usdPerRun,omitempty"`
	USDPerDay         float64 `toml:"usd_per_day,omitempty" json:"usdPerDay,omitempty"` // UTC
}

// Any: something is limited.
func (l Limits) Any() bool { return l != Limits{} }

// Catalog maps the word before the colon of a model reference to a provider.
type Catalog map[string]Provider

// Target is a model reference resolved: what a dialect needs to be built.
type Target struct {
	Provider
	Name   string // the provider's name in the catalogue
	Model  string // "gpt-4o-mini"
	Price  *Price // nil: not known; local models cost nothing and say so
	Traits Traits // of the model; zero if nothing is said of it
}

// Ref is "openai:gpt-4o-mini".
func (t Target) Ref() string { return t.Name + ":" + t.Model }

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
			WithHint("configured: %s; add [providers.%s] with dialect, base_url and key_file to models.toml, or use \"local:planner\"",
				strings.Join(slices.Sorted(maps.Keys(c)), ", "), name)
	}
	t := Target{Provider: p, Name: name, Model: model, Traits: p.Models[model]}
	if price, ok := p.Prices[model]; ok {
		t.Price = &price
	}
	if t.Traits.Price != nil {
		t.Price = t.Traits.Price
	}
	if p.Dialect == DialectLocal {
		t.Price = &Price{}
		if model != "planner" && model != "embed" {
			return Target{}, fault.New(fault.NotFound, "there is no local model %q", model).WithHint(`write "local:planner"`)
		}
		return t, nil
	}
	if err := p.Check(name); err != nil {
		return Target{}, err
	}
	return t, nil
}

// Check says what is wrong with the provider called name.
func (p Provider) Check(name string) error {
	if !slices.Contains(Dialects, p.Dialect) {
		e := fault.New(fault.Unimplemented, "provider %q speaks %q, which this build does not", name, p.Dialect)
		if n := fault.Nearest(p.Dialect, Dialects); n != "" {
			return e.WithHint("did you mean %q?", n)
		}
		return e.WithHint("dialects: %s; most servers offer an address that speaks \"openai\"", strings.Join(Dialects, ", "))
	}
	if p.Dialect == DialectLocal {
		return nil
	}
	if u, err := url.Parse(p.BaseURL); err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return fault.New(fault.Invalid, "provider %q has no usable base_url: %q", name, p.BaseURL).
			WithHint(`such as "https://api.openai.com/v1" or "http://127.0.0.1:11434/v1", with no user or key in it`)
	}
	return nil
}
