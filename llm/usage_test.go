package llm

import "testing"

func TestMoneyIsRoundedUpAndNeverDrifts(t *testing.T) {
	mini := Price{Input: 0.15, Output: 0.60, CachedInput: 0.075}
	for _, c := range []struct {
		name  string
		price Price
		usage Usage
		want  int64
	}{
		{"nothing costs nothing", mini, Usage{}, 0},
		{"one token is a whole micro-dollar at least", mini, Usage{InputTokens: 1}, 1},
		{"a million in", mini, Usage{InputTokens: 1e6}, 150_000},
		{"a million each", mini, Usage{InputTokens: 1e6, OutputTokens: 1e6}, 750_000},
		{"half of it cached", mini, Usage{InputTokens: 1e6, CachedTokens: 5e5}, 112_500},
		{"a cache without a price of its own", Price{Input: 2}, Usage{InputTokens: 10, CachedTokens: 5, CacheWriteTokens: 5}, 20},
		{"a written cache is dearer", Price{Input: 3, CacheWrite: 3.75}, Usage{InputTokens: 100, CacheWriteTokens: 100}, 375},
		{"a tenth of a cent per million", Price{Input: 0.001}, Usage{InputTokens: 1001}, 2},
	} {
		if got := c.price.Micros(c.usage); got != c.want {
			t.Errorf("%s: %d micro-dollars, want %d", c.name, got, c.want)
		}
		worst := c.price.Worst(c.usage.InputTokens, c.usage.OutputTokens)
		if worst < c.want {
			t.Errorf("%s: the worst case is %d, below %d", c.name, worst, c.want)
		}
	}
	huge := Price{Input: 1e6, Output: 1e6}
	if got := huge.Worst(1<<62, 1<<62); got <= 0 {
		t.Errorf("too much overflows to %d", got)
	}
}
