package remote

import (
	"context"
	"time"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Models is what the server's providers have.
type Models struct {
	Providers []ModelProvider `json:"providers"`
	Fallback  []string        `json:"fallback"`
}

// ModelProvider is one address. State is reachable, unreachable, refused or
// local; Key says where the key is: file, secret or none.
type ModelProvider struct {
	Name    string  `json:"name"`
	Dialect string  `json:"dialect"`
	BaseURL string  `json:"baseUrl,omitempty"`
	Key     string  `json:"key"`
	State   string  `json:"state"`
	Detail  string  `json:"detail,omitempty"`
	TookMS  float64 `json:"tookMs"`
	Models  []Model `json:"models"`
}

// Model is one model. Prices are US dollars per million tokens, nil if unknown.
type Model struct {
	Ref        string   `json:"ref"`
	Configured bool     `json:"configured"`
	Offered    bool     `json:"offered"`
	Input      *float64 `json:"input,omitempty"`
	Output     *float64 `json:"output,omitempty"`
	Context    int64    `json:"context,omitempty"`
	MaxOutput  int64    `json:"maxOutput,omitempty"`
	Fallback   []string `json:"fallback,omitempty"`
}

// Models asks the server to ask its providers, each at most timeout.
func (c *Client) Models(ctx context.Context, timeout time.Duration) (Models, error) {
	res, err := retry(ctx, c, c.models.List, &ariav1.ListModelsRequest{TimeoutMs: timeout.Milliseconds()})
	out := Models{Providers: []ModelProvider{}, Fallback: list(res.GetFallback())}
	for _, p := range res.GetProviders() {
		w := ModelProvider{Name: p.GetName(), Dialect: p.GetDialect(), BaseURL: p.GetBaseUrl(), Key: p.GetKey(), State: p.GetState(),
			Detail: p.GetDetail(), TookMS: float64(p.GetTookUs()) / 1000, Models: []Model{}}
		for _, m := range p.GetModels() {
			x := Model{Ref: m.GetRef(), Configured: m.GetConfigured(), Offered: m.GetOffered(), Context: m.GetContext(), MaxOutput: m.GetMaxOutput(), Fallback: m.GetFallback()}
			if m.GetPriced() {
				x.Input, x.Output = &m.InputUsd, &m.OutputUsd
			}
			w.Models = append(w.Models, x)
		}
		out.Providers = append(out.Providers, w)
	}
	return out, err
}
