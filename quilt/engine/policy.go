package engine

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/policy"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
	"github.com/ariacomputecompany/firmware/token"
)

// Rules are a policy and where it is from.
type Rules struct {
	Policy  *policy.Policy // nil: everything is allowed
	File    string
	Text    []byte
	Since   time.Time
	Problem string // why a newer text does not hold
}

// held is the policy that holds.
type held struct {
	rules *policy.Policy
	id    string // for the audit
	Rules
}

func newHeld(r Rules) *held {
	h := &held{rules: r.Policy, id: "none", Rules: r}
	if r.Policy != nil {
		h.id = fmt.Sprintf("sha256:%x", sha256.Sum256(r.Text))
	}
	return h
}

// SetPolicy makes a policy hold from now on. Who holds something keeps it; a
// waiting request that can never be had any more is refused.
func (e *Engine) SetPolicy(r Rules) {
	h := newHeld(r)
	old := e.policy.Swap(h)
	if old.id == h.id && old.rules != nil {
		return
	}
	l := e.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deliver(l.table.Reconfigure(l.now(), schedulerConfig(r.Policy, l.epoch)), "")
}

// Policy that holds.
func (e *Engine) Policy() Rules { return e.policy.Load().Rules }

// schedulerConfig is what the scheduler needs of a policy. The tenant of requests
// that name none is "" there.
func schedulerConfig(p *policy.Policy, epoch uint64) scheduler.Config {
	cfg := scheduler.Config{Epoch: epoch}
	if p == nil {
		return cfg
	}
	cfg.Pools, cfg.MaxWaiting, cfg.MaxHeld = p.Machine.Pools, p.Waiting, p.Held
	cfg.Tenants = map[string]scheduler.Tenant{}
	for name, t := range p.Tenants {
		terms := scheduler.Tenant{Weight: t.Weight, MaxWaiting: t.Waiting, MaxHeld: t.Held, Pools: t.Pools}
		switch name {
		case policy.Anybody:
			cfg.Others = terms
		case policy.Default:
			cfg.Tenants[""] = terms
		default:
			cfg.Tenants[name] = terms
		}
	}
	if t, ok := p.Tenants[policy.Anybody]; ok && cfg.Tenants[""].Weight == 0 && len(p.Tenants[policy.Default].Pools) == 0 {
		if _, named := p.Tenants[policy.Default]; !named {
			cfg.Tenants[""] = scheduler.Tenant{Weight: t.Weight, MaxWaiting: t.Waiting, MaxHeld: t.Held, Pools: t.Pools}
		}
	}
	return cfg
}

// forbidden says which line of the policy leaves t out.
func (h *held) forbidden(who policy.Who, t token.Token, unit string, v policy.Verdict) error {
	for _, c := range v.Rules {
		if c.Any || c.Pattern != "" {
			continue
		}
		return fault.New(fault.Denied, "%s may not use %s: %s of the policy (line %d) does not allow it", unit, t, c.Table, c.Line).
			WithHint("add a pattern that covers it to allow in %s; arc policy check --bundle explains every token", first(h.File, policy.FileName))
	}
	return fault.New(fault.Denied, "%s of %s may not use %s", unit, first(who.Package, "no bundle"), t)
}

// Counts since the start.
type Counts struct {
	Granted, Queued, Released, Revoked uint64
	Refused                            map[string]uint64
	Waited                             time.Duration // of all grants together
	Sessions, Waiting                  int           // now
	LastSeq                            uint64
	Pools                              []scheduler.Pool
}

// Counts is a copy of the counters.
func (e *Engine) Counts() Counts {
	l := e.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts
	c.Refused = maps.Clone(c.Refused)
	c.Sessions, c.Waiting = len(l.live), l.table.Waiting()
	c.Pools = l.table.Pools()
	slices.SortFunc(c.Pools, func(a, b scheduler.Pool) int {
		return strings.Compare(a.Path+"\x00"+a.Tenant, b.Path+"\x00"+b.Tenant)
	})
	l.news.mu.Lock()
	c.LastSeq = l.news.last
	l.news.mu.Unlock()
	return c
}
