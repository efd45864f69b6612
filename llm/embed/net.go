package embed

import "math"

// rows is a matrix of activations, one row a token.
type rows struct {
	n, cols int
	v       []float32
}

func newRows(n, cols int) rows { return rows{n, cols, make([]float32, n*cols)} }

func (r rows) row(i int) []float32 { return r.v[i*r.cols : (i+1)*r.cols : (i+1)*r.cols] }

// times is x·w + bias. Four rows of w at a time are turned into floats and used
// for every token while they are in the nearest cache, so the weights are read
// once and stay bytes.
func times(x rows, w matrix, bias []float32) rows {
	out := newRows(x.n, w.cols)
	for i := range x.n {
		copy(out.row(i), bias)
	}
	block := make([]float32, 4*w.cols)
	c := w.cols
	for k := 0; k < w.rows; k += 4 {
		loadBlock(block, w, k)
		b0, b1, b2, b3 := block[:c:c], block[c:2*c:2*c], block[2*c:3*c:3*c], block[3*c:4*c:4*c]
		i := 0
		for ; i+1 < x.n; i += 2 {
			pair(out.row(i), out.row(i+1), x.row(i)[k:k+4], x.row(i + 1)[k:k+4], b0, b1, b2, b3)
		}
		if i < x.n {
			single(out.row(i), x.row(i)[k:k+4], b0, b1, b2, b3)
		}
	}
	return out
}

// loadBlock turns rows k to k+3 into floats. All row counts divide by 4.
func loadBlock(block []float32, w matrix, k int) {
	c := w.cols
	for r := range 4 {
		s, q, dst := w.scale[k+r], w.q[(k+r)*c:(k+r+1)*c], block[r*c:(r+1)*c]
		for j := range dst {
			dst[j] = s * float32(int8(q[j]))
		}
	}
}

func pair(o, p, x, y, b0, b1, b2, b3 []float32) {
	x0, x1, x2, x3 := x[0], x[1], x[2], x[3]
	y0, y1, y2, y3 := y[0], y[1], y[2], y[3]
	p, b0, b1, b2, b3 = p[:len(o)], b0[:len(o)], b1[:len(o)], b2[:len(o)], b3[:len(o)]
	for j := range o {
		w0, w1, w2, w3 := b0[j], b1[j], b2[j], b3[j]
		o[j] += (x0*w0 + x1*w1) + (x2*w2 + x3*w3)
		p[j] += (y0*w0 + y1*w1) + (y2*w2 + y3*w3)
	}
}

func single(o, x, b0, b1, b2, b3 []float32) {
	x0, x1, x2, x3 := x[0], x[1], x[2], x[3]
	b0, b1, b2, b3 = b0[:len(o)], b1[:len(o)], b2[:len(o)], b3[:len(o)]
	for j := range o {
		o[j] += (x0*b0[j] + x1*b1[j]) + (x2*b2[j] + x3*b3[j])
	}
}

// normed is layer normalisation with eps 1e-6.
func normed(x rows, gain, bias []float32) rows {
	out := newRows(x.n, x.cols)
	for i := range x.n {
		src, dst := x.row(i), out.row(i)
		var mean, variance float64
		for _, v := range src {
			mean += float64(v)
		}
		mean /= float64(x.cols)
		for _, v := range src {
			variance += (float64(v) - mean) * (float64(v) - mean)
		}
		s := 1 / math.Sqrt(variance/float64(x.cols)+1e-6)
		for j, v := range src {
			dst[j] = float32((float64(v)-mean)*s)*gain[j] + bias[j]
		}
	}
	return out
}

func plus(a, b rows) rows {
	for i, v := range b.v {
		a.v[i] += v
	}
	return a
}

const heads = 4

// attend is self-attention over queries, keys and values side by side in qkv.
func attend(qkv rows) rows {
	d := qkv.cols / 3
	each := d / heads
	scale := float32(1 / math.Sqrt(float64(each)))
	out := newRows(qkv.n, d)
	p := make([]float64, qkv.n)
	for h := range heads {
		for i := range qkv.n {
			q := qkv.row(i)[h*each : (h+1)*each]
			top := math.Inf(-1)
			for j := range p {
				key := qkv.row(j)[d+h*each : d+(h+1)*each]
				var s float32
				for k := range q {
					s += q[k] * scale * key[k]
				}
				p[j] = float64(s)
				top = max(top, p[j])
			}
			var sum float64
			for j := range p {
				p[j] = math.Exp(p[j] - top)
				sum += p[j]
			}
			dst := out.row(i)[h*each : (h+1)*each]
			for j := range p {
				w, val := float32(p[j]/sum), qkv.row(j)[2*d+h*each:2*d+(h+1)*each]
				for k := range dst {
					dst[k] += w * val[k]
				}
			}
		}
	}
	return out
}
