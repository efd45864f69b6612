package scheduler

import (
	"strings"

	"github.com/ariacomputecompany/firmware/token"
)

// plan is what one token means in one tenant's tree: its nodes and pools. Plans
// are kept, and keep their nodes, so that a token is taken apart once.
type plan struct {
	steps []step
	never bool // there is no such pool and none can be had without
}

type step struct {
	n     *node
	mode  token.Mode
	units int64
}

// expand turns the request's tokens into claims on nodes: one for each node,
// ancestors with intention modes. A refusal says which token can never be had.
func (s *Scheduler) expand(q *request) *Refused {
	s.mark++
	for i := range q.tokens {
		t := &q.tokens[i]
		p := s.plan(q.s.tenant, t)
		if p == nil || p.never {
			return &Refused{Session: q.s.id, Reason: Never, Token: t.String()}
		}
		if q.late(*t) {
			continue
		}
		for _, st := range p.steps {
			s.claim(q, st, t)
		}
	}
	q.raise()
	if e := q.never(); e != nil {
		return &Refused{Session: q.s.id, Reason: Never, Token: e.token.String()}
	}
	return nil
}

// late: the token is locked only inside a transaction, by a request of its own.
func (q *request) late(t token.Token) bool { return !q.tx && t.HoldsTx() }

// raise sets what each claim comes to with what the session holds.
func (q *request) raise() {
	for i := range q.entries {
		e := &q.entries[i]
		e.want = e.mode
		if own := q.s.on(e.n); own != nil {
			e.want = token.Sup(own.mode, e.mode)
		}
	}
}

// never finds a claim on more units than there are.
func (q *request) never() *entry {
	for i := range q.entries {
		e := &q.entries[i]
		if !e.n.pool {
			continue
		}
		units := e.units
		if own := q.s.on(e.n); own != nil {
			units += own.units
		}
		if units > e.n.cap {
			return e
		}
	}
	return nil
}

// claim adds to the entry of a node, or makes one.
func (s *Scheduler) claim(q *request, st step, t *token.Token) {
	if n := st.n; n.mark == s.mark {
		e := &q.entries[n.at]
		e.mode = token.Sup(e.mode, st.mode)
		e.units += st.units
		return
	}
	st.n.mark, st.n.at = s.mark, int32(len(q.entries))
	st.n.refs++
	q.entries = append(q.entries, entry{q: q, n: st.n, mode: st.mode, units: st.units, token: t})
}

// plan finds or makes the token's plan; nil for a pattern.
func (s *Scheduler) plan(t *tenant, tok *token.Token) *plan {
	if p := t.plans[tok.String()]; p != nil {
		return p
	}
	if tok.IsPattern() {
		return nil
	}
	if len(t.plans) >= plansMax {
		s.forgetPlans(t)
	}
	p := &plan{}
	path := tok.Scheme() + "/" + strings.Join(tok.Segments(), "/")
	if tok.Units() > 0 {
		p.never = !s.planPools(p, t, path, tok) && shared(*tok)
	}
	tree := t.name + "\x00"
	if shared(*tok) {
		tree = "\x00"
	}
	mode := tok.Mode()
	for at := path; at != "" && mode != token.None; at = parent(at) {
		p.steps = append(p.steps, step{n: s.node(tree + at), mode: mode})
		mode = mode.Above()
	}
	t.plans[tok.String()] = p
	return p
}

// planPools claims from every pool on the path, and from the tenant's part.
func (s *Scheduler) planPools(p *plan, t *tenant, path string, tok *token.Token) (found bool) {
	for ; path != ""; path = parent(path) {
		if _, ok := s.cfg.Pools[path]; ok {
			found = true
			p.steps = append(p.steps, step{n: s.node("#" + path), units: tok.Units()})
		}
		if _, ok := t.terms.Pools[path]; ok {
			p.steps = append(p.steps, step{n: s.node("#" + t.name + "\x00" + path), units: tok.Units()})
		}
	}
	return found
}

// parent cuts the last segment; "" above a scheme.
func parent(key string) string { return key[:max(strings.LastIndexByte(key, '/'), 0)] }

// capacity of a pool's key; 0 if it is no longer configured.
func (s *Scheduler) capacity(key string) int64 {
	key = key[1:]
	if name, pool, ok := strings.Cut(key, "\x00"); ok {
		return s.cfg.terms(name).Pools[pool]
	}
	return s.cfg.Pools[key]
}

// node finds or makes the node and counts the use; release ends it.
func (s *Scheduler) node(key string) *node {
	n := s.nodes[key]
	if n == nil {
		n = &node{key: key}
		if key[0] == '#' {
			n.pool, n.cap = true, s.capacity(key)
		}
		s.nodes[key] = n
	}
	n.refs++
	return n
}

func (s *Scheduler) release(n *node) {
	if n.refs--; n.refs == 0 {
		delete(s.nodes, n.key)
	}
}

func (s *Scheduler) forgetPlans(t *tenant) {
	for _, p := range t.plans {
		for _, st := range p.steps {
			s.release(st.n)
		}
	}
	clear(t.plans)
}
