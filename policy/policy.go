// Package policy is what an operator says about tokens: which tenants there are,
// what each may use and how much of it, what the machine has, and which tokens
// the bundles of a namespace may have. The file is specified in
// docs/spec/policy.md. It decides about tokens' texts only; who holds what is
// quilt/scheduler's business.
package policy

import (
	"strings"

	"github.com/ariacomputecompany/firmware/token"
)

// FileName of a policy in a data folder.
const FileName = "policy.toml"

// Default is the name of the tenant of requests that name none, and Anybody
// stands for every tenant or namespace that has no table of its own.
const (
	Default = "default"
	Anybody = "*"
)

// Policy is a checked policy. The zero Policy allows everything and bounds
// nothing; a nil one does the same.
type Policy struct {
	Machine Bounds
	// Executions is how many may be live at once; 0: what quiltd was started with.
	Executions int
	Waiting    int // executions of one tenant that may wait; 0: the scheduler's default
	Held       int // tokens that one tenant may hold; the same
	Tenants    map[string]Tenant
	Namespace  map[string]Rule
}

// Tenant is what one tenant may.
type Tenant struct {
	Rule
	Bounds
	Weight        int // of its share beside others; 0 is 1
	Waiting, Held int
	Class         string // the most urgent one it may ask for; "" is interactive
	Preemptible   bool   // all it runs may be ended for more urgent work
}

// Bounds are how much of a resource there is to use, by its path: "llm",
// "llm/openai", "llm/openai/gpt4", "slot".
type Bounds struct {
	Pools  map[string]int64 // at once
	Limits map[string]Limit // in a time
}

// Limit of use. Zero fields are no limit.
type Limit struct {
	Requests, Tokens token.Rate // of operations; of model tokens
	TokensPerDay     int64
	MicroUSDPerDay   int64
	Line             int // in the file
}

// Rule lists tokens that are allowed.
type Rule struct {
	Any   bool // nothing was said: everything
	Allow []Pattern
	Line  int // in the file: of its table
}

// Pattern is one entry of an allow list.
type Pattern struct {
	Token token.Token
	Line  int
}

// Who asks.
type Who struct {
	Tenant  string // "" is Default
	Package string // name of the bundle: "acme/search"; "": not of a bundle
}

// Verdict on one token, and why. The table is "tenant.acme" or
// "namespace.acme"; by is the pattern that allows, "" where nothing was said.
type Verdict struct {
	Allowed bool
	Rules   []Cause
}

// Cause is one rule's word on a token.
type Cause struct {
	Table   string
	Line    int
	Pattern string // that covers it; "": none does, or none is needed
	Any     bool   // the table says nothing of tokens: everything is allowed
}

// Tenant gives the terms of a tenant.
func (p *Policy) Tenant(name string) Tenant {
	t, _ := p.tenant(name)
	return t
}

func (p *Policy) tenant(name string) (Tenant, string) {
	if name == "" {
		name = Default
	}
	if p != nil {
		for _, n := range []string{name, Anybody} {
			if t, ok := p.Tenants[n]; ok {
				return t, "tenant." + n
			}
		}
	}
	return Tenant{Rule: Rule{Any: true}}, ""
}

// namespace gives the rule for a bundle's name; its table is "" without one.
func (p *Policy) namespace(pkg string) (Rule, string) {
	if p != nil && pkg != "" {
		name, _, _ := strings.Cut(pkg, "/")
		for _, n := range []string{name, Anybody} {
			if r, ok := p.Namespace[n]; ok {
				return r, "namespace." + n
			}
		}
	}
	return Rule{Any: true}, ""
}

// Judge says whether who may have t: the tenant's table and that of the bundle's
// namespace must both allow it. A table without a list allows everything.
func (p *Policy) Judge(who Who, t token.Token) Verdict {
	tenant, table := p.tenant(who.Tenant)
	v := Verdict{Allowed: true}
	v.rule(tenant.Rule, table, t)
	ns, table := p.namespace(who.Package)
	v.rule(ns, table, t)
	return v
}

func (v *Verdict) rule(r Rule, table string, t token.Token) {
	if table == "" {
		return
	}
	c := Cause{Table: table, Line: r.Line, Any: r.Any}
	for _, a := range r.Allow {
		if a.Token.Covers(t) {
			c.Pattern, c.Line = a.Token.String(), a.Line
			break
		}
	}
	v.Rules = append(v.Rules, c)
	v.Allowed = v.Allowed && (r.Any || c.Pattern != "")
}

// Path is a token's place in the tree of resources: "llm/openai/gpt4".
func Path(t token.Token) string { return t.Scheme() + "/" + strings.Join(t.Segments(), "/") }

// Paths are a token's place and all above it, the nearest first.
func Paths(t token.Token) []string {
	var out []string
	for path := Path(t); path != ""; path = path[:max(strings.LastIndexByte(path, '/'), 0)] {
		out = append(out, path)
	}
	return out
}
