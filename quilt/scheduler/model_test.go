package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/token"
)

// model is the specification in the plainest words: no lists, no heaps, every
// rule looked up in full each time. It follows the scheduler's choice of
// victims and checks that each was one.
type model struct {
	pools   map[string]int64
	held    map[string]map[string]claim // by session and key
	waiting map[string]*ask             // by session
	ticket  int
}

type claim struct {
	mode  token.Mode
	units int64
}

type ask struct {
	rank, ticket int
	claims       map[string]claim
}

func newModel(pools map[string]int64) *model {
	return &model{pools: pools, held: map[string]map[string]claim{}, waiting: map[string]*ask{}}
}

func (m *model) claims(list []token.Token) map[string]claim {
	out := map[string]claim{}
	for _, t := range list {
		path := append([]string{t.Scheme()}, t.Segments()...)
		mode := t.Mode()
		for i := len(path); i > 0; i-- {
			key := strings.Join(path[:i], "/")
			if mode != token.None {
				out[key] = claim{mode: token.Sup(out[key].mode, mode)}
				mode = mode.Above()
			}
			if _, ok := m.pools[key]; ok && t.Units() > 0 {
				out["#"+key] = claim{units: out["#"+key].units + t.Units()}
			}
		}
	}
	return out
}

// submit returns true if the request can never be granted.
func (m *model) submit(session string, class Class, list []token.Token) (never bool) {
	a := &ask{rank: 1 + int(class), claims: m.claims(list)}
	if len(m.held[session]) > 0 {
		a.rank = 0
	}
	for key, c := range a.claims {
		if pool, ok := strings.CutPrefix(key, "#"); ok && c.units+m.held[session][key].units > m.pools[pool] {
			return true
		}
	}
	m.ticket++
	a.ticket = m.ticket
	m.waiting[session] = a
	return false
}

// order: whose turn is first.
func (m *model) order() []string {
	var out []string
	for s := range m.waiting {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b string) int {
		x, y := m.waiting[a], m.waiting[b]
		return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.ticket, y.ticket))
	})
	return out
}

// want is the mode with what the session holds already.
func (m *model) want(session, key string) token.Mode {
	return token.Sup(m.held[session][key].mode, m.waiting[session].claims[key].mode)
}

// grantable by holders in others and by earlier waiters for which blocks says yes.
func (m *model) grantable(session string, others func(string) bool, earlier []string) bool {
	for key, c := range m.waiting[session].claims {
		if !m.fits(session, key, c, others) {
			return false
		}
		own := m.held[session][key]
		if c.units == 0 && own.mode != token.None && own.mode == m.want(session, key) {
			continue
		}
		for _, w := range earlier {
			if o, ok := m.waiting[w].claims[key]; ok && (o.units > 0 || !bothWays(m.want(w, key), m.want(session, key))) {
				return false
			}
		}
	}
	return true
}

func (m *model) fits(session, key string, c claim, others func(string) bool) bool {
	used := c.units
	for s, h := range m.held {
		o, ok := h[key]
		if !ok || s != session && !others(s) {
			continue
		}
		used += o.units
		own := m.held[session][key]
		already := own.mode != token.None && own.mode == m.want(session, key)
		if s != session && c.units == 0 && !already && !token.Compatible(o.mode, m.want(session, key)) {
			return false
		}
	}
	return c.units == 0 || used <= m.pools[key[1:]]
}

// settle grants until nothing can be granted; the result does not depend on
// the order.
func (m *model) settle() (granted []string) {
	everybody := func(string) bool { return true }
	for again := true; again; {
		again = false
		order := m.order()
		for i, s := range order {
			if m.grantable(s, everybody, order[:i]) {
				m.grant(s)
				granted = append(granted, s)
				again = true
				break
			}
		}
	}
	slices.Sort(granted)
	return granted
}

func (m *model) grant(s string) {
	if m.held[s] == nil {
		m.held[s] = map[string]claim{}
	}
	for key, c := range m.waiting[s].claims {
		own := m.held[s][key]
		m.held[s][key] = claim{mode: token.Sup(own.mode, c.mode), units: own.units + c.units}
	}
	delete(m.waiting, s)
}

// stuck: the sessions that still wait after everybody who can run has finished,
// again and again (I7, I11).
func (m *model) stuck() map[string]bool {
	left := map[string]bool{}
	for s := range m.waiting {
		left[s] = true
	}
	for again := true; again; {
		again = false
		var order []string
		for _, s := range m.order() {
			if left[s] {
				order = append(order, s)
			}
		}
		for i, s := range order {
			if m.grantable(s, func(o string) bool { return left[o] }, order[:i]) {
				delete(left, s)
				again = true
				break
			}
		}
	}
	return left
}

// check compares the whole table with the scheduler's, and I1 and I2.
func (m *model) check(s *Scheduler) error {
	total := map[string]int64{}
	for a, held := range m.held {
		x := s.sessions[a]
		if x == nil || len(x.held) != len(held) {
			return fmt.Errorf("session %s holds something else than %v", a, held)
		}
		for _, h := range x.held {
			if c := held[h.n.key]; c.mode != h.mode || c.units != h.units {
				return fmt.Errorf("%s holds %v %d on %s, want %v %d", a, h.mode, h.units, h.n.key, c.mode, c.units)
			}
			total[h.n.key] += h.units
			for b, other := range m.held {
				if o, ok := other[h.n.key]; ok && a != b && !token.Compatible(h.mode, o.mode) && !token.Compatible(o.mode, h.mode) {
					return fmt.Errorf("%s and %s hold %s", a, b, h.n.key)
				}
			}
		}
	}
	for key, n := range total {
		if strings.HasPrefix(key, "#") && n > m.pools[key[1:]] {
			return fmt.Errorf("%s: %d units of %d", key, n, m.pools[key[1:]])
		}
	}
	waits := 0
	for _, x := range s.sessions {
		if x.pending != nil {
			waits++
			if m.waiting[x.id] == nil {
				return fmt.Errorf("%s waits, and should not (lost wake-up)", x.id)
			}
		}
	}
	if waits != len(m.waiting) {
		return fmt.Errorf("%d wait, want %d", waits, len(m.waiting))
	}
	return nil
}
