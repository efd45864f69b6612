// Package find says which of many tools fit a request in words. Two views of each
// tool are joined: how near its description is in meaning, and how much of what
// the request says it says too, rare words counting more.
//
// It asks no model and keeps nothing but the vectors of descriptions it has seen.
// The same request over the same tools always gives the same answer.
package find

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/ariacomputecompany/firmware/llm/words"
)

// Doc is one tool as it is found.
type Doc struct {
	Name string // "orders.get"
	Text string // its description
}

// Hit is a tool that was found. Scores only compare within one answer.
type Hit struct {
	At    int // in the list that was searched
	Score float64
}

// Index may be used from many goroutines at once.
type Index struct {
	embed func(text string) ([]float32, error)
	keep  Keep

	mu   sync.Mutex
	seen map[string][]int8 // vectors of sentences, a byte for each number
}

// maxSeen bounds the sentences that are remembered, half a KiB each.
const maxSeen = 40_000

// Keep outlives an index: making a vector takes milliseconds.
type Keep interface {
	Load(sentence string) []byte // nil: not there
	Save(sentence string, vector []byte)
}

// New makes an index. embed gives vectors of length 1; keep may be nil.
func New(embed func(text string) ([]float32, error), keep Keep) *Index {
	return &Index{embed: embed, keep: keep, seen: map[string][]int8{}}
}

// How much each view counts.
const (
	weightField      = 1.0  // the field it is about, in meaning
	weightFieldWords = 0.6  // the same, in words
	weightAction     = 0.35 // what it does there, by its verb
	weightNear       = 1.2  // what it does there, in meaning
	weightWords      = 0.3  // words in common
)

// tool is one that is looked at.
type tool struct {
	field string // "orders" of "orders.get"
	verb  string
	does  string // the first sentence of its description
	about string // the rest
	terms terms
}

type terms struct {
	n      map[string]float64 // by stem
	length float64
}

// Search gives the n tools that fit best, the best first; equal ones by name.
func (x *Index) Search(ctx context.Context, docs []Doc, request string, n int) ([]Hit, error) {
	asked, err := x.embed(request)
	if err != nil {
		return nil, fmt.Errorf("embed request: %w", err)
	}
	tools := make([]tool, len(docs))
	does, about := make([]float64, len(docs)), make([]float64, len(docs))
	for i, d := range docs {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		t := open(d)
		if does[i], err = x.near(asked, t.does); err != nil {
			return nil, err
		}
		if about[i], err = x.near(asked, t.about); err != nil {
			return nil, err
		}
		tools[i] = t
	}
	hits := rank(tools, does, about, request)
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(docs[a.At].Name, docs[b.At].Name))
	})
	return hits[:min(n, len(hits))], nil
}

// Learn makes what a search needs to know of a tool, and says how many sentences
// it had not seen.
func (x *Index) Learn(ctx context.Context, d Doc) (made int, err error) {
	t := open(d)
	for _, s := range []string{t.does, t.about} {
		if ctx.Err() != nil {
			return made, context.Cause(ctx)
		}
		fresh, err := x.learn(s)
		if err != nil {
			return made, err
		}
		if fresh {
			made++
		}
	}
	return made, nil
}

// rank joins the views. Tools with one name before the last dot are about one
// field: which field is meant and what is to be done in it are judged apart, for
// in meaning a field outweighs what is done.
func rank(tools []tool, does, about []float64, request string) []Hit {
	said := telling(request)
	inWords := lexical(said, tools)
	wanted := words.ActionsIn(request)
	type field struct{ n, does, about, words float64 }
	fields := map[string]*field{}
	for i, t := range tools {
		f := fields[t.field]
		if f == nil {
			f = &field{}
			fields[t.field] = f
		}
		f.n++
		f.does += does[i]
		f.about = max(f.about, about[i])
		f.words += inWords[i]
	}
	top := 0.0
	for _, f := range fields {
		top = max(top, f.words/f.n)
	}
	hits := make([]Hit, len(tools))
	for i, t := range tools {
		f := fields[t.field]
		mean := f.does / f.n
		score := weightField*max(mean, f.about) + weightNear*(does[i]-mean) + weightWords*inWords[i]
		if top > 0 {
			score += weightFieldWords * f.words / f.n / top
		}
		action := 0.0
		for _, a := range words.ActionsOf(t.verb) {
			action = max(action, wanted[a])
		}
		hits[i] = Hit{i, score + weightAction*action}
	}
	return hits
}

// common words say nothing of a field.
var common = stems(`have has had who whom what which where when why how there here some somebody someone something any anybody
	again now one two no yes not all every each other another very much many more most less than too also only own may might
	must need want like know say said tell go come get got give given take make made let put see look him her his she he they them
	their themselves about after before over under up down out off back way thing things time day away still yet already`)

func stems(list string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(list) {
		m[words.Stem(w)] = true
	}
	return m
}

