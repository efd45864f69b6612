package main

// mutant is one planted fault: old, which stands once in file, becomes new.
type mutant struct{ name, file, old, new string }

const (
	sched  = "quilt/scheduler/"
	broker = "quilt/broker/"
	engine = "quilt/engine/"
	store  = "quilt/store/space.go"
)

var table = []mutant{
	{"readers beside a writer", sched + "grant.go", "if e.n.holders[g].n == 0 || token.Compatible(token.Mode(g), e.want) {", "if e.n.holders[g].n == 0 || g > 0 {"},
	{"pool one too many", sched + "grant.go", "need <= 0 || n.used+need <= n.cap &&", "need <= 0 || n.used+need <= n.cap+1 &&"},
	{"overtaking in a pool", sched + "grant.go", "n.used+need <= n.cap && !e.behind(units)", "n.used+need <= n.cap"},
	{"overtaking a writer", sched + "grant.go", "if !bothWays(token.Mode(g), e.want) && e.behind(g) {", "if g < 0 {"},
	{"lost wake-up on close", sched + "session.go", "	s.touch(h.n)\n	s.release(h.n)", "	s.release(h.n)"},
	{"lost wake-up on cancel", sched + "grant.go", "		q.entries[i].leave()\n		s.touch(q.entries[i].n)\n	}\n}\n\n// unqueue", "		q.entries[i].leave()\n	}\n}\n\n// unqueue"},
	{"fence does not rise", sched + "grant.go", "	s.fence++\n	if x.fence", "	s.fence |= 1\n	if x.fence"},
	{"no deadlock detection", sched + "deadlock.go", "	ring := s.reach(x)\n", "	ring := s.reach(x)[:0]\n	ring = nil\n"},
	{"no graph reduction", sched + "deadlock.go", "	for again := true; again; {", "	for again := x == nil; again; {"},
	{"dearest victim", sched + "deadlock.go", "cheaper(y, v) < 0", "cheaper(y, v) > 0"},
	{"no soft edges", sched + "deadlock.go", "return e.holders(f) || !e.covered() && e.earlier(0, f)", "return e.holders(f)"},
	{"nobody ages", sched + "age.go", "	q.rank--\n	q.aged = now", "	q.aged = now"},
	{"tenants share a tree", sched + "claim.go", "tree := t.name + \"\\x00\"", "tree := \"\\x00\""},
	{"no fair tags", sched + "tenant.go", "t.finish = q.tag + share/uint64(max(t.terms.Weight, 1))", "t.finish = q.tag"},
	{"weights ignored", sched + "tenant.go", "share/uint64(max(t.terms.Weight, 1))", "share"},
	{"timeout too early", sched + "scheduler.go", "q.deadline <= now; q", "q.deadline <= now+1e9; q"},
	{"siblings share a loan", sched + "grant.go", "n += h.units - h.lent", "n += h.units"},
	{"loan not given back", sched + "session.go", "l.lender.lent -= l.units", "l.lender.lent -= 0"},
	{"parent not in the graph", sched + "deadlock.go", "	if x.family != nil {\n		for _, c := range x.family.children {\n			if f(nil, c) {", "	if x.family != nil {\n		for _, c := range x.family.children[:0] {\n			if f(nil, c) {"},
	{"release keeps the lock", sched + "release.go", "		h.reduce(want.entries[i].mode, want.entries[i].units)", "		h.reduce(h.mode, want.entries[i].units)"},
	{"waits for what cannot be", sched + "claim.go", "		if units > e.n.cap {", "		if units > e.n.cap*100 {"},
	{"hold=tx locks at once", sched + "claim.go", "return !q.tx && t.HoldsTx()", "return q.tx && t.HoldsTx()"},
	{"burst one too many", sched + "meter.go", "over := ahead - float64(r.burst)*r.each; over > 0", "over := ahead - float64(r.burst+1)*r.each; over > 0"},
	{"budget forgets reservations", sched + "meter.go", "estimate > b.limit-b.spent-b.reserved {", "estimate > b.limit-b.spent {"},
	{"queue upside down", sched + "heap.go", "	return a.q.before(b.q)", "	return b.q.before(a.q)"},
	{"stale writer let in", store, "if fence < sp.exclusive || (!w.Shared && fence < sp.shared) {", "if fence < sp.exclusive-1<<50 {"},
	{"shared write unfenced", store, "if fence < sp.exclusive || (!w.Shared && fence < sp.shared) {", "if !w.Shared && (fence < sp.exclusive || fence < sp.shared) {"},
	{"fence not kept", store, "	*last = fence\n", "	return nil\n"},
	{"nested stay behind", sched + "grant.go", "		if y.pending.rank > 0 {\n", "		if y.pending.rank > 200 {\n"},
	{"a parent's grant unchecked", sched + "grant.go", "	for _, y := range wait {\n		s.breakCycles(y)", "	for _, y := range wait[:0] {\n		s.breakCycles(y)"},
	{"locks move the fair clock", sched + "grant.go", "	if q.shares {\n", "	if true {\n"},
	{"authority not asked", broker + "op.go", "		if !allows(t, need) {\n", "		if t.Scheme() != need.Scheme() {\n"},
	{"an announced writer writes", broker + "op.go", "return t.Covers(need) && (t.Verb() != token.Update || reads)", "return t.Covers(need) || reads"},
	{"hold=tx not locked", broker + "op.go", "case best.OnUse() && (need.Mode()", "case best.OnUse() && false && (need.Mode()"},
	{"wait= ignored by a lock", broker + "op.go", "	if wait > 0 {\n", "	if wait < 0 {\n"},
	{"charge without authority", broker + "charge.go", "	if _, ok := c.covering(need); !ok {", "	if _, ok := c.covering(need); !ok && false {"},
	{"call ids may fall", broker + "call.go", "	if f.ID <= *lastID {", "	if f.ID == *lastID {"},
	{"ready twice", broker + "broker.go", "	case ready && f.T == \"ready\":", "	case ready && f.T == \"Ready\":"},
	{"locks not given back", engine + "take.go", "	if k.users--; k.users == 0 {", "	if k.users--; k.users < 0 {"},
	{"a lock given back twice", engine + "take.go", "		if done {\n			return\n		}\n", "		if done && k.users < 0 {\n			return\n		}\n"},
	{"an id for two locks", "quilt/lock/lock.go", "	if err := s.keep(ctx, c.Opens(), hold); err != nil {", "	c.ID = int64(len(s.open) + 1)\n	if err := s.keep(ctx, c.Opens(), hold); err != nil {"},
	{"a lock of another unit dropped", "quilt/lock/lock.go", "	h, ok := s.open[id]\n	delete(s.open, id)", "	h, ok := s.open[id]\n	for other, x := range s.open {\n		if !ok && other.ID == id.ID {\n			h, ok = x, true\n		}\n	}\n	delete(s.open, id)"},
	{"a carried lock free at one drop", engine + "restore.go", "		if !k.unclaimed {\n			k.users++\n		}\n", ""},
	{"a carried lock under a new fence", engine + "restore.go", "k := &lock{token: t, fence: h.Fence, users: 1", "k := &lock{token: t, fence: h.Fence + 1, users: 1"},
	{"a lock not carried over", engine + "restore.go", "for i, k := range slices.Concat(x.locks, x.late) {", "for i, k := range slices.Concat(x.locks[:0], x.late) {"},
	{"ttl does not end authority", broker + "op.go", "		if over(c.Grant.ends(t)) {\n", "		if over(c.Grant.ends(t)) && t.Scheme() == \"x\" {\n"},
	{"ttl does not free the lock", engine + "ttl.go", "	x.lease = slices.Delete(x.lease, at, at+1)\n", "	return\n"},
	{"a lock outlives its ttl", engine + "ttl.go", "		k.lapsed = true\n", "		return\n"},
	{"a called unit outlives its caller's ttl", engine + "ttl.go", "		if !p.Covers(t) {\n", "		if p.Covers(t) {\n"},
	{"a rate that nobody sees", engine + "ledger.go", "	l.paced[who] = true\n", ""},
	{"units joined like locks", engine + "take.go", "return need.Units() == 0 && held.Covers(need)", "return held.Covers(need)"},
	{"a call above its caller", engine + "standing.go", "if out := req.tokens.Outside(p.req.tokens); len(out) > 0 {", "if out := req.tokens.Outside(p.req.tokens); len(out) > 99 {"},
	{"policy not asked", engine + "standing.go", "if v := p.rules.Judge(who, t); !v.Allowed {", "if v := p.rules.Judge(who, t); !v.Allowed && who.Tenant == \"x\" {"},
	{"granted without a record", engine + "leases.go", "if to = e2.Session; unwritten != nil {", "if to = e2.Session; unwritten != nil && to == \"\" {"},
	{"a caller's budget forgotten", engine + "charge.go", "	for y := x; y != nil; y = y.parent {", "	for y := x; y != nil; y = nil {"},
	{"spent money not written", engine + "ledger.go", "	return replaceFile(l.path, text)", "	_ = text\n	return nil"},
	{"a namespace's list ignored", "policy/policy.go", "	v.Allowed = v.Allowed && (r.Any || c.Pattern != \"\")", "	v.Allowed = r.Any || c.Pattern != \"\" || strings.HasPrefix(table, \"namespace\")"},
}
