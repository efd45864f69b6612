package llm

import "math"

// Usage is what a turn or a run has used.
type Usage struct {
	InputTokens  int64 `json:"inputTokens"` // all of them, cached ones too
	OutputTokens int64 `json:"outputTokens"`
	// CachedTokens of InputTokens were read from the provider's prompt cache,
	// CacheWriteTokens were put there.
	CachedTokens     int64   `json:"cachedTokens,omitempty"`
	CacheWriteTokens int64   `json:"cacheWriteTokens,omitempty"`
	USD              float64 `json:"usd,omitempty"`
	// Estimated: the server did not say and a quarter of the bytes was taken.
	Estimated bool `json:"estimated,omitempty"`
}

// Tokens in and out together.
func (u Usage) Tokens() int64 { return u.InputTokens + u.OutputTokens }

// Add returns the sum of both.
func (u Usage) Add(v Usage) Usage {
	return Usage{
		InputTokens:      u.InputTokens + v.InputTokens,
		OutputTokens:     u.OutputTokens + v.OutputTokens,
		CachedTokens:     u.CachedTokens + v.CachedTokens,
		CacheWriteTokens: u.CacheWriteTokens + v.CacheWriteTokens,
		USD:              u.USD + v.USD,
		Estimated:        u.Estimated || v.Estimated,
	}
}

// Price of a model in US dollars per million tokens, which is also micro-dollars
// per token. CachedInput and CacheWrite are what tokens cost that come from and
// go into the provider's prompt cache; 0: as much as Input.
type Price struct {
	Input       float64 `toml:"input" json:"input"`
	Output      float64 `toml:"output" json:"output"`
	CachedInput float64 `toml:"cached_input,omitempty" json:"cachedInput,omitempty"`
	CacheWrite  float64 `toml:"cache_write,omitempty" json:"cacheWrite,omitempty"`
}

// Of is what u costs in dollars.
func (p Price) Of(u Usage) float64 { return float64(p.pico(u)) / 1e12 }

// Micros is what u costs in whole micro-dollars, rounded up: what a budget is
// charged is never less than what the provider asks.
func (p Price) Micros(u Usage) int64 { return ceilDiv(p.pico(u), 1e6) }

// Worst is the most that in and out tokens can cost, in micro-dollars: the cache
// may be written and never hit.
func (p Price) Worst(in, out int64) int64 {
	dear := max(pico(p.Input), pico(p.CacheWrite), pico(p.CachedInput))
	return ceilDiv(times(in, dear)+times(out, pico(p.Output)), 1e6)
}

// pico is the cost in millionths of a micro-dollar: prices are exact to six
// digits behind the point, and sums of whole numbers do not drift.
func (p Price) pico(u Usage) int64 {
	cached, written := pico(p.CachedInput), pico(p.CacheWrite)
	if p.CachedInput == 0 {
		cached = pico(p.Input)
	}
	if p.CacheWrite == 0 {
		written = pico(p.Input)
	}
	fresh := max(0, u.InputTokens-u.CachedTokens-u.CacheWriteTokens)
	return times(fresh, pico(p.Input)) + times(u.CachedTokens, cached) +
		times(u.CacheWriteTokens, written) + times(u.OutputTokens, pico(p.Output))
}

func pico(usdPerMillion float64) int64 { return int64(math.Round(usdPerMillion * 1e6)) }

// times stays far below the largest int64, so that four products can be added.
func times(tokens, each int64) int64 {
	const top = math.MaxInt64 / 8
	if tokens <= 0 || each <= 0 {
		return 0
	}
	if tokens > top/each {
		return top
	}
	return tokens * each
}

func ceilDiv(a, b int64) int64 {
	if a <= 0 {
		return 0
	}
	return (a-1)/b + 1
}
