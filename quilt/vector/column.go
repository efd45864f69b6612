package vector

import (
	"encoding/json"
	"math/bits"
	"slices"
	"strings"
)

// kind of a metadata value.
type kind uint8

const (
	absent kind = iota
	null
	boolean
	number
	text
	list  // any of its members may match
	other // an object: it only exists
)

// cell is one value: a number, or the place of a text or list.
type cell struct {
	num  float64
	at   uint32
	kind kind
}

// column is one metadata field of all rows, made when it is first asked for.
type column struct {
	name  string
	cells []cell // by slot
	texts []string
	known map[string]uint32
	lists [][]cell
}

func newColumn(name string) *column { return &column{name: name, known: map[string]uint32{}} }

// set takes the field out of a row's metadata; nil: the row is gone.
func (c *column) set(slot int32, meta []byte) {
	for int(slot) >= len(c.cells) {
		c.cells = append(c.cells, cell{})
	}
	c.cells[slot] = cell{}
	var fields map[string]json.RawMessage
	if len(meta) <= 2 || json.Unmarshal(meta, &fields) != nil {
		return
	}
	raw, ok := fields[c.name]
	if !ok {
		return
	}
	var v any
	if json.Unmarshal(raw, &v) == nil {
		c.cells[slot] = c.cell(v)
	}
}

func (c *column) cell(v any) cell {
	switch v := v.(type) {
	case nil:
		return cell{kind: null}
	case bool:
		if v {
			return cell{kind: boolean, num: 1}
		}
		return cell{kind: boolean}
	case float64:
		return cell{kind: number, num: v}
	case string:
		at, ok := c.known[v]
		if !ok {
			at = uint32(len(c.texts))
			c.texts, c.known[v] = append(c.texts, v), at
		}
		return cell{kind: text, at: at}
	case []any:
		members := make([]cell, len(v))
		for i, m := range v {
			members[i] = c.cell(m)
		}
		c.lists = append(c.lists, members)
		return cell{kind: list, at: uint32(len(c.lists) - 1)}
	}
	return cell{kind: other}
}

// test makes a question of a condition, with texts looked up once.
func (c *column) test(op string, values []any) func(cell) bool {
	switch op {
	case "exists":
		want := values[0].(bool)
		return func(x cell) bool { return (x.kind != absent) == want }
	case "eq", "in":
		return c.any(c.among(values))
	case "ne", "nin":
		is := c.any(c.among(values))
		return func(x cell) bool { return !is(x) }
	}
	return c.any(c.beyond(op, values[0]))
}

// any asks a list's members.
func (c *column) any(is func(cell) bool) func(cell) bool {
	return func(x cell) bool {
		if x.kind != list {
			return is(x)
		}
		return slices.ContainsFunc(c.lists[x.at], func(m cell) bool { return m.kind != list && is(m) })
	}
}

func (c *column) among(values []any) func(cell) bool {
	set := make(map[cell]bool, len(values))
	for _, v := range values {
		if s, ok := v.(string); ok {
			if at, ok := c.known[s]; ok {
				set[cell{kind: text, at: at}] = true
			}
			continue
		}
		set[c.cell(v)] = true
	}
	if len(set) == 1 {
		for one := range set {
			return func(x cell) bool { return x == one }
		}
	}
	return func(x cell) bool { return set[x] }
}

// beyond compares numbers with numbers and texts with texts, by their bytes.
func (c *column) beyond(op string, than any) func(cell) bool {
	holds := map[string]func(int) bool{
		"gt": func(n int) bool { return n > 0 }, "gte": func(n int) bool { return n >= 0 },
		"lt": func(n int) bool { return n < 0 }, "lte": func(n int) bool { return n <= 0 },
	}[op]
	if s, ok := than.(string); ok {
		return func(x cell) bool { return x.kind == text && holds(strings.Compare(c.texts[x.at], s)) }
	}
	n := than.(float64)
	return func(x cell) bool {
		switch {
		case x.kind != number:
			return false
		case x.num < n:
			return holds(-1)
		case x.num > n:
			return holds(1)
		}
		return holds(0)
	}
}

// bitmap has one bit a slot.
type bitmap []uint64

func (b bitmap) has(i int) bool { return b[i>>6]&(1<<(i&63)) != 0 }

func (b bitmap) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

func (b bitmap) slots(n int) []int32 {
	out := make([]int32, 0, n)
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			out = append(out, int32(i<<6+bits.TrailingZeros64(w)))
		}
	}
	return out
}

// matching are the rows for which c holds; nil: all.
func (x *index) matching(c cond) bitmap {
	if c.empty() {
		return nil
	}
	out := x.eval(c)
	for slot, id := range x.ids {
		if id == 0 {
			out[slot>>6] &^= 1 << (slot & 63)
		}
	}
	return out
}

func (x *index) eval(c cond) bitmap {
	out := make(bitmap, (len(x.ids)+63)/64)
	switch {
	case c.not != nil:
		for i, w := range x.eval(*c.not) {
			out[i] = ^w
		}
		out.trim(len(x.ids))
	case c.or != nil:
		for _, sub := range c.or {
			for i, w := range x.eval(sub) {
				out[i] |= w
			}
		}
	case c.and != nil:
		for i := range out {
			out[i] = ^uint64(0)
		}
		out.trim(len(x.ids))
		for _, sub := range c.and {
			for i, w := range x.eval(sub) {
				out[i] &= w
			}
		}
	default:
		col := x.cols[c.field]
		test := col.test(c.op, c.values)
		for slot := range x.ids {
			v := cell{}
			if slot < len(col.cells) {
				v = col.cells[slot]
			}
			if test(v) {
				out[slot>>6] |= 1 << (slot & 63)
			}
		}
	}
	return out
}

func (b bitmap) trim(n int) {
	if n&63 != 0 && len(b) > 0 {
		b[len(b)-1] &= 1<<(n&63) - 1
	}
}
