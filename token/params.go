package token

import (
	"strconv"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// MaxDuration bounds wait, ttl and the window of a rate.
const MaxDuration = 24 * time.Hour

// Params are the part after "?". Zero fields were not given.
type Params struct {
	Hold   string        // "exec" or "tx"
	Wait   time.Duration // how long to wait for the token
	TTL    time.Duration // the holder gives it back by then
	Prio   string        // "system", "interactive", "normal" or "batch"
	Rate   Rate
	Budget int64 // of an llm token: model tokens in all
}

// Rate is at most N operations in any window Per.
type Rate struct {
	N   int64
	Per time.Duration
}

var paramNames = []string{"budget", "hold", "prio", "rate", "ttl", "wait"}

// Prios are the classes from the least to the most urgent.
var prios = []string{"batch", "normal", "interactive", "system"}

func (p *parser) params(t Token, query string, at int) (Params, error) {
	var ps Params
	seen := map[string]bool{}
	for _, pair := range strings.Split(query, "&") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return ps, p.fail(at, "parameter %q has no value", pair).WithHint("write name=value")
		}
		if seen[key] {
			return ps, p.fail(at, "parameter %q stands twice", key)
		}
		seen[key] = true
		if err := p.param(&ps, t, key, value, at); err != nil {
			return ps, err
		}
		at += len(pair) + 1
	}
	return ps, nil
}

func (p *parser) param(ps *Params, t Token, key, value string, at int) error {
	valueAt := at + len(key) + 1
	ok := true
	switch key {
	case "hold":
		if p.kind.verb == "" {
			return p.fail(at, "%s takes no hold", t.scheme).WithHint("hold is for kv vector blob fs queue lock")
		}
		ps.Hold, ok = value, value == "exec" || value == "tx"
	case "wait":
		ps.Wait, ok = duration(value)
	case "ttl":
		ps.TTL, ok = duration(value)
	case "prio":
		ps.Prio, ok = value, prioRank(value) >= 0 && value != ""
	case "rate":
		if !p.kind.rated {
			return p.fail(at, "%s takes no rate", t.scheme).WithHint("rate is for llm net tool agent")
		}
		ps.Rate, ok = rate(value)
	case "budget":
		if t.scheme != "llm" {
			return p.fail(at, "%s takes no budget", t.scheme).WithHint("budget is for llm")
		}
		ps.Budget, ok = number(value, 15)
		ok = ok && ps.Budget > 0
	default:
		e := p.fail(at, "unknown parameter %q", key)
		if n := fault.Nearest(key, paramNames); n != "" {
			return e.WithHint("did you mean %q?", n)
		}
		return e.WithHint("parameters are %s", strings.Join(paramNames, " "))
	}
	if !ok {
		return p.fail(valueAt, "bad value %q for %s", value, key).WithHint("%s", paramHints[key])
	}
	return nil
}

var paramHints = map[string]string{
	"hold":   "exec or tx",
	"wait":   "a number and ms, s, m or h, at most 24h: wait=30s",
	"ttl":    "a number and ms, s, m or h, at most 24h: ttl=10m",
	"prio":   "system, interactive, normal or batch",
	"rate":   "a number per duration: rate=100/1m",
	"budget": "a whole number of model tokens: budget=100000",
}

// prioRank: -1 for an unknown class; "" is normal.
func prioRank(s string) int {
	if s == "" {
		s = "normal"
	}
	for i, c := range prios {
		if c == s {
			return i
		}
	}
	return -1
}

var durationUnits = []struct {
	suffix string
	unit   time.Duration
}{{"ms", time.Millisecond}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

func duration(s string) (time.Duration, bool) {
	for _, u := range durationUnits {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, ok := number(digits, 9)
		if !ok || n == 0 || n > int64(MaxDuration/u.unit) {
			return 0, false
		}
		return time.Duration(n) * u.unit, true
	}
	return 0, false
}

// formatDuration uses the largest unit that divides d.
func formatDuration(d time.Duration) string {
	for _, u := range []int{1, 2, 3} {
		if d%durationUnits[u].unit == 0 {
			return strconv.FormatInt(int64(d/durationUnits[u].unit), 10) + durationUnits[u].suffix
		}
	}
	return strconv.FormatInt(int64(d/time.Millisecond), 10) + "ms"
}

func rate(s string) (Rate, bool) {
	n, per, ok := strings.Cut(s, "/")
	if !ok {
		return Rate{}, false
	}
	count, ok := number(n, 9)
	window, ok2 := duration(per)
	return Rate{count, window}, ok && ok2 && count > 0
}

// canonical is "" or "?a=1&b=2" in the order of the names.
func (ps Params) canonical() string {
	var out []string
	if ps.Budget > 0 {
		out = append(out, "budget="+strconv.FormatInt(ps.Budget, 10))
	}
	if ps.Hold != "" {
		out = append(out, "hold="+ps.Hold)
	}
	if ps.Prio != "" {
		out = append(out, "prio="+ps.Prio)
	}
	if ps.Rate.N > 0 {
		out = append(out, "rate="+strconv.FormatInt(ps.Rate.N, 10)+"/"+formatDuration(ps.Rate.Per))
	}
	if ps.TTL > 0 {
		out = append(out, "ttl="+formatDuration(ps.TTL))
	}
	if ps.Wait > 0 {
		out = append(out, "wait="+formatDuration(ps.Wait))
	}
	if len(out) == 0 {
		return ""
	}
	return "?" + strings.Join(out, "&")
}
