package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/token"
)

// model is the specification in the plainest words: no lists, no heaps, every
// rule looked up in full each time. It follows the scheduler's choice of
// victims and checks that each was one.
type model struct {
	pools   map[string]int64
	held    map[string]map[string]claim // by session and key
	tokens  map[string][]token.Token    // held, by session
	waiting map[string]*ask             // by session
	finish  map[string]uint64           // by tenant
	virtual uint64
	ticket  int
}

type claim struct {
	mode  token.Mode
	units int64
}

type ask struct {
	rank, ticket int
	tag          uint64
	shares       bool
	aged         time.Time
	tokens       []token.Token
	claims       map[string]claim
}

func newModel(cfg Config) *model {
	pools := maps.Clone(cfg.Pools)
	for name, t := range cfg.Tenants {
		for pool, n := range t.Pools {
			pools[name+"\x00"+pool] = n
		}
	}
	return &model{
		pools: pools, held: map[string]map[string]claim{}, tokens: map[string][]token.Token{},
		waiting: map[string]*ask{}, finish: map[string]uint64{},
	}
}

func (m *model) claims(tenant string, list []token.Token) map[string]claim {
	out := map[string]claim{}
	for _, t := range list {
		path := append([]string{t.Scheme()}, t.Segments()...)
		mode := t.Mode()
		for i := len(path); i > 0; i-- {
			key := strings.Join(path[:i], "/")
			if mode != token.None {
				at := tenant + "\x00" + key
				if t.Scheme() == "gpu" {
					at = "\x00" + key
				}
				out[at] = claim{mode: token.Sup(out[at].mode, mode)}
				mode = mode.Above()
			}
			for _, pool := range []string{key, tenant + "\x00" + key} {
				if _, ok := m.pools[pool]; ok && t.Units() > 0 {
					out["#"+pool] = claim{units: out["#"+pool].units + t.Units()}
				}
			}
		}
	}
	return out
}

// submit returns true if the request can never be granted.
func (m *model) submit(now time.Time, session, tenant string, class Class, list []token.Token) (never bool) {
	a := &ask{rank: 1 + int(class), claims: m.claims(tenant, list), tokens: list, aged: now}
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
	if a.rank > 0 {
		a.tag = max(m.virtual, m.finish[tenant])
		var share uint64
		for key, c := range a.claims {
			if c.units > 0 {
				share = max(share, uint64(float64(c.units)/float64(m.pools[key[1:]])*shareUnit))
			}
		}
		a.shares = share > 0
		m.finish[tenant] = a.tag + share/uint64(weights[tenant])
	}
	return false
}

// age: whoever was long enough in its rank rises by one.
func (m *model) age(now time.Time) {
	for _, a := range m.waiting {
		if a.rank > 1 && !now.Before(a.aged.Add(ageAfter)) {
			a.rank--
			a.aged = now
		}
	}
}

// exchange gives back a token for a weaker one, or for none.
func (m *model) exchange(session, tenant string, from token.Token, to ...token.Token) {
	i := slices.Index(m.tokens[session], from)
	m.tokens[session] = append(slices.Delete(m.tokens[session], i, i+1), to...)
	m.held[session] = m.claims(tenant, m.tokens[session])
}

// order: whose turn is first.
func (m *model) order() []string {
	var out []string
	for s := range m.waiting {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b string) int {
		x, y := m.waiting[a], m.waiting[b]
		return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.tag, y.tag), cmp.Compare(x.ticket, y.ticket))
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
	m.tokens[s] = append(m.tokens[s], m.waiting[s].tokens...)
	if m.waiting[s].shares {
		m.virtual = max(m.virtual, m.waiting[s].tag)
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
