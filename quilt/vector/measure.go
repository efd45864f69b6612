package vector

import (
	"encoding/binary"
	"math"
	"slices"
)

// What is measured, and on how many vectors of the store.
const (
	measureFrom = 2000 // rows; fewer need few candidates anyway
	samples     = 24
	answers     = 10
	aim         = 0.995 // of the true answers are among the candidates
	margin      = 2     // questions are not quite like documents
)

func floatAt(b []byte, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
}

// measure finds out on vectors of the store itself how many candidates a search
// needs: their true neighbours are looked up one by one, and then where the codes
// place those. It goes in small steps, so that searches pass between them.
func (e *entry) measure() {
	e.mu.RLock()
	n := len(e.idx.ids)
	e.mu.RUnlock()
	if n < measureFrom {
		return
	}
	asked := e.sample(n)
	best := make([]top, len(asked))
	for at := 0; at < n; at += 2048 {
		if !e.compare(asked, best, at, min(at+2048, n)) {
			return
		}
	}
	ranks := e.ranks(asked, best)
	if len(ranks) == 0 {
		return
	}
	slices.Sort(ranks)
	want := margin * ranks[min(len(ranks)-1, int(float64(len(ranks))*aim))]
	e.mu.Lock()
	defer e.mu.Unlock()
	e.idx.want = max(want, 16*answers)
}

// asked is a vector of the store that plays a question.
type asked struct {
	id int64
	v  []float32
}

func (e *entry) sample(n int) (out []asked) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return nil
	}
	for i := range samples {
		slot := i * n / samples
		buf := make([]byte, 4*e.idx.dims)
		if _, err := e.idx.file.ReadAt(buf, int64(slot)*int64(len(buf))); err != nil || e.idx.ids[slot] == 0 {
			continue
		}
		out = append(out, asked{e.idx.ids[slot], fromBytes(buf)})
	}
	return out
}

// compare adds slots from to to; false: the index is gone.
func (e *entry) compare(questions []asked, best []top, from, to int) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return false
	}
	err := e.idx.each(from, min(to, len(e.idx.ids)), func(slot int32, v []byte) {
		id := e.idx.ids[slot]
		for i, q := range questions {
			best[i].k = answers
			if id != 0 && id != q.id {
				best[i].add(scored{id, dotBytes(v, q.v)})
			}
		}
	})
	return err == nil
}

// ranks are the places of the true neighbours when rows are ordered by code.
func (e *entry) ranks(questions []asked, best []top) (out []int) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return nil
	}
	x := e.idx
	dist, code := make([]uint16, len(x.ids)), make([]uint64, x.words)
	for i, q := range questions {
		encode(code, q.v, x.mean)
		distances(dist, x.codes, code)
		upTo := make([]int, x.words*64+2) // rows at a distance below
		for _, d := range dist {
			upTo[d+1]++
		}
		for d := 1; d < len(upTo); d++ {
			upTo[d] += upTo[d-1]
		}
		for _, n := range best[i].list {
			if slot, ok := x.slots[n.id]; ok {
				out = append(out, upTo[dist[slot]+1])
			}
		}
	}
	return out
}
