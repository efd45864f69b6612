package scheduler

import (
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/token"
)

// expand turns the request's tokens into claims on nodes: one for each node,
// ancestors with intention modes, sorted by key. A refusal says which token can
// never be had.
func (s *Scheduler) expand(q *request) *Refused {
	for _, t := range q.tokens {
		if t.IsPattern() {
			return &Refused{Session: q.s.id, Reason: Never, Token: t.String()}
		}
		key := t.Scheme() + "/" + strings.Join(t.Segments(), "/")
		if t.Units() > 0 && !s.takeUnits(q, t, key) {
			return &Refused{Session: q.s.id, Reason: Never, Token: t.String()}
		}
		mode := t.Mode()
		for ; key != "" && mode != token.None; key = parent(key) {
			s.claim(q, key, t, mode, 0)
			mode = mode.Above()
		}
	}
	slices.SortFunc(q.entries, func(a, b entry) int { return strings.Compare(a.n.key, b.n.key) })
	for i := range q.entries {
		e := &q.entries[i]
		e.want = e.mode
		own := q.s.on(e.n)
		if own != nil {
			e.want = token.Sup(own.mode, e.mode)
		}
		if e.n.pool && (e.units > e.n.cap || own != nil && e.units > e.n.cap-own.units) {
			return &Refused{Session: q.s.id, Reason: Never, Token: e.token}
		}
	}
	return nil
}

// takeUnits claims from every pool on the path. False: there is none and the
// machine's capacity cannot be had without.
func (s *Scheduler) takeUnits(q *request, t token.Token, key string) bool {
	found := false
	for ; key != ""; key = parent(key) {
		if _, ok := s.cfg.Pools[key]; ok {
			found = true
			s.claim(q, "#"+key, t, token.None, t.Units()) // pools stand beside the tree
		}
	}
	switch t.Scheme() {
	case "gpu", "cpu", "mem", "slot":
		return found
	}
	return true
}

// parent cuts the last segment; "" above a scheme.
func parent(key string) string { return key[:max(strings.LastIndexByte(key, '/'), 0)] }

// claim adds to the entry of a node, or makes one.
func (s *Scheduler) claim(q *request, key string, t token.Token, mode token.Mode, n int64) {
	for i := range q.entries {
		if e := &q.entries[i]; e.n.key == key {
			e.mode = token.Sup(e.mode, mode)
			e.units += n
			return
		}
	}
	q.entries = append(q.entries, entry{q: q, n: s.node(key), mode: mode, units: n, token: t.String()})
}

// node finds or makes the node and counts the use; release ends it.
func (s *Scheduler) node(key string) *node {
	n := s.nodes[key]
	if n == nil {
		n = &node{key: key}
		if pool, ok := strings.CutPrefix(key, "#"); ok {
			n.pool, n.cap = true, s.cfg.Pools[pool]
		} else if up := parent(key); up != "" {
			n.parent = s.node(up)
		}
		s.nodes[key] = n
	}
	n.refs++
	return n
}

func (s *Scheduler) release(n *node) {
	for n != nil {
		if n.refs--; n.refs > 0 {
			return
		}
		delete(s.nodes, n.key)
		n = n.parent
	}
}

// forget releases the nodes of a request that does not wait and was not granted.
func (s *Scheduler) forget(q *request) {
	for i := range q.entries {
		s.release(q.entries[i].n)
	}
	q.entries = nil
}
