package policy

import (
	"fmt"
	"slices"

	"github.com/ariacomputecompany/firmware/token"
)

// Answer is what a token would come to, line by line.
type Answer struct {
	Token   string   `json:"token"`
	Allowed bool     `json:"allowed"`
	Why     []string `json:"why"`
}

// machineOnly can be had only where the machine has a pool of it.
var machineOnly = []string{"gpu", "cpu", "mem", "slot"}

// Explain says whether who would get t, which lines decide it, and how much of
// it there is.
func (p *Policy) Explain(who Who, t token.Token) Answer {
	v := p.Judge(who, t)
	a := Answer{Token: t.String(), Allowed: v.Allowed}
	for _, c := range v.Rules {
		switch {
		case c.Pattern != "":
			a.Why = append(a.Why, fmt.Sprintf("%s, line %d, allows %s", c.Table, c.Line, c.Pattern))
		case c.Any:
			a.Why = append(a.Why, fmt.Sprintf("%s, line %d, has no allow list, so it allows everything", c.Table, c.Line))
		default:
			a.Why = append(a.Why, fmt.Sprintf("%s, line %d, does not allow it", c.Table, c.Line))
		}
	}
	if len(v.Rules) == 0 {
		a.Why = append(a.Why, "no table speaks of its tenant or namespace, so it is allowed")
	}
	if v.Allowed && p != nil {
		p.amounts(who, t, &a)
	}
	return a
}

func (p *Policy) amounts(who Who, t token.Token, a *Answer) {
	tenant, table := p.tenant(who.Tenant)
	pooled := false
	for _, path := range Paths(t) {
		for _, b := range []struct {
			of    string
			whole string
			Bounds
		}{{"machine", "on this machine", p.Machine}, {table, "of the tenant", tenant.Bounds}} {
			if n, ok := b.Pools[path]; ok && t.Units() > 0 {
				pooled = pooled || b.of == "machine"
				a.Why = append(a.Why, fmt.Sprintf("at most %d of %s at once %s (%s.pools)", n, path, b.whole, b.of))
				if t.Units() > n {
					a.Allowed = false
					a.Why = append(a.Why, fmt.Sprintf("it asks for %d, which can never be had", t.Units()))
				}
			}
			if l, ok := b.Limits[path]; ok {
				a.Why = append(a.Why, l.lines(path, b.of, b.whole)...)
			}
		}
	}
	if !pooled && slices.Contains(machineOnly, t.Scheme()) {
		a.Allowed = false
		a.Why = append(a.Why, fmt.Sprintf("machine.pools has no %s, so it can never be had", t.Scheme()))
	}
}

func (l Limit) lines(path, of, whole string) (out []string) {
	say := func(format string, args ...any) {
		out = append(out, fmt.Sprintf(format, args...)+fmt.Sprintf(" of %s %s (%s.limits, line %d)", path, whole, of, l.Line))
	}
	if l.Requests.N > 0 {
		say("at most %d requests in %s", l.Requests.N, l.Requests.Per)
	}
	if l.Tokens.N > 0 {
		say("at most %d model tokens in %s", l.Tokens.N, l.Tokens.Per)
	}
	if l.TokensPerDay > 0 {
		say("at most %d model tokens a day", l.TokensPerDay)
	}
	if l.MicroUSDPerDay > 0 {
		say("at most %.2f dollars a day", float64(l.MicroUSDPerDay)/1e6)
	}
	return out
}
