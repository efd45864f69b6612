package llmgate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/wire"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// pass takes one request through: token, rewriting, reservation, provider,
// answer, settlement. An error means that nothing was answered yet.
func (g *Gate) pass(w http.ResponseWriter, r *http.Request, c broker.Call, a *ask) error {
	ctx, f := r.Context(), g.cfg.Models.File()
	gr, err := g.grant(ctx, f, c, a.front, a.model)
	if err != nil {
		return err
	}
	defer gr.hold.Done()
	if !slices.Contains(a.front.speaks, gr.target.Dialect) {
		return fault.New(fault.Unimplemented, "%s speaks the %s dialect, not %s", gr.target.Ref(), gr.target.Dialect, a.front.name).
			WithHint("use the client of its provider, or llm() of @aria/sdk, which speaks all of them")
	}
	limited := limitedBy(f, gr)
	var e estimate
	if limited {
		if e, err = a.estimate(gr.target); err != nil {
			return err
		}
	}
	_, choices := int64(0), int64(1)
	if a.front.limits != nil {
		_, choices = a.front.limits(a.body)
	}
	if err := a.bind(gr.target, limited, e.out/max(1, choices)); err != nil {
		return err
	}
	key, err := g.key(ctx, c.Grant.Tenant, gr.target)
	if err != nil {
		return err
	}
	claims, err := g.claims(f, c, gr, e, g.cfg.Now())
	if err != nil {
		return err
	}
	b, err := g.reserve(ctx, claims)
	if err != nil {
		return err
	}
	e = a.most(e, gr.target)
	worst := e.spend(gr.target)
	charge, err := c.Charge(ctx, gr.need, worst)
	if err != nil {
		b.settle(g.cfg.Now(), used{})
		return err
	}
	u := unknown
	defer func() {
		charge.Settle(u.spend(worst))
		if s, ok := u.told(gr.target, e); ok {
			c.Spent(s)
		}
	}()
	defer func() {
		if b.settle(g.cfg.Now(), u) {
			g.cfg.Log.Warn("a model used more than was reserved", "execution", c.Execution, "unit", c.Unit, "token", gr.token.String(), "tokens", u.tokens)
		}
	}()
	if u, err = g.forward(ctx, w, a, gr.target, key); err == errCut {
		panic(http.ErrAbortHandler) // a clean end would look like a whole answer
	}
	return err
}

// most is what a call can use, e where that is known already. Where nothing of ours
// is limited, what has no bound counts with what is usual.
func (a *ask) most(e estimate, t llm.Target) estimate {
	if e != (estimate{}) {
		return e
	}
	e, err := a.estimate(t)
	if err != nil {
		return estimate{a.size + overhead, defaultOutput}
	}
	return e
}

// spend is what a call is charged with beside our own limits: in budgets of those
// who wait for this execution, and in the policy's.
func (e estimate) spend(t llm.Target) broker.Spend {
	s := broker.Spend{Tokens: e.in + e.out}
	if t.Price != nil {
		s.MicroUSD = t.Price.Worst(e.in, e.out)
	}
	return s
}

// spend is what was really used; what is not known is the whole reservation.
func (u used) spend(reserved broker.Spend) broker.Spend {
	if u.tokens >= 0 {
		reserved.Tokens = u.tokens
	}
	if u.micros >= 0 {
		reserved.MicroUSD = u.micros
	}
	return reserved
}

// told is what the caller of the execution hears of a call that used u, or at most
// e; false: it used nothing.
func (u used) told(t llm.Target, e estimate) (broker.Spent, bool) {
	if u.answer == nil {
		usd := float64(e.spend(t).MicroUSD) / 1e6
		return broker.Spent{Model: t.Ref(), InputTokens: e.in, OutputTokens: e.out, USD: usd, Estimated: true}, u.tokens < 0
	}
	s := broker.Spent{Model: t.Ref(), InputTokens: u.answer.InputTokens, OutputTokens: u.answer.OutputTokens}
	if t.Price != nil {
		s.USD = t.Price.Of(*u.answer)
	}
	return s, true
}

// key is the provider's key, "" where it needs none.
func (g *Gate) key(ctx context.Context, tenant string, t llm.Target) (string, error) {
	key, err := "", error(nil)
	switch {
	case t.Key != "" && g.cfg.Key == nil:
		err = fault.New(fault.Unauthenticated, "the key of provider %q is in a secret store that this quiltd does not have", t.Name).
			WithHint("use key_file in models.toml")
	case t.Key != "":
		key, err = g.cfg.Key(ctx, tenant, t.Key)
		if fault.CodeOf(err) == fault.NotFound && tenant != "" {
			key, err = g.cfg.Key(ctx, "", t.Key) // the operator's, for everybody
		}
	case t.KeyFile != "":
		key, err = wire.KeyFile(t.KeyFile)()
	}
	if err != nil {
		return "", err
	}
	return wire.CheckKey(key, t.BaseURL, t.PlainHTTP)
}

// forward sends the request and copies the answer back. An error means that
// nothing was answered; used is then what the provider may have counted.
func (g *Gate) forward(ctx context.Context, w http.ResponseWriter, a *ask, t llm.Target, key string) (used, error) {
	text, err := json.Marshal(a.body)
	if err != nil {
		return used{}, fmt.Errorf("request: %w", err)
	}
	to := a.front.upstream(strings.TrimRight(t.BaseURL, "/"), a)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(text))
	if err != nil {
		return used{}, fault.Wrap(err, fault.Invalid, "%q is not the name of a model", clip(a.model, 80))
	}
	req.Header = a.header
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "aria")
	if key != "" {
		a.front.authKey(req.Header, key)
	}
	res, err := g.client.Do(req)
	if err != nil {
		if ctx.Err() != nil { // it may have begun
			return unknown, fault.Wrap(context.Cause(ctx), fault.Cancelled, "the call was given up")
		}
		var dial *net.OpError
		spent := unknown
		if errors.As(err, &dial) && dial.Op == "dial" {
			spent = used{} // it never heard of it
		}
		return spent, fault.Wrap(scrubbed(err), fault.Unavailable, "the server of provider %q cannot be reached", t.Name).
			WithHint("is base_url in models.toml right, and the server up? arc models shows what can be reached")
	}
	defer res.Body.Close()
	g.learn(t, res)
	if res.StatusCode != http.StatusOK {
		return g.refusal(w, a, t, res, key)
	}
	return g.answer(w, a, t, res, key)
}

// scrubbed leaves the URL out of an error of net/http.
func scrubbed(err error) error {
	if u, ok := err.(*url.Error); ok {
		return u.Err
	}
	return err
}

// learn believes the provider that less is left than we count.
func (g *Gate) learn(t llm.Target, res *http.Response) {
	now, h := g.cfg.Now(), res.Header
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == 529 {
		if after := wire.RetryAfter(h, now); after > 0 {
			g.ledger.pause("pause/"+t.Ref(), now.Add(min(after, g.cfg.Wait*10)))
		}
	}
	for _, k := range []struct{ left, reset, key string }{
		{"X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests", "requests/"},
		{"X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens", "tokens/"},
		{"Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset", "requests/"},
		{"Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset", "tokens/"},
	} {
		left, err := strconv.ParseInt(h.Get(k.left), 10, 64)
		if err != nil || left < 0 {
			continue
		}
		until := wire.ResetTime(h.Get(k.reset), now)
		g.ledger.lower(now, k.key+t.Name, left, until)
		g.ledger.lower(now, k.key+t.Ref(), left, until)
	}
}
