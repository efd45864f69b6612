// Package embed turns a sentence into a vector of 512 numbers, offline and in
// pure Go: the Universal Sentence Encoder Lite, English, with int8 weights that
// lie in the program, in the boot image beside it (see NOTICE). Near meanings have near vectors.
//
// It holds no index and compares nothing. At rest it holds a few kilobytes; the
// vectors of recent texts are kept for a minute after the last use.
package embed

import (
	"math"
	"slices"
	"sync"
	"time"
)

// Size of a vector.
const Size = 512

const (
	width   = 256             // of a token before the first layer
	keep    = 512             // vectors that are kept, 2 KiB each
	keepFor = 1 * time.Minute // after the last use
)

// Encoder may be used from many goroutines at once.
type Encoder struct {
	open func() (*file, error) // once, at first use

	mu     sync.Mutex // guards what follows
	recent map[string][]float32
	forget *time.Timer
}

// New makes an encoder. The model is looked at when it is first used.
func New() *Encoder {
	return &Encoder{open: sync.OnceValues(func() (*file, error) {
		b, err := model()
		if err != nil {
			return nil, err
		}
		return open(b)
	})}
}

// Embed gives the vector of a text, of length 1, or all zero for an empty text.
// Only the first 128 pieces count. The same text always gives the same vector;
// the caller must not change it.
func (e *Encoder) Embed(text string) ([]float32, error) {
	if v, ok := e.recall(text); ok {
		return v, nil
	}
	f, err := e.open()
	if err != nil {
		return nil, err
	}
	v := f.embed(text)
	e.remember(text, v)
	return v, nil
}

func (e *Encoder) recall(text string) ([]float32, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	v, ok := e.recent[text]
	return v, ok
}

func (e *Encoder) remember(text string, v []float32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(text) > 4096 {
		return
	}
	if e.recent == nil || len(e.recent) >= keep {
		e.recent = map[string][]float32{}
	}
	e.recent[text] = v
	if e.forget == nil {
		e.forget = time.AfterFunc(keepFor, e.drop)
	}
	e.forget.Reset(keepFor)
}

func (e *Encoder) drop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recent, e.forget = nil, nil
}

// embed is the whole network: two transformer layers over the pieces, their
// mean, one dense layer with tanh, made length 1.
func (f *file) embed(text string) []float32 {
	ids := f.vocab.encode(text)
	if len(ids) == 0 {
		return make([]float32, Size)
	}
	x := f.input(ids)
	// The first layer widens, so its residual goes through a dense layer.
	residual := f.dense(x, "Layer_0/dense")
	x = plus(f.attention(x, "Layer_0"), residual)
	x = plus(f.feedForward(x, "Layer_0"), x)
	x = plus(f.attention(x, "Layer_1"), x)
	x = plus(f.feedForward(x, "Layer_1"), x)

	mean := newRows(1, x.cols)
	for i := range x.n {
		for j, v := range x.row(i) {
			mean.v[j] += v / float32(x.n)
		}
	}
	out := times(mean, f.tensors["hidden_layers/tanh_layer_0/weights"], f.tensors["hidden_layers/tanh_layer_0/bias"].f).v
	var sum float64
	for i, v := range out {
		out[i] = float32(math.Tanh(float64(v)))
		sum += float64(out[i]) * float64(out[i])
	}
	scale := float32(1 / math.Sqrt(max(sum, 1e-12)))
	for i := range out {
		out[i] *= scale
	}
	return slices.Clip(out)
}

// input is twice the embedding (the graph adds the signal onto a copy) and the
// sinusoids of the position.
func (f *file) input(ids []int) rows {
	table, rate := f.tensors["Embeddings_en"], f.tensors["Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1"].f
	x := newRows(len(ids), width)
	for i, id := range ids {
		row, q, s := x.row(i), table.q[id*width:(id+1)*width], 2*table.scale[id]
		for k := range row {
			row[k] = s * float32(int8(q[k]))
		}
		for k, r := range rate {
			angle := float64(float32(i) * r)
			row[k] += float32(math.Sin(angle))
			row[len(rate)+k] += float32(math.Cos(angle))
		}
	}
	return x
}

func (f *file) attention(x rows, layer string) rows {
	y := normed(x, f.tensors[layer+"/norm_scale"].f, f.tensors[layer+"/norm_bias"].f)
	qkv := f.dense(y, layer+"/MultiheadAttention/qkv_transform_single")
	return f.dense(attend(qkv), layer+"/MultiheadAttention/output_transform_single")
}

func (f *file) feedForward(x rows, layer string) rows {
	y := normed(x, f.tensors[layer+"/FFN/norm_scale"].f, f.tensors[layer+"/FFN/norm_bias"].f)
	h := times(y, f.tensors[layer+"/FFN/conv1"], f.tensors[layer+"/FFN/conv1/bias"].f)
	for i, v := range h.v {
		h.v[i] = max(0, v)
	}
	return times(h, f.tensors[layer+"/FFN/conv2"], f.tensors[layer+"/FFN/conv2/bias"].f)
}

func (f *file) dense(x rows, name string) rows {
	return times(x, f.tensors[name+"/kernel"], f.tensors[name+"/bias"].f)
}
