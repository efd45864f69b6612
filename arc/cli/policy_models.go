package cli

import (
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/models"
	"github.com/ariacomputecompany/firmware/policy"
	"github.com/ariacomputecompany/firmware/token"
)

// The policy is the law; the models file says what an account with a provider is
// good for. Both hold, so of two amounts of the same thing the smaller counts. Here
// they stand side by side.

// explainModels adds to answers about models what the models file says of them.
func (o *policyChecked) explainModels(f models.File, path string, p *policy.Policy, tenant string) error {
	for i := range o.Units {
		for j := range o.Units[i].Tokens {
			a := &o.Units[i].Tokens[j]
			t, err := token.Parse(a.Token)
			if err != nil {
				return err
			}
			if t.Scheme() != "llm" || !a.Allowed {
				continue
			}
			for _, s := range modelScopes(f, t) {
				for _, l := range modelLimits(s.limits) {
					line := fmt.Sprintf("at most %s of %s (%s)", l.says, s.name, path)
					if other := smaller(p, tenant, s.token, l); other != "" {
						line += "; " + other + " is less, and counts"
					}
					a.Why = append(a.Why, line)
				}
			}
		}
	}
	return nil
}

// modelScope is one place of the models file that bounds a model.
type modelScope struct {
	name   string
	token  string // what the policy calls it
	limits llm.Limits
}

func modelScopes(f models.File, t token.Token) (out []modelScope) {
	out = append(out, modelScope{"all models", "llm", f.Limits})
	segs := t.Segments()
	p, ok := f.Providers[segs[0]]
	if !ok {
		return out
	}
	out = append(out, modelScope{segs[0], "llm/" + segs[0], p.Limits})
	if len(segs) > 1 {
		out = append(out, modelScope{segs[0] + ":" + segs[1], "llm/" + segs[0] + "/" + segs[1], p.Models[segs[1]].Limits})
	}
	return out
}

// modelLimit is one amount of the models file, and the same in a policy: 0 where it
// says nothing.
type modelLimit struct {
	says   string
	amount float64
	policy func(policy.Limit) float64
	pool   bool
}

func modelLimits(l llm.Limits) (out []modelLimit) {
	perMinute := func(r token.Rate) float64 {
		if r.N == 0 {
			return 0
		}
		return float64(r.N) * float64(time.Minute) / float64(r.Per)
	}
	add := func(n float64, format string, in func(policy.Limit) float64) {
		if n > 0 {
			out = append(out, modelLimit{says: fmt.Sprintf(format, n), amount: n, policy: in, pool: in == nil})
		}
	}
	add(float64(l.Concurrency), "%.0f calls at once", nil)
	add(float64(l.RequestsPerMinute), "%.0f requests in 1m", func(p policy.Limit) float64 { return perMinute(p.Requests) })
	add(float64(l.TokensPerMinute), "%.0f model tokens in 1m", func(p policy.Limit) float64 { return perMinute(p.Tokens) })
	add(l.USDPerDay, "%.2f dollars a day", func(p policy.Limit) float64 { return float64(p.MicroUSDPerDay) / 1e6 })
	add(l.USDPerRun, "%.2f dollars in one run", func(policy.Limit) float64 { return 0 })
	return out
}

// smaller names the table of the policy that gives less of the same; "" if none does.
func smaller(p *policy.Policy, tenant, path string, l modelLimit) string {
	if p == nil {
		return ""
	}
	for _, b := range []struct {
		name string
		policy.Bounds
	}{{"machine", p.Machine}, {"the tenant", p.Tenant(tenant).Bounds}} {
		if n, ok := b.Pools[path]; l.pool && ok && float64(n) < l.amount {
			return fmt.Sprintf("the pool of %s", b.name)
		}
		if limit, ok := b.Limits[path]; !l.pool && ok {
			if n := l.policy(limit); n > 0 && n < l.amount {
				return fmt.Sprintf("the limit of %s (line %d)", b.name, limit.Line)
			}
		}
	}
	return ""
}
