package scheduler

import "slices"

// waitHeap is a min-heap of waiting requests by turn or by deadline. Marks that
// have become stale stay until they come to the top or are half of it; neither
// turn nor deadline of a request changes, so they keep their place.
type waitHeap struct {
	marks      []mark
	limit      int32 // sweep when it is reached
	byDeadline bool
}

type mark struct {
	q     *request
	parks uint32 // 0: good while the request waits
}

func (m mark) stale() bool {
	return m.q.s.pending != m.q || m.parks != 0 && m.parks != m.q.parks
}

func (h *waitHeap) less(a, b mark) bool {
	if h.byDeadline && a.q.deadline != b.q.deadline {
		return a.q.deadline < b.q.deadline
	}
	return a.q.before(b.q)
}

func (h *waitHeap) push(m mark) {
	if len(h.marks) >= int(max(h.limit, 64)) {
		h.sweep()
	}
	h.marks = append(h.marks, m)
	h.up(len(h.marks) - 1)
}

// sweep drops stale marks. A sorted slice is a heap.
func (h *waitHeap) sweep() {
	h.marks = slices.DeleteFunc(h.marks, mark.stale)
	slices.SortFunc(h.marks, func(a, b mark) int {
		if h.less(a, b) {
			return -1
		}
		return 1
	})
	h.limit = int32(2 * len(h.marks))
}

func (h *waitHeap) up(i int) {
	for a := h.marks; i > 0; {
		p := (i - 1) / 2
		if !h.less(a[i], a[p]) {
			return
		}
		a[p], a[i] = a[i], a[p]
		i = p
	}
}

func (h *waitHeap) pop() {
	a := h.marks
	n := len(a) - 1
	a[0], a[n] = a[n], mark{}
	a = a[:n]
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && h.less(a[c+1], a[c]) {
			c++
		}
		if !h.less(a[c], a[i]) {
			break
		}
		a[i], a[c] = a[c], a[i]
		i = c
	}
	h.marks = a
}

// top drops stale marks and gives the first good one, or nil.
func (h *waitHeap) top() *request {
	for len(h.marks) > 0 {
		if m := h.marks[0]; !m.stale() {
			return m.q
		}
		h.pop()
	}
	return nil
}
