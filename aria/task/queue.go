package task

import "sync"

// queue hands out a fixed number of slots. Whoever must wait is served in turn
// by root run: a run with a hundred calls delays another one by one call.
type queue struct {
	mu      sync.Mutex
	free    int
	waiting map[ID][]*ticket
	turn    []ID // roots with somebody waiting, next first
	length  int
}

// ticket is a place in the queue; ready is closed when the slot is had.
type ticket struct {
	root  ID
	ready chan struct{}
}

func newQueue(slots int) *queue {
	return &queue{free: slots, waiting: map[ID][]*ticket{}}
}

// try takes a slot if one is free and nobody waits.
func (q *queue) try() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.free == 0 || q.length > 0 {
		return false
	}
	q.free--
	return true
}

// enter lines up; ahead is how many wait already.
func (q *queue) enter(root ID) (tk *ticket, ahead int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	tk = &ticket{root: root, ready: make(chan struct{})}
	ahead = q.length
	if len(q.waiting[root]) == 0 {
		q.turn = append(q.turn, root)
	}
	q.waiting[root] = append(q.waiting[root], tk)
	q.length++
	q.serve()
	return tk, ahead
}

// leave gives a slot back.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free++
	q.serve()
}

// abandon takes a ticket back: out of the line, or its slot if it had one.
func (q *queue) abandon(tk *ticket) {
	q.mu.Lock()
	defer q.mu.Unlock()
	line := q.waiting[tk.root]
	for i, other := range line {
		if other != tk {
			continue
		}
		q.length--
		q.waiting[tk.root] = append(line[:i:i], line[i+1:]...)
		if len(q.waiting[tk.root]) == 0 {
			q.forget(tk.root)
		}
		return
	}
	q.free++
	q.serve()
}

// place is how many turns come before that of a root that waits, itself included.
func (q *queue) place(root ID) (int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, r := range q.turn {
		if r == root {
			return i + 1, true
		}
	}
	return 0, false
}

func (q *queue) serve() {
	for q.free > 0 && len(q.turn) > 0 {
		root := q.turn[0]
		q.turn = q.turn[1:]
		line := q.waiting[root]
		tk := line[0]
		if q.waiting[root] = line[1:]; len(line) == 1 {
			delete(q.waiting, root)
		} else {
			q.turn = append(q.turn, root)
		}
		q.free--
		q.length--
		close(tk.ready)
	}
}

func (q *queue) forget(root ID) {
	delete(q.waiting, root)
	for i, r := range q.turn {
		if r == root {
			q.turn = append(q.turn[:i:i], q.turn[i+1:]...)
			return
		}
	}
}
