package local

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/words"
)

// enum finds the one listed word the text says. For a required one the embedder
// may find the nearest, if it is near.
func (f *filler) enum(s llm.Schema, required bool) (any, bool) {
	list, _ := s.Node["enum"].([]any)
	said := words.Tokens(f.text.rest())
	var found []string
	for _, x := range list {
		w, ok := x.(string)
		if !ok || w == "" {
			continue
		}
		all := true
		for _, part := range words.Tokens(w) {
			all = all && slices.Contains(said, part)
		}
		if all && len(words.Tokens(w)) > 0 {
			found = append(found, w)
		}
	}
	if len(found) == 1 {
		return found[0], true
	}
	if len(found) > 1 || !required || f.planner.embed == nil {
		return nil, false
	}
	return f.nearest(list)
}

// nearest compares every word of the text with every listed word.
func (f *filler) nearest(list []any) (any, bool) {
	const near, apart = 0.75, 0.05
	rest := words.Split(f.text.rest())
	if len(rest) > 40 || len(list) > 40 {
		return nil, false // each pair costs; a long text says it plainly or not at all
	}
	var best, second float64
	var word any
	for _, x := range list {
		w, ok := x.(string)
		if !ok {
			continue
		}
		v, err := f.planner.embed(w)
		if err != nil {
			return nil, false
		}
		var top float64
		for _, said := range rest {
			if u, err := f.planner.embed(said); err == nil && !words.Silent[said] {
				top = max(top, dot(u, v))
			}
		}
		if top > best {
			best, second, word = top, best, x
		} else {
			second = max(second, top)
		}
	}
	return word, best >= near && best-second >= apart
}

// list reads quoted texts, or numbers, into an array.
func (f *filler) list(s llm.Schema) (any, bool) {
	items := s.At(s.Node["items"])
	var out []any
	for {
		var v any
		var ok bool
		switch {
		case items.Is("string"):
			if v, ok = f.text.take(quoted); !ok {
				v, ok = f.text.id()
			}
		case items.Is("number"), items.Is("integer"):
			v, ok = f.text.number(items)
		}
		if !ok {
			return out, len(out) > 0
		}
		out = append(out, v)
	}
}

// value reads what stands at a place of the text as the schema wants it.
func (f *filler) value(s llm.Schema, at int) (any, bool) {
	word, from, to := f.text.word(at)
	if word == "" {
		return nil, false
	}
	var v any
	switch {
	case s.Node["enum"] != nil:
		list, _ := s.Node["enum"].([]any)
		i := slices.IndexFunc(list, func(x any) bool { w, ok := x.(string); return ok && strings.EqualFold(w, word) })
		if i < 0 {
			return nil, false
		}
		v = list[i]
	case s.Is("integer"), s.Is("number"):
		n, ok := numberOf(word)
		if !ok || !s.Fits(n) {
			return nil, false
		}
		v = n
	case s.Is("string"):
		if words.Silent[strings.ToLower(word)] || !f.text.suits(s, word) {
			return nil, false
		}
		v = strings.TrimPrefix(word, "#")
	default:
		return nil, false
	}
	f.text.use(from, to)
	return v, true
}

func numberOf(word string) (json.Number, bool) {
	word = strings.Trim(word, "$€£,.")
	if n, ok := numerals[strings.ToLower(word)]; ok {
		return n, true
	}
	word = strings.ReplaceAll(word, ",", "")
	if !plainNumber.MatchString(word) {
		return "", false
	}
	return json.Number(word), true
}
