package scheduler

// pressMax bounds how many holders one new waiter looks at for what follows.
const pressMax = 64

// press is what a waiter does to those who keep it waiting: a less urgent
// holder inherits its class until it gives something back (and so does whom
// that one waits for), and a less urgent preemptible one is asked to go. Only
// the first pressMax are looked at.
func (s *Scheduler) press(x *session) {
	s.mark++
	x.mark = s.mark
	next := []*session{x}
	for seen := 0; len(next) > 0 && seen < pressMax; {
		y := next[0]
		next = next[1:]
		s.waitsOn(y, func(z *session) bool {
			if z.mark == s.mark {
				return false
			}
			z.mark = s.mark
			seen++
			if y == x && z.preempt && !z.revoked && z.class > x.class {
				z.revoked = true
				s.out = append(s.out, Revoke{Session: z.id, For: x.id})
			}
			if z.urgency > x.urgency {
				z.urgency = x.urgency
				s.out = append(s.out, Raised{Session: z.id, Class: z.urgency, By: x.id})
			}
			if z.pending != nil || z.family.waits() {
				next = append(next, z)
			}
			return seen >= pressMax
		})
	}
}

// waitsOn calls f for the holders and children that y waits for.
func (s *Scheduler) waitsOn(y *session, f func(*session) bool) {
	if y.family.waits() {
		for _, c := range y.family.children {
			if f(c) {
				return
			}
		}
	}
	if y.pending == nil {
		return
	}
	for i := range y.pending.entries {
		if e := &y.pending.entries[i]; !e.fits() || e.n.pool {
			if e.holders(f) {
				return
			}
		}
	}
}