// telling are the stems of the words that say something.
func telling(text string) []string {
	var out []string
	for _, w := range words.Tokens(strings.NewReplacer("to-do", "todo").Replace(strings.ToLower(text))) {
		if !common[w] {
			out = append(out, words.Stem(w))
		}
	}
	return out
}

func open(d Doc) tool {
	t := tool{field: d.Name}
	if i := strings.LastIndexByte(d.Name, '.'); i > 0 {
		t.field = d.Name[:i]
	}
	name := words.Split(strings.TrimPrefix(d.Name[min(len(t.field), len(d.Name)):], "."))
	if t.field == d.Name {
		name = words.Split(d.Name)
	}
	if len(name) > 0 {
		t.verb = name[0]
	}
	spelt := strings.Join(words.Split(d.Name), " ")
	t.does, t.about = sentences(d.Text, spelt)
	t.terms.n = map[string]float64{}
	for _, w := range telling(spelt + " " + d.Text) {
		t.terms.n[w]++
		t.terms.length++
	}
	return t
}

// sentences takes the first one off.
func sentences(text, otherwise string) (first, rest string) {
	first = strings.TrimSpace(text)
	if i := strings.IndexAny(first, "\n"); i >= 0 {
		first, rest = first[:i], first[i:]
	}
	if i := strings.Index(first, ". "); i > 0 {
		first, rest = first[:i], first[i+2:]+rest
	}
	return cmp.Or(first, otherwise), strings.TrimSpace(rest)
}

// near is how near a sentence is to what was asked, in meaning.
func (x *Index) near(asked []float32, sentence string) (float64, error) {
	if sentence == "" {
		return 0, nil
	}
	v, _, err := x.vector(sentence)
	if err != nil {
		return 0, err
	}
	return cosine(asked, v), nil
}

// learn says whether the sentence was new.
func (x *Index) learn(sentence string) (fresh bool, err error) {
	if sentence == "" {
		return false, nil
	}
	_, fresh, err = x.vector(sentence)
	return fresh, err
}

// vector is a sentence's; fresh says that it was not in memory.
func (x *Index) vector(sentence string) (v []int8, fresh bool, err error) {
	x.mu.Lock()
	v = x.seen[sentence]
	x.mu.Unlock()
	if v != nil {
		return v, false, nil
	}
	if v, err = x.make(sentence); err != nil {
		return nil, true, fmt.Errorf("embed %.60q: %w", sentence, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.seen) >= maxSeen {
		clear(x.seen)
	}
	x.seen[sentence] = v
	return v, true, nil
}

func (x *Index) make(sentence string) ([]int8, error) {
	if x.keep != nil {
		if raw := x.keep.Load(sentence); raw != nil {
			out := make([]int8, len(raw))
			for i, b := range raw {
				out[i] = int8(b)
			}
			return out, nil
		}
	}
	f, err := x.embed(sentence)
	if err != nil {
		return nil, err
	}
	v := quantize(f)
	if x.keep != nil {
		raw := make([]byte, len(v))
		for i, b := range v {
			raw[i] = byte(b)
		}
		x.keep.Save(sentence, raw)
	}
	return v, nil
}

// quantize keeps a vector of length 1 in a byte for each number.
func quantize(v []float32) []int8 {
	out := make([]int8, len(v))
	for i, f := range v {
		out[i] = int8(max(-127, min(127, math.Round(float64(f)*512))))
	}
	return out
}

func cosine(a []float32, b []int8) float64 {
	var s, n float64
	for i := range min(len(a), len(b)) {
		s += float64(a[i]) * float64(b[i])
		n += float64(b[i]) * float64(b[i])
	}
	if n == 0 {
		return 0
	}
	return s / math.Sqrt(n)
}

// lexical is BM25 over the tools, from 0 to 1.
func lexical(asked []string, tools []tool) []float64 {
	out := make([]float64, len(tools))
	df, mean := map[string]float64{}, 0.0
	for _, t := range tools {
		mean += t.terms.length / float64(len(tools))
		for w := range t.terms.n {
			df[w]++
		}
	}
	slices.Sort(asked)
	asked = slices.Compact(asked)
	best := 0.0
	for i, t := range tools {
		for _, w := range asked {
			out[i] += bm25(t.terms, w, df[w], mean, float64(len(tools)))
		}
		best = max(best, out[i])
	}
	if best > 0 {
		for i := range out {
			out[i] /= best
		}
	}
	return out
}

// bm25 is one word's share, after Robertson and Zaragoza (2009).
func bm25(t terms, w string, df, mean, n float64) float64 {
	const k1, b = 1.2, 0.6
	tf := t.n[w]
	if tf == 0 {
		return 0
	}
	idf := math.Log(1 + (n-df+0.5)/(df+0.5))
	return idf * tf * (k1 + 1) / (tf + k1*(1-b+b*t.length/mean))
}
