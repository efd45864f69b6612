package scheduler

import (
	"fmt"

	"github.com/ariacomputecompany/firmware/token"
)

// Check looks at the whole table, for tests and simulations: no two sessions of different families hold
// what conflicts (I1), no pool is overdrawn unless it shrank (I2), the counters
// are those of the lists, and nobody waits who could have what it asks for (I6).
func (s *Scheduler) Check() error {
	for _, n := range s.nodes {
		if err := n.check(); err != nil {
			return err
		}
	}
	for _, x := range s.sessions {
		if q := x.pending; q != nil {
			if s.try(q) < 0 {
				return fmt.Errorf("%s waits and could have all it asks for", x.id)
			}
			if e := &q.entries[q.at]; e.ok() {
				return fmt.Errorf("%s is parked where nothing keeps it", x.id)
			}
		}
	}
	return nil
}

func (n *node) check() error {
	var used int64
	for g := range n.holders {
		count := 0
		for h := n.holders[g].head; h != nil; h = h.next {
			count++
			used += h.units
			if h.lent < 0 || h.lent > h.units {
				return fmt.Errorf("%s lends %d of %d units of %s", h.s.id, h.lent, h.units, n.key)
			}
			if err := n.checkPair(h); err != nil {
				return err
			}
		}
		if count != n.holders[g].n {
			return fmt.Errorf("%s: %d holders, %d counted", n.key, count, n.holders[g].n)
		}
	}
	if n.pool && (used != n.used || used > n.cap) {
		return fmt.Errorf("%s: %d units used, %d counted, %d there are", n.key, used, n.used, n.cap)
	}
	return nil
}

// checkPair compares h with one holder of every other mode, and with the next
// of its own: more would be quadratic, and the lists are by mode.
func (n *node) checkPair(h *hold) error {
	if n.pool {
		return nil
	}
	for g := range token.Modes {
		for o := n.holders[g].head; o != nil; o = o.next {
			if o == h || o.s.descends(h.s) || h.s.descends(o.s) {
				continue
			}
			if !token.Compatible(h.mode, o.mode) && !token.Compatible(o.mode, h.mode) {
				return fmt.Errorf("%s and %s hold %s", h.s.id, o.s.id, n.key)
			}
			break
		}
	}
	return nil
}
