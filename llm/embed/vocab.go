package embed

import (
	"math"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxTokens of a text; the rest is not read.
const maxTokens = 128

// vocab is the sorted list of pieces, searched where it lies.
type vocab struct {
	n                       int
	ids, scores, ends, text string
}

func (v vocab) piece(i int) string {
	from := uint32(0)
	if i > 0 {
		from = u32(v.ends, i-1)
	}
	return v.text[from:u32(v.ends, i)]
}

func (v vocab) id(i int) int { return int(v.ids[2*i]) | int(v.ids[2*i+1])<<8 }

func (v vocab) score(i int) float64 {
	return math.Float64frombits(uint64(u32(v.scores, 2*i)) | uint64(u32(v.scores, 2*i+1))<<32)
}

// prefixes calls found for every piece that s begins with, the shortest first.
func (v vocab) prefixes(s string, found func(length, i int)) {
	lo, hi := 0, v.n
	for end := 0; end < len(s) && lo < hi; {
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
		p := s[:end]
		lo += sort.Search(hi-lo, func(i int) bool { return v.piece(lo+i) >= p })
		hi = lo + sort.Search(hi-lo, func(i int) bool { return !strings.HasPrefix(v.piece(lo+i), p) })
		if lo < hi && v.piece(lo) == p {
			found(end, lo)
		}
	}
}

// encode is a unigram Viterbi search (Kudo 2018) with the ways of the original
// tokenizer: text is NFKC, a space is U+2581 and one stands before the text, a
// best score of 0 counts as unset, of equal scores the later wins, and
// neighbouring unknowns are one.
func (v vocab) encode(s string) []int {
	if s == "" {
		return nil
	}
	s = "\u2581" + strings.ReplaceAll(norm.NFKC.String(s), " ", "\u2581")
	if len(s) > 64*maxTokens { // no piece is that long, so what follows is cut off anyway
		s = strings.ToValidUTF8(s[:64*maxTokens], "")
	}
	n := len(s)
	best := make([]float64, n+1)
	from := make([]int, n+1)
	id := make([]int, n+1)
	type edge struct {
		from, id int
		score    float64
	}
	into := make([][]edge, n+1)
	for i := 0; i < n; {
		_, size := utf8.DecodeRuneInString(s[i:])
		known := false
		v.prefixes(s[i:], func(length, p int) {
			known = true
			into[i+length] = append(into[i+length], edge{i, v.id(p), v.score(p)})
		})
		if !known {
			into[i+size] = append(into[i+size], edge{i, 0, 0})
		}
		i += size
	}
	for end := 1; end <= n; end++ {
		for _, e := range into[end] {
			if sc := e.score + best[e.from]; best[end] == 0 || sc >= best[end] {
				best[end], id[end], from[end] = sc, e.id, e.from
			}
		}
	}
	var out []int
	for i := n; i > 0; i = from[i] {
		if id[i] == 0 && len(out) > 0 && out[len(out)-1] == 0 {
			continue
		}
		out = append(out, id[i])
	}
	slices.Reverse(out)
	return out[:min(len(out), maxTokens)]
}
