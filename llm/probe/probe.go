// Package probe asks a provider which models it has: the cheapest request that
// shows whether its address, its server and the key are right. It costs nothing.
package probe

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

// most bounds an answer; a router of many providers lists some thousand models.
const most = 16 << 20

// Models asks p. The names are sorted. Faults: Unavailable (nobody answers),
// Unauthenticated (the key is wrong), Timeout, Failed (it speaks something else).
func Models(ctx context.Context, p llm.Provider, key string) ([]string, error) {
	key, err := wire.CheckKey(key, p.BaseURL, p.PlainHTTP)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address(p), nil)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "base_url is not usable")
	}
	req.Header.Set("User-Agent", "aria")
	sign(req.Header, p.Dialect, key)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if ctx.Err() != nil {
		return nil, fault.Wrap(err, fault.Timeout, "no answer in time")
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the server cannot be reached").WithHint("is base_url right, and the server up?")
	}
	defer res.Body.Close()
	switch code := res.StatusCode; {
	case code == 401 || code == 403:
		return nil, fault.New(fault.Unauthenticated, "the server refuses the key (HTTP %d)", code)
	case code != http.StatusOK:
		said, _ := wire.Sentence(res.Body, key)
		if strings.Contains(said, "API key not valid") { // Gemini says 400
			return nil, fault.New(fault.Unauthenticated, "the server refuses the key (HTTP %d)", code)
		}
		return nil, fault.New(fault.Unavailable, "the server answers with HTTP %d%s", code, said)
	}
	return names(res.Body)
}

func address(p llm.Provider) string {
	base := strings.TrimRight(p.BaseURL, "/")
	version := map[string]string{llm.DialectAnthropic: "/v1", llm.DialectGemini: "/v1beta"}[p.Dialect]
	if version != "" && !strings.HasSuffix(base, "/v1") && !strings.HasSuffix(base, version) {
		base += version
	}
	return base + "/models"
}

func sign(h http.Header, dialect, key string) {
	if dialect == llm.DialectAnthropic {
		h.Set("Anthropic-Version", "2023-06-01")
	}
	switch {
	case key == "":
	case dialect == llm.DialectAnthropic:
		h.Set("X-Api-Key", key)
	case dialect == llm.DialectGemini:
		h.Set("X-Goog-Api-Key", key)
	default:
		wire.Bearer(h, key)
	}
}

func names(body io.Reader) ([]string, error) {
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
		Models []struct {
			Name string `json:"name"`
		} `json:"models"`
	}
	if err := json.NewDecoder(io.LimitReader(body, most)).Decode(&list); err != nil || list.Data == nil && list.Models == nil {
		return nil, fault.Wrap(err, fault.Failed, "the server answers, but not with a list of models").WithHint("base_url usually ends in /v1")
	}
	out := []string{}
	for _, m := range list.Data {
		out = append(out, m.ID)
	}
	if list.Data == nil {
		for _, m := range list.Models {
			out = append(out, strings.TrimPrefix(m.Name, "models/"))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Result of one provider.
type Result struct {
	Models []string
	Err    error
	Took   time.Duration
}

// All asks every provider that is not local, at the same time, each at most
// timeout. key is asked once for each.
func All(ctx context.Context, c llm.Catalog, timeout time.Duration, key func(name string, p llm.Provider) (string, error)) map[string]Result {
	type named struct {
		name string
		Result
	}
	results, n := make(chan named), 0
	for name, p := range c {
		if p.Dialect == llm.DialectLocal {
			continue
		}
		n++
		go func() {
			began := time.Now()
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			var r Result
			k, err := key(name, p)
			if r.Err = err; err == nil {
				r.Models, r.Err = Models(ctx, p, k)
			}
			r.Took = time.Since(began)
			results <- named{name, r}
		}()
	}
	out := map[string]Result{}
	for range n {
		r := <-results
		out[r.name] = r.Result
	}
	return out
}
