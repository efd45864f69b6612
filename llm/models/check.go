package models

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// places finds the line of a setting in the text, for messages.
type places struct{ name, text string }

// known are the words of the file, for "did you mean".
var known = []string{"limits", "fallback", "providers", "dialect", "base_url", "key", "key_file", "plain_http", "prices", "models",
	"price", "context", "max_output", "concurrency", "requests_per_minute", "tokens_per_minute", "usd_per_run", "usd_per_day",
	"input", "output", "cached_input", "cache_write"}

func (p places) unknown(key toml.Key) error {
	word := key[len(key)-1]
	hint := "docs/guide/models.md has every setting"
	if n := fault.Nearest(word, known); n != "" {
		hint = fmt.Sprintf("did you mean %q?", n)
	}
	return p.fail(fmt.Sprintf("unknown setting %q", key.String()), hint, key...)
}

func (p places) fail(text, hint string, key ...string) error {
	return fault.New(fault.Invalid, "%s:%d: %s", p.name, p.line(key), text).WithHint("%s", hint)
}

// line of the deepest part of key that has one: its table, then the setting in
// it. Inline tables are found by their first word.
func (p places) line(key []string) int {
	best, depth, at := 1, 0, 0 // depth of the table we are in, as far as it is key's
	for i, raw := range strings.Split(p.text, "\n") {
		text := strings.TrimSpace(raw)
		if strings.HasPrefix(text, "[") {
			at = common(splitKey(strings.Trim(strings.TrimSuffix(strings.SplitN(text, "#", 2)[0], " "), "[] ")), key)
			if at > depth {
				best, depth = i+1, at
			}
			continue
		}
		name, _, ok := strings.Cut(text, "=")
		if !ok || strings.HasPrefix(text, "#") || at < 0 {
			continue
		}
		if n := at + common(splitKey(strings.TrimSpace(name)), key[at:]); n > depth && n > at {
			best, depth = i+1, n
		}
	}
	return best
}

// common is how many parts of table are the first of key, -1 if the table is
// another one.
func common(table, key []string) int {
	if len(table) > len(key) || !slices.Equal(table, key[:len(table)]) {
		return -1
	}
	return len(table)
}

// splitKey splits a.b."c.d" at its points.
func splitKey(s string) (parts []string) {
	var cur strings.Builder
	quote := rune(0)
	for _, c := range s {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == '.':
			parts = append(parts, strings.TrimSpace(cur.String()))
			cur.Reset()
		default:
			cur.WriteRune(c)
		}
	}
	return append(parts, strings.TrimSpace(cur.String()))
}

func (f File) checkProvider(p places, name string) error {
	prov, key := f.Providers[name], []string{"providers", name}
	if name == "" || strings.ContainsAny(name, ":/ ") {
		return p.fail(fmt.Sprintf("%q is no name of a provider", name), "letters, digits and -", key...)
	}
	if err := prov.Check(name); err != nil {
		e, _ := fault.As(err)
		return p.fail(e.Message, e.Hint, append(key, "dialect")...)
	}
	if prov.Key != "" && prov.KeyFile != "" {
		return p.fail(fmt.Sprintf("provider %q has both key and key_file", name), "key names a secret of quiltd, key_file a file: keep one", append(key, "key")...)
	}
	if err := checkLimits(prov.Limits, p, key...); err != nil {
		return err
	}
	for model, price := range prov.Prices {
		if err := checkPrice(price, p, append(key, "prices", model)...); err != nil {
			return err
		}
	}
	for model, t := range prov.Models {
		if err := f.checkTraits(t, p, append(slices.Clone(key), "models", model)); err != nil {
			return err
		}
	}
	return nil
}

func (f File) checkTraits(t llm.Traits, p places, key []string) error {
	switch {
	case t.Context < 0 || t.MaxOutput < 0:
		return p.fail("context and max_output are numbers of tokens", "leave out what is not known", key...)
	case t.Context > 0 && t.MaxOutput > t.Context:
		return p.fail(fmt.Sprintf("max_output %d is more than the context of %d", t.MaxOutput, t.Context), "context holds prompt and answer together", append(key, "max_output")...)
	}
	if t.Price != nil {
		if err := checkPrice(*t.Price, p, append(key, "price")...); err != nil {
			return err
		}
	}
	if err := checkLimits(t.Limits, p, key...); err != nil {
		return err
	}
	return f.checkRefs(p, t.Fallback, append(key, "fallback")...)
}

func checkPrice(c llm.Price, p places, key ...string) error {
	for _, x := range []float64{c.Input, c.Output, c.CachedInput, c.CacheWrite} {
		if !(x >= 0) || x > 1e6 || math.IsInf(x, 0) {
			return p.fail(fmt.Sprintf("%g is no price", x), "US dollars per million tokens: 0.15", key...)
		}
	}
	return nil
}

func checkLimits(l llm.Limits, p places, key ...string) error {
	for name, n := range map[string]float64{"concurrency": float64(l.Concurrency), "requests_per_minute": float64(l.RequestsPerMinute),
		"tokens_per_minute": float64(l.TokensPerMinute), "usd_per_run": l.USDPerRun, "usd_per_day": l.USDPerDay} {
		if !(n >= 0) || n > 1e12 {
			return p.fail(fmt.Sprintf("%s = %g is no limit", name, n), "a positive number; leave it out for no limit", append(key, name)...)
		}
	}
	return nil
}
