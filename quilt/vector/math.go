package vector

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// unit reads a vector as it came and makes it length 1.
func unit(b []byte, id string) ([]float32, error) {
	if len(b)%4 != 0 || len(b) > 4*maxDims {
		return nil, fault.New(fault.Invalid, "the vector of %q is not 1 to %d float32 numbers", id, maxDims).WithHint("use the vector handle of @aria/sdk")
	}
	v := fromBytes(b)
	n := length(v)
	if n == 0 || math.IsNaN(n) || math.IsInf(n, 0) {
		return nil, fault.New(fault.Invalid, "the vector of %q is all zero, or not all of it are numbers", id).
			WithHint("nearness is an angle, and such a vector has none")
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / n)
	}
	return v, nil
}

func length(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

func fromBytes(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

func toBytes(v []float32) []byte {
	b := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
	}
	return b
}

// dotBytes is the product of a vector as it lies in a file with q. Four sums
// keep the processor's adders busy.
func dotBytes(b []byte, q []float32) float32 {
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(q) && 4*i+16 <= len(b); i += 4 {
		part, with := b[4*i:4*i+16:4*i+16], q[i:i+4:i+4]
		s0 += math.Float32frombits(binary.LittleEndian.Uint32(part[0:])) * with[0]
		s1 += math.Float32frombits(binary.LittleEndian.Uint32(part[4:])) * with[1]
		s2 += math.Float32frombits(binary.LittleEndian.Uint32(part[8:])) * with[2]
		s3 += math.Float32frombits(binary.LittleEndian.Uint32(part[12:])) * with[3]
	}
	for ; i < len(q); i++ {
		s0 += math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])) * q[i]
	}
	return s0 + s1 + s2 + s3
}

// encode writes one bit a number: is it above the mean? Vectors that point the
// same way have most bits in common.
func encode(code []uint64, v, mean []float32) {
	clear(code)
	for i, x := range v {
		if x > mean[i] {
			code[i>>6] |= 1 << (i & 63)
		}
	}
}

// distances writes how many bits each code differs from q in. The two common
// sizes are written out.
func distances(out []uint16, codes, q []uint64) {
	switch w := len(q); w {
	case 6: // 384
		q0, q1, q2, q3, q4, q5 := q[0], q[1], q[2], q[3], q[4], q[5]
		for i := range out {
			c := codes[6*i : 6*i+6 : 6*i+6]
			out[i] = uint16(bits.OnesCount64(c[0]^q0) + bits.OnesCount64(c[1]^q1) + bits.OnesCount64(c[2]^q2) +
				bits.OnesCount64(c[3]^q3) + bits.OnesCount64(c[4]^q4) + bits.OnesCount64(c[5]^q5))
		}
	case 8: // 512
		q0, q1, q2, q3, q4, q5, q6, q7 := q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7]
		for i := range out {
			c := codes[8*i : 8*i+8 : 8*i+8]
			out[i] = uint16(bits.OnesCount64(c[0]^q0) + bits.OnesCount64(c[1]^q1) + bits.OnesCount64(c[2]^q2) + bits.OnesCount64(c[3]^q3) +
				bits.OnesCount64(c[4]^q4) + bits.OnesCount64(c[5]^q5) + bits.OnesCount64(c[6]^q6) + bits.OnesCount64(c[7]^q7))
		}
	default:
		for i := range out {
			n := 0
			for j, c := range codes[w*i : w*i+w] {
				n += bits.OnesCount64(c ^ q[j])
			}
			out[i] = uint16(n)
		}
	}
}
