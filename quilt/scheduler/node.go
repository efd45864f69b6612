package scheduler

import (
	"github.com/ariacomputecompany/firmware/token"
)

// Ranks of waiting requests: 0 for incremental ones, then one for each class.
const ranks = 1 + classes

// units is the index of a pool's queue, beside those of the lock modes.
const units = token.Modes

// node is a place in a resource tree, or a pool. It exists while somebody holds
// it, waits for it, or a kept plan names it.
type node struct {
	key     string
	refs    int
	cap     int64
	used    int64
	holders [token.Modes + 1]holdList
	mark    uint64 // of the request that is taken apart
	at      int32  // its entry for this node
	pool    bool
	dirty   bool
	queues  [ranks]*queue // nil until somebody of the rank waits here
}

// queue of one rank at a node.
type queue struct {
	// waiting are the requests that have a claim here, by mode, each list in the
	// order of turns: whether an earlier incompatible one waits is a look at the
	// heads.
	waiting [token.Modes + 1]entryList
	count   int
	// parked are those of them whose first failing claim is this one: only they
	// can become grantable by what happens here.
	parked [token.Modes + 1]waitHeap
}

// hold is one session on one node.
type hold struct {
	s          *session
	n          *node
	mode       token.Mode
	units      int64 // taken from the pool itself
	lent       int64 // of these, in use by nested sessions
	loans      []loan
	prev, next *hold
}

// loan is what a nested session uses of an ancestor's units.
type loan struct {
	lender *hold
	units  int64
}

func (h *hold) index() int {
	if h.n.pool {
		return units
	}
	return int(h.mode)
}

type holdList struct {
	head *hold
	n    int
}

func (h *hold) enter() {
	l := &h.n.holders[h.index()]
	h.prev, h.next = nil, l.head
	if l.head != nil {
		l.head.prev = h
	}
	l.head = h
	l.n++
	h.n.used += h.units
}

func (h *hold) leave() {
	l := &h.n.holders[h.index()]
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		l.head = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	}
	l.n--
	h.n.used -= h.units
}

// on finds what x holds on n.
func (x *session) on(n *node) *hold {
	for _, h := range x.held {
		if h.n == n {
			return h
		}
	}
	return nil
}

// request is what one session waits for.
type request struct {
	ticket             uint64
	tag                uint64 // fair order among tenants; 0 for incremental ones
	s                  *session
	tokens             []token.Token
	entries            []entry
	since              int64
	deadline           int64 // 0: none
	aged               int64 // when it came to its rank
	prevAged, nextAged *request
	parks              uint32 // how often it was parked: older marks in heaps are stale
	at                 int16  // the entry it is parked at
	rank               uint8
	tx                 bool
	shares             bool // it asks for a part of a pool
}

// before: q's turn comes first, in the same rank.
func (q *request) before(o *request) bool {
	if q.tag != o.tag {
		return q.tag < o.tag
	}
	return q.ticket < o.ticket
}

// entry is one claim of a request on one node.
type entry struct {
	q          *request
	n          *node
	token      *token.Token // that asks for it, or for something below
	units      int64
	prev, next *entry
	mode       token.Mode // asked for
	want       token.Mode // with what the session holds there already
}

func (e *entry) index() int {
	if e.n.pool {
		return units
	}
	return int(e.want)
}

type entryList struct{ head, tail *entry }

// enter puts e where its turn is. New requests belong at the end, aged ones
// near the head of the next rank, so it looks from both sides.
func (e *entry) enter() {
	here := e.n.queues[e.q.rank]
	if here == nil {
		here = &queue{}
		e.n.queues[e.q.rank] = here
	}
	here.count++
	l := &here.waiting[e.index()]
	after, next := l.tail, l.head
	for after != nil && e.q.before(after.q) {
		if !next.q.before(e.q) {
			after = next.prev
			break
		}
		after, next = after.prev, next.next
	}
	e.prev = after
	if after != nil {
		e.next, after.next = after.next, e
	} else {
		e.next, l.head = l.head, e
	}
	if e.next != nil {
		e.next.prev = e
	} else {
		l.tail = e
	}
}

func (e *entry) leave() {
	here := e.n.queues[e.q.rank]
	here.count--
	l := &here.waiting[e.index()]
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.head = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.tail = e.prev
	}
	e.prev, e.next = nil, nil
}

// position of a request that was just put at the end of its rank; it can stand
// further ahead in a pool.
func (e *entry) position() int {
	n := 0
	for r := 0; r <= int(e.q.rank); r++ {
		if here := e.n.queues[r]; here != nil {
			n += here.count
		}
	}
	return n
}
