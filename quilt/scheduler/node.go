package scheduler

import (
	"time"

	"github.com/ariacomputecompany/firmware/token"
)

// Ranks of waiting requests: 0 for incremental ones, then one for each class.
const ranks = 1 + classes

// units is the index of a pool's queue, beside those of the lock modes.
const units = token.Modes

// node is a place in the resource tree, or a pool. It exists while somebody
// holds it, waits for it, or is below it.
type node struct {
	key     string
	parent  *node
	refs    int
	pool    bool
	cap     int64
	used    int64
	holders [token.Modes + 1]holdList
	dirty   bool
	*queues // nil until somebody waits here
}

// queues of a node.
type queues struct {
	// waiting are the requests that have a claim here, by rank and mode, each
	// in order of arrival: whether an earlier incompatible one waits is a look
	// at the heads.
	waiting [ranks][token.Modes + 1]entryList
	count   [ranks]int
	// parked are those of them whose first failing claim is this one: only they
	// can become grantable by what happens here.
	parked [ranks][token.Modes + 1]waitHeap
}

// hold is one session on one node.
type hold struct {
	s          *session
	n          *node
	mode       token.Mode
	units      int64
	prev, next *hold
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
	ticket   uint64
	rank     int
	s        *session
	tokens   []token.Token
	entries  []entry
	since    time.Time
	deadline time.Time
	parks    uint32 // how often it was parked: older marks in heaps are stale
	queued   bool
}

// entry is one claim of a request on one node.
type entry struct {
	q          *request
	n          *node
	mode       token.Mode // asked for
	want       token.Mode // with what the session holds there already
	units      int64
	token      string // that asks for it, or for something below
	prev, next *entry
}

func (e *entry) index() int {
	if e.n.pool {
		return units
	}
	return int(e.want)
}

type entryList struct{ head, tail *entry }

func (e *entry) enter() {
	if e.n.queues == nil {
		e.n.queues = &queues{}
	}
	l := &e.n.waiting[e.q.rank][e.index()]
	e.prev, e.next = l.tail, nil
	if l.tail != nil {
		l.tail.next = e
	} else {
		l.head = e
	}
	l.tail = e
	e.n.count[e.q.rank]++
}

func (e *entry) leave() {
	l := &e.n.waiting[e.q.rank][e.index()]
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
	e.n.count[e.q.rank]--
}

// position of a request that was just put at the end of its rank.
func (e *entry) position() int {
	n := 0
	for r := 0; r <= e.q.rank; r++ {
		n += e.n.count[r]
	}
	return n
}
