package llmgate

import (
	"context"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/models"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// defaultOutput bounds an answer under limits where neither the client nor the
// models file does.
const defaultOutput = 4096

// scope is one place in the models file that can limit something.
type scope struct {
	name   string // "openai:gpt-4o"; "" for everything
	limits llm.Limits
}

func scopes(f models.File, t llm.Target) []scope {
	return []scope{{"", f.Limits}, {t.Name, t.Provider.Limits}, {t.Ref(), t.Traits.Limits}}
}

// limitedBy: something of what holds for g is limited, so costs must be bounded.
func limitedBy(f models.File, g granted) bool {
	for _, s := range scopes(f, g.target) {
		if l := s.limits; l.TokensPerMinute > 0 || l.USDPerRun > 0 || l.USDPerDay > 0 {
			return true
		}
	}
	return g.token.Params().Budget > 0
}

// runOf is the run that an execution is an attempt of: its attempts share what
// the run may use.
func runOf(execution string) string {
	if i := strings.LastIndexByte(execution, '.'); i > 0 {
		return execution[:i]
	}
	return execution
}

// estimate is the most that a call can use.
type estimate struct{ in, out int64 }

// estimate bounds the prompt by its bytes or the model's context, and the answer
// by what the client or the file says.
func (a *ask) estimate(t llm.Target) (estimate, error) {
	in, text := a.inputTokens()
	if window := t.Traits.Context; window > 0 {
		if !text || in > window {
			in = window // a server takes no more than that
		}
	} else if !text {
		return estimate{}, fault.New(fault.Denied, "the request holds more than text, whose tokens cannot be bounded, and this model is under limits").
			WithHint("say the model's context in models.toml: the whole of it is then reserved")
	}
	if a.front.limits == nil {
		return estimate{in: in}, nil
	}
	out, choices := a.front.limits(a.body)
	if out <= 0 {
		out = t.Traits.MaxOutput
	}
	if out <= 0 {
		out = defaultOutput
	}
	if a.front == openaiResponses {
		out = max(out, 16)
	}
	if out > 1<<40 || choices > 1<<10 || choices < 0 {
		return estimate{}, fault.New(fault.Invalid, "an answer of %d tokens times %d is no bound", out, choices)
	}
	return estimate{in, out * choices}, nil
}

// claims are all amounts that a call reserves.
func (g *Gate) claims(f models.File, c broker.Call, gr granted, e estimate, now time.Time) ([]claim, error) {
	t, run := gr.target, runPrefix+c.Grant.Tenant+"/"+runOf(c.Execution)+"/"
	out := []claim{
		{key: "pause/" + t.Ref(), meter: perMinute, what: "the provider's own limit of " + t.Ref()},
		{key: runPrefix + c.Grant.Tenant + "/" + c.Execution + "/calls/" + gr.token.Path(), meter: atOnce, unit: calls,
			limit: max(1, gr.token.Units()), amount: 1, what: "calls at once under " + gr.token.String()},
	}
	p := gr.token.Params()
	if p.Budget > 0 {
		out = append(out, claim{key: run + "tokens/" + gr.token.Path(), meter: inAll, unit: tokens, limit: p.Budget, amount: e.in + e.out,
			what: "the budget of " + gr.token.String()})
	}
	if p.Rate.N > 0 {
		out = append(out, claim{key: run + "rate/" + gr.token.Path(), meter: perMinute, unit: requests, limit: p.Rate.N, amount: 1,
			length: p.Rate.Per, what: "the rate of " + gr.token.String()})
	}
	for _, s := range scopes(f, t) {
		out = append(out, s.claims(e)...)
		if s.limits.USDPerDay == 0 && s.limits.USDPerRun == 0 {
			continue
		}
		if t.Price == nil {
			return nil, fault.New(fault.Denied, "%s is under a limit in dollars and its price is not known", t.Ref()).
				WithHint(`add price = { input = …, output = … } to [providers.%s.models."%s"] in models.toml`, t.Name, t.Model)
		}
		worst := t.Price.Worst(e.in, e.out)
		if usd := s.limits.USDPerDay; usd > 0 {
			out = append(out, claim{key: dayKey(now, s.name), meter: inAll, unit: micros, limit: toMicros(usd), amount: worst, what: "usd_per_day" + of(s.name)})
		}
		if usd := s.limits.USDPerRun; usd > 0 {
			out = append(out, claim{key: run + "usd/" + s.name, meter: inAll, unit: micros, limit: toMicros(usd), amount: worst, what: "usd_per_run" + of(s.name)})
		}
	}
	return out, nil
}

func (s scope) claims(e estimate) (out []claim) {
	if n := s.limits.Concurrency; n > 0 {
		out = append(out, claim{key: "calls/" + s.name, meter: atOnce, unit: calls, limit: n, amount: 1, what: "concurrency" + of(s.name)})
	}
	if n := s.limits.RequestsPerMinute; n > 0 {
		out = append(out, claim{key: "requests/" + s.name, meter: perMinute, unit: requests, limit: n, amount: 1, what: "requests_per_minute" + of(s.name)})
	}
	if n := s.limits.TokensPerMinute; n > 0 {
		out = append(out, claim{key: "tokens/" + s.name, meter: perMinute, unit: tokens, limit: n, amount: e.in + e.out, what: "tokens_per_minute" + of(s.name)})
	}
	return out
}

func of(name string) string {
	if name == "" {
		return " of all models"
	}
	return " of " + name
}

// toMicros rounds down: a limit is never higher than what was written.
func toMicros(usd float64) int64 { return max(1, int64(usd*1e6)) }

// reserve waits until every claim is met, at most as long as the gate lets
// anybody wait.
func (g *Gate) reserve(ctx context.Context, claims []claim) (*begun, error) {
	began := g.cfg.Now()
	g.sweep(began)
	for {
		now := g.cfg.Now()
		b, s, err := g.ledger.reserve(now, claims)
		if err != nil || b != nil {
			return b, err
		}
		left := g.cfg.Wait - now.Sub(began)
		wait := left
		if !s.again.IsZero() {
			wait = s.again.Sub(now)
		}
		if s.never || wait > left || left <= 0 {
			return nil, tooMuch(s, wait)
		}
		timer := time.NewTimer(max(wait, time.Millisecond))
		select {
		case <-timer.C:
		case <-s.wake:
		case <-ctx.Done():
			timer.Stop()
			return nil, fault.Wrap(context.Cause(ctx), fault.Cancelled, "the call was given up while it waited for %s", s.claim.what)
		}
		timer.Stop()
	}
}

func tooMuch(s *short, wait time.Duration) error {
	c := s.claim
	e := fault.New(fault.Exhausted, "%s is used up", c.what)
	switch {
	case c.meter == inAll && c.unit == micros:
		e = fault.New(fault.Exhausted, "%s is $%s, and this call may cost up to $%s more than is left of it", c.what, dollars(c.limit), dollars(c.amount)).
			WithHint("bound the answer with max_tokens, choose a cheaper model, or raise the limit in models.toml")
	case c.meter == inAll:
		e = fault.New(fault.Exhausted, "%s has too little left for a call of up to %d tokens", c.what, c.amount).
			WithHint("bound the answer with max_tokens, or raise budget in the handle")
	case s.never:
		e = fault.New(fault.Exhausted, "%s is %d, and this call may need %d", c.what, c.limit, c.amount).
			WithHint("bound the answer with max_tokens, send less, or raise the limit in models.toml")
	default:
		e = e.WithHint("try again in %s", wait.Round(time.Second))
	}
	if s.never {
		wait = 0
	}
	return &limited{e, max(0, wait)}
}

// sweep forgets runs that are over, now and then.
func (g *Gate) sweep(now time.Time) {
	g.sweepMu.Lock()
	due := now.Sub(g.swept) > 10*time.Minute
	if due {
		g.swept = now
	}
	g.sweepMu.Unlock()
	if due {
		g.ledger.sweep(now)
	}
}
