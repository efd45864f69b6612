package engine

import (
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/policy"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
)

// Standing is on whose behalf something runs, and how urgent it is.
type Standing struct {
	Parent      string // the execution or session that waits for this one
	Class       string // "": that of the parent, or normal
	Preemptible bool
	Bundle      string // digest
	Package     string // name of the bundle
}

var classes = map[string]scheduler.Class{
	"system": scheduler.System, "interactive": scheduler.Interactive, "normal": scheduler.Normal, "batch": scheduler.Batch,
}

// stand checks who asks: what it may ever use lies inside the policy (and, once
// its parent is known, inside the parent's), and it is no more urgent than its
// tenant may be. It is not yet in the table.
func (e *Engine) stand(c *checked) error {
	err := e.judge(c)
	if err != nil {
		e.leases.refused(c, err)
	}
	return err
}

// carriedStanding is what judge found out before a planned restart; a policy that
// is narrower now holds for what begins now.
func (e *Engine) carriedStanding(c *checked, began time.Time) {
	p := e.policy.Load()
	class := classes[first(c.Standing.Class, "normal")]
	c.class, c.began = max(class, classes[first(p.rules.Tenant(c.Tenant).Class, "interactive")]), began
	c.chain = []string{"tenant " + first(c.Tenant, policy.Default), "policy " + p.id}
}

// revokes says how a session that was taken up is asked to go.
func (l *leases) revokes(execution string, revoke func(by string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.live[execution]; x != nil {
		x.revoke = revoke
	}
}

// refused records that somebody was turned away before it was in the table.
func (l *leases) refused(c *checked, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Refused["authority"]++
	x := &session{req: *c}
	l.news.audit.add(l.news.put(x.named(TokenEvent{Kind: "refused", Tokens: c.tokens.Strings(), Reason: why.Error()})), c.names(c.chain))
	_ = l.news.audit.flush() // what cannot be written is said in the log, and stays for the next time
}

// names ends a chain of authority with who acts.
func (c *checked) names(chain []string) []string {
	chain = slices.Clone(chain)
	if c.Standing.Bundle != "" {
		chain = append(chain, "bundle "+c.Standing.Bundle)
	}
	return append(chain, "unit "+c.Unit, "execution "+c.Execution)
}

func (e *Engine) judge(c *checked) error {
	p := e.policy.Load()
	c.chain = []string{"tenant " + first(c.Tenant, policy.Default), "policy " + p.id}
	who := policy.Who{Tenant: c.Tenant, Package: c.Standing.Package}
	for _, t := range c.tokens {
		if v := p.rules.Judge(who, t); !v.Allowed {
			return p.forbidden(who, t, c.Unit, v)
		}
	}
	terms := p.rules.Tenant(c.Tenant)
	class, ok := classes[first(c.Standing.Class, "normal")]
	if !ok {
		return fault.New(fault.Invalid, "unknown class %q", c.Standing.Class).WithHint("classes are system interactive normal batch")
	}
	if c.Standing.Class == "" {
		for _, t := range c.tokens {
			if prio, ok := classes[t.Params().Prio]; ok && prio < class {
				class, c.Standing.Class = prio, t.Params().Prio
			}
		}
	}
	if most := classes[first(terms.Class, "interactive")]; c.Standing.Class != "" && class < most {
		return fault.New(fault.Denied, "%s may not be %s", c.Unit, class).
			WithHint("the most urgent class of its tenant is %s; the policy can raise it", most)
	}
	c.class, c.began = max(class, classes[first(terms.Class, "interactive")]), time.Now()
	c.Standing.Preemptible = c.Standing.Preemptible || terms.Preemptible
	return nil
}

// adopt ties x to its parent, whose authority bounds its own. The caller holds mu.
func (l *leases) adopt(x *session) error {
	req := &x.req
	if id := req.Standing.Parent; id != "" {
		p := l.live[id]
		switch {
		case p == nil || p.closing:
			return fault.New(fault.Cancelled, "%s, which called %s, has ended", id, req.Unit)
		case p.req.Tenant != req.Tenant:
			return fault.New(fault.Denied, "%s, which called %s, is of another tenant", id, req.Unit)
		}
		if out := req.tokens.Outside(p.req.tokens); len(out) > 0 {
			return fault.New(fault.Denied, "%s may not use %s: %s, which called it, may not", req.Unit, out[0], p.req.Unit).
				WithHint("what a unit calls may use no more than it may itself; declare the handle in the caller too")
		}
		if req.Standing.Class == "" || req.class < p.req.class {
			req.class = p.req.class
		}
		x.parent, req.chain = p, p.req.chain
	}
	req.chain = req.names(req.chain)
	return nil
}

// alone says that no session is nested in x; then none will be any more, for x goes
// to wait without a container and lends nothing.
func (l *leases) alone(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.live[id]
	if x == nil {
		return true
	}
	for _, y := range l.live {
		if y.parent == x {
			return false
		}
	}
	x.closing = true
	return true
}

// under lists the live sessions that x waits for; no more come after it.
func (l *leases) under(id string) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.live[id]
	if x == nil {
		return nil
	}
	x.closing = true
	for id, y := range l.live {
		if y.parent == x {
			out = append(out, id)
		}
	}
	return out
}

// onlyHeld: schemes that need nothing behind them: to hold one is all there is.
var onlyHeld = []string{"slot", "cpu", "mem", "gpu", "tool", "agent"}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
