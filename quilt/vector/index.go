package vector

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// index finds near vectors. In memory it has one bit a number (the code); the
// numbers themselves lie in a file without a name, which the kernel keeps in its
// page cache as far as there is room. A search compares all codes, and then the
// numbers of the best.
type index struct {
	dims, words int
	mean        []float32
	file        *os.File // slot after slot, dims float32 each

	ids   []int64  // by slot; 0: free
	codes []uint64 // by slot, words each
	slots map[int64]int32
	free  []int32
	cols  map[string]*column // of metadata fields that were asked for

	want int // candidates that ten answers need; 0: not measured
}

// scored is one found row.
type scored struct {
	id    int64
	score float32
}

const (
	small     = 1000 // rows that are compared one by one
	guess     = 640  // candidates while nothing was measured
	chunkSize = 256 << 10
)

func newIndex(dims int, folder string) (*index, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(folder, "vectors")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil { // nothing is left of it, however we end
		f.Close()
		return nil, err
	}
	return &index{
		dims: dims, words: (dims + 63) / 64, mean: make([]float32, dims), file: f,
		slots: map[int64]int32{}, cols: map[string]*column{},
	}, nil
}

// bytes is about what the index takes of memory.
func (x *index) bytes() int64 {
	n := int64(len(x.ids)) * sizeOfRow(x.dims)
	for _, c := range x.cols {
		n += int64(len(c.cells)) * 16
	}
	return n
}

func sizeOfRow(dims int) int64 { return int64((dims+63)/64)*8 + 40 }

// put adds a row or writes over it. v is as it lies in the file.
func (x *index) put(id int64, v []byte) error {
	slot, ok := x.slots[id]
	if !ok {
		if n := len(x.free); n > 0 {
			slot, x.free = x.free[n-1], x.free[:n-1]
		} else {
			slot = int32(len(x.ids))
			x.ids = append(x.ids, 0)
			x.codes = append(x.codes, make([]uint64, x.words)...)
		}
	}
	if _, err := x.file.WriteAt(v, int64(slot)*int64(4*x.dims)); err != nil {
		return fmt.Errorf("vector file: %w", err)
	}
	x.ids[slot], x.slots[id] = id, slot
	encode(x.code(slot), fromBytes(v), x.mean)
	return nil
}

func (x *index) code(slot int32) []uint64 {
	return x.codes[int(slot)*x.words : (int(slot)+1)*x.words]
}

func (x *index) remove(id int64) {
	slot, ok := x.slots[id]
	if !ok {
		return
	}
	delete(x.slots, id)
	x.ids[slot] = 0
	x.free = append(x.free, slot)
	for _, c := range x.cols {
		c.set(slot, nil)
	}
}

// candidates is how many codes are worth a look for k answers.
func (x *index) candidates(k int) int {
	want := x.want
	if want == 0 {
		want = guess
	}
	return max(want*max(k, 10)/10, 16*k)
}

// near finds the k nearest rows among those in pass; nil: among all.
func (x *index) near(q []float32, k int, pass bitmap) ([]scored, error) {
	if pass == nil && len(x.slots) <= small {
		return x.all(q, k)
	}
	slots := x.candidatesOf(q, k, pass)
	best := top{k: k}
	buf := make([]byte, 4*x.dims)
	for _, slot := range slots {
		if _, err := x.file.ReadAt(buf, int64(slot)*int64(len(buf))); err != nil {
			return nil, fmt.Errorf("vector file: %w", err)
		}
		best.add(scored{x.ids[slot], dotBytes(buf, q)})
	}
	return best.list, nil
}

// all compares every row, reading the file from end to end.
func (x *index) all(q []float32, k int) ([]scored, error) {
	best := top{k: k}
	err := x.each(0, len(x.ids), func(slot int32, v []byte) {
		if x.ids[slot] != 0 {
			best.add(scored{x.ids[slot], dotBytes(v, q)})
		}
	})
	return best.list, err
}

// each goes through the numbers of slots from (inclusive) to (exclusive).
func (x *index) each(from, to int, f func(slot int32, v []byte)) error {
	size := 4 * x.dims
	buf := make([]byte, max(1, chunkSize/size)*size)
	for at := from; at < to; at += len(buf) / size {
		part := buf[:min(len(buf), (to-at)*size)]
		if _, err := x.file.ReadAt(part, int64(at)*int64(size)); err != nil && err != io.EOF {
			return fmt.Errorf("vector file: %w", err)
		}
		for i := 0; i < len(part)/size; i++ {
			f(int32(at+i), part[i*size:(i+1)*size])
		}
	}
	return nil
}

var scratch = sync.Pool{New: func() any { return new([]uint16) }}

// candidatesOf are the slots whose codes are nearest to that of q, in order.
func (x *index) candidatesOf(q []float32, k int, pass bitmap) []int32 {
	want := x.candidates(k)
	if pass != nil {
		if n := pass.count(); n <= max(want, small) {
			return pass.slots(n)
		}
	}
	held := scratch.Get().(*[]uint16)
	defer scratch.Put(held)
	if cap(*held) < len(x.ids) {
		*held = make([]uint16, len(x.ids))
	}
	dist := (*held)[:len(x.ids)]
	code := make([]uint64, x.words)
	encode(code, q, x.mean)
	distances(dist, x.codes, code)
	limit, within := x.limit(dist, want, pass)
	out := make([]int32, 0, within)
	for i, d := range dist {
		if int(d) <= limit && len(out) < within && x.ids[i] != 0 && (pass == nil || pass.has(i)) {
			out = append(out, int32(i))
		}
	}
	return out
}

// limit is the distance within which at least want rows lie, and how many to
// take: of very many at the same distance only some.
func (x *index) limit(dist []uint16, want int, pass bitmap) (limit, take int) {
	hist := make([]int, x.words*64+1)
	for i, d := range dist {
		if x.ids[i] != 0 && (pass == nil || pass.has(i)) {
			hist[d]++
		}
	}
	sum := 0
	for limit = range hist {
		if sum += hist[limit]; sum >= want {
			break
		}
	}
	return limit, min(sum, 4*want)
}

// top keeps the k best, best first; of equals the older row.
type top struct {
	k    int
	list []scored
}

func (t *top) add(s scored) {
	if len(t.list) == t.k && s.score <= t.list[t.k-1].score {
		return
	}
	at, _ := slices.BinarySearchFunc(t.list, s, func(a, b scored) int {
		if a.score > b.score || a.score == b.score && a.id < b.id {
			return -1
		}
		return 1
	})
	if len(t.list) == t.k {
		t.list = t.list[:t.k-1]
	}
	t.list = slices.Insert(t.list, at, s)
}
