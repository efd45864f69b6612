package embed

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// The file is made by llm/embed/gen. It is read where it lies; nothing of it is copied
// to the heap but the small tensors.
//
//go:generate go run ./gen PACKAGE/dist use.bin

const magic = "ariause1"

// matrix is one tensor. Of a large one, value (r, c) is scale[r] * q[r*cols+c]
// with q a signed byte; of a small one, f holds the values.
type matrix struct {
	rows, cols int
	scale      []float32
	q          string
	f          []float32
}

type file struct {
	tensors map[string]matrix
	vocab   vocab
}

func open(b string) (*file, error) {
	if len(b) < len(magic)+4 || b[:len(magic)] != magic {
		return nil, errors.New("embedding file: not one")
	}
	b = b[len(magic):]
	n := int(binary.LittleEndian.Uint32([]byte(b[:4])))
	if n > len(b)-4 {
		return nil, errors.New("embedding file: cut short")
	}
	var h struct {
		Tensors map[string]struct {
			Rows, Cols, At int
			Int8           bool
		}
		Pieces, Ids, Scores, Ends, Text int
	}
	if err := json.Unmarshal([]byte(b[4:4+n]), &h); err != nil {
		return nil, fmt.Errorf("embedding file: %w", err)
	}
	data := b[4+n:]
	f := &file{tensors: map[string]matrix{}}
	for name, t := range h.Tensors {
		m := matrix{rows: t.Rows, cols: t.Cols}
		if t.Int8 {
			m.scale = floats(data[t.At:], t.Rows)
			at := t.At + 4*t.Rows
			m.q = data[at : at+t.Rows*t.Cols]
		} else {
			m.f = floats(data[t.At:], t.Rows*t.Cols)
		}
		f.tensors[name] = m
	}
	f.vocab = vocab{n: h.Pieces, ids: data[h.Ids:], scores: data[h.Scores:], ends: data[h.Ends:], text: data[h.Text:]}
	return f, nil
}

func floats(b string, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(u32(b, i))
	}
	return out
}

// u32 is the i-th little-endian number.
func u32(b string, i int) uint32 {
	b = b[4*i : 4*i+4]
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
