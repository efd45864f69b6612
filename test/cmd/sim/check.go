package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/quilt/scheduler"
	"github.com/ariacomputecompany/firmware/token"
)

// follow applies effects to the account and checks each.
func (w *world) follow(effects []scheduler.Effect) error {
	for _, e := range effects {
		var err error
		switch e := e.(type) {
		case scheduler.Granted:
			err = w.granted(e)
		case scheduler.Refused:
			err = w.refused(e)
		case scheduler.Queued:
			w.queued++
			if p := w.people[e.Session]; p == nil || !p.waits || len(e.HeldBy)+len(e.Behind) == 0 {
				err = fmt.Errorf("a wait without a reason: %+v", e)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// granted: the request was open (I9), the fence rises (I4), nobody holds what
// conflicts (I1), and no pool is overdrawn (I2).
func (w *world) granted(g scheduler.Granted) error {
	w.grants++
	p := w.people[g.Session]
	if p == nil || !p.waits {
		return fmt.Errorf("%s was granted what it did not wait for", g.Session)
	}
	if g.Fence <= w.fence || g.Fence>>40 != w.epoch {
		return fmt.Errorf("fence %x after %x in epoch %d", g.Fence, w.fence, w.epoch)
	}
	w.fence, p.fence, p.waits = g.Fence, g.Fence, false
	for _, t := range p.asked {
		for _, o := range w.people {
			if o == p || related(o, p) || o.tenant != p.tenant && t.Scheme() != "gpu" {
				continue
			}
			for _, held := range o.tokens {
				if conflict(held, t) {
					return fmt.Errorf("%s got %s while %s holds %s", p.id, t, o.id, held)
				}
			}
		}
	}
	for _, t := range p.asked {
		p.fences = append(p.fences, p.lent(t, g.Fence))
	}
	p.tokens = append(p.tokens, p.asked...)
	return w.countPools(p)
}

// lent: who uses a lock that an ancestor holds writes with the ancestor's fence,
// or else it would lock the ancestor's own writes out.
func (p *person) lent(t token.Token, own uint64) uint64 {
	for a := p.parent; a != nil; a = a.parent {
		for i, o := range a.tokens {
			if o.Mode() == token.X && o.Covers(t) {
				return a.fences[i]
			}
		}
	}
	return own
}

// countPools counts the units of the families anew where p took some: a child
// uses its ancestors' units first, so of a line of descent the largest counts.
func (w *world) countPools(p *person) error {
	for _, t := range p.asked {
		if p.parent != nil || p.children > 0 || t.Units() == 0 {
			continue
		}
		p.counted = append(p.counted, t)
		for pool := range pools {
			if !takes(t, pool) {
				continue
			}
			w.used[pool] += t.Units()
			if w.used[pool] > pools[pool] {
				return fmt.Errorf("%d units of %s are held, there are %d", w.used[pool], pool, pools[pool])
			}
		}
	}
	return nil
}

// uncount takes back what countPools counted: the units of those who are in no
// family. A session that became a parent keeps its count until it ends.
func (w *world) uncount(p *person, tokens []token.Token) {
	for _, t := range tokens {
		i := slices.Index(p.counted, t)
		if i < 0 {
			continue
		}
		p.counted = slices.Delete(p.counted, i, i+1)
		for pool := range pools {
			if t.Units() > 0 && takes(t, pool) {
				w.used[pool] -= t.Units()
			}
		}
	}
}

func takes(t token.Token, pool string) bool {
	path := t.Scheme() + "/" + strings.Join(t.Segments(), "/")
	return path == pool || strings.HasPrefix(path, pool+"/")
}

func (w *world) refused(r scheduler.Refused) error {
	p := w.people[r.Session]
	switch r.Reason {
	case scheduler.Closed:
		return nil // it is gone from the account already
	case scheduler.Deadlock:
		w.victims++
		if err := w.ring(r.Cycle); err != nil {
			return err
		}
	case scheduler.Timeout:
		w.timeouts++
		if p != nil && (p.deadline.IsZero() || p.deadline.After(w.now)) {
			return fmt.Errorf("%s timed out before its time", r.Session)
		}
	}
	if p == nil || !p.waits {
		return fmt.Errorf("%s was refused (%s) what it did not wait for", r.Session, r.Reason)
	}
	p.waits = false
	if p.fence == 0 && p.children == 0 {
		w.gone(p)
	}
	return nil
}

// ring: each of a cycle waits for the next, by its own account (I8).
func (w *world) ring(cycle []scheduler.Edge) error {
	if len(cycle) < 2 {
		return fmt.Errorf("a cycle of %d", len(cycle))
	}
	for i, e := range cycle {
		p, q := w.people[e.Session], w.people[e.HeldBy]
		if p == nil || q == nil || cycle[(i+1)%len(cycle)].Session != e.HeldBy {
			return fmt.Errorf("a cycle with a gap: %+v", cycle)
		}
		if !p.waits && q.parent != p {
			return fmt.Errorf("%s runs and was named in a cycle: %+v", p.id, cycle)
		}
	}
	return nil
}

func (w *world) refusedAtOnce(effects []scheduler.Effect, why scheduler.Reason) error {
	if len(effects) == 1 {
		if r, ok := effects[0].(scheduler.Refused); ok && r.Reason == why {
			return nil
		}
	}
	return fmt.Errorf("expected the refusal %q, got %+v", why, effects)
}

func related(a, b *person) bool {
	for p := a.parent; p != nil; p = p.parent {
		if p == b {
			return true
		}
	}
	for p := b.parent; p != nil; p = p.parent {
		if p == a {
			return true
		}
	}
	return false
}

// conflict of two tokens, from their texts alone.
func conflict(a, b token.Token) bool {
	if a.Scheme() != b.Scheme() || a.Mode() == token.None || b.Mode() == token.None {
		return false
	}
	as, bs := a.Segments(), b.Segments()
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return false
		}
	}
	am, bm := a.Mode(), b.Mode()
	if len(as) < len(bs) {
		bm = bm.Above()
	} else if len(as) > len(bs) {
		am = am.Above()
	}
	return !token.Compatible(am, bm) && !token.Compatible(bm, am)
}

// send puts a write of p's on its way; land lets one arrive, in any order. The
// store applies it only if no higher fence wrote there; then no write of
// somebody who is gone comes after one of its successor (I5).
func (w *world) send(p *person) {
	if p.children > 0 {
		return // it waits
	}
	for i, t := range p.tokens {
		if t.Mode() == token.X {
			w.delayed = append(w.delayed, write{key: p.tenant + " " + t.Scheme() + " " + t.Path(), fence: p.fences[i], by: p})
			return
		}
	}
}

func (w *world) land() error {
	if len(w.delayed) == 0 {
		return nil
	}
	i := w.r.IntN(len(w.delayed))
	x := w.delayed[i]
	w.delayed[i] = w.delayed[len(w.delayed)-1]
	w.delayed = w.delayed[:len(w.delayed)-1]
	last := w.written[x.key]
	if x.fence < last {
		w.bounced++
		if w.owns(x) {
			return fmt.Errorf("a write of %s, who holds %s, bounced", x.by.id, x.key)
		}
		return nil
	}
	w.written[x.key] = x.fence
	return nil
}

// owns: the writer is alive and holds the key with that very grant.
func (w *world) owns(x write) bool {
	if !x.by.alive || x.by.children > 0 {
		return false
	}
	for i, t := range x.by.tokens {
		if t.Mode() == token.X && x.by.fences[i] == x.fence && x.by.tenant+" "+t.Scheme()+" "+t.Path() == x.key {
			return true
		}
	}
	return false
}
