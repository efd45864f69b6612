package local

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/llm"
)

// gap is a required property that the request does not say.
type gap struct{ name, about string }

// fill builds a tool's input from a clause: values of a structured request by
// name, then what the words say, then what earlier results say under the same
// name. Optional properties are only set where the words name them.
func fill(p *Planner, s llm.Schema, words string, t talk) (map[string]any, []gap) {
	f := &filler{planner: p, text: newText(words), talk: t}
	out, missing := f.object(s, "")
	return out, missing
}

type filler struct {
	planner *Planner
	text    *text
	talk    talk
}

// object fills in passes, the surest first, so that a value is not taken by a
// property that only might want it.
func (f *filler) object(s llm.Schema, path string) (map[string]any, []gap) {
	out := map[string]any{}
	required := s.Required()
	names := f.order(s, required)
	passes := []func(string, llm.Schema, bool) (any, bool){f.given, f.keyed, f.shaped, f.typical, f.guessed, f.earlier}
	for _, pass := range passes {
		for _, n := range names {
			prop, _ := s.Property(n)
			if _, has := out[n]; has {
				continue
			}
			if v, ok := pass(n, prop, required[n]); ok {
				out[n] = v
			}
		}
	}
	f.wholeText(s, required, out)
	var missing []gap
	for _, n := range names {
		prop, _ := s.Property(n)
		if _, has := out[n]; has || !required[n] {
			continue
		}
		if d, ok := prop.Node["default"]; ok {
			out[n] = d
			continue
		}
		if prop.Is("object") && len(prop.Properties()) > 0 && path == "" {
			v, gaps := f.object(prop, n)
			if out[n] = v; len(gaps) > 0 {
				missing = append(missing, gaps...)
			}
			continue
		}
		about, _ := prop.Node["description"].(string)
		missing = append(missing, gap{name: strings.TrimPrefix(path+"."+n, "."), about: about})
	}
	return out, missing
}

// order: required properties as the schema lists them, then the others by name.
func (f *filler) order(s llm.Schema, required map[string]bool) []string {
	var names []string
	list, _ := s.Node["required"].([]any)
	for _, x := range list {
		if n, ok := x.(string); ok {
			if _, has := s.Property(n); has {
				names = append(names, n)
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(s.Properties())) {
		if !required[n] {
			names = append(names, n)
		}
	}
	return names
}

// given: the request is an object and has the property.
func (f *filler) given(name string, s llm.Schema, _ bool) (any, bool) {
	v, ok := f.talk.values[name]
	return v, ok && s.Fits(v)
}

// keyed: the words name the property and a value that fits stands by it.
func (f *filler) keyed(name string, s llm.Schema, _ bool) (any, bool) {
	if c, ok := s.Node["const"]; ok {
		return c, true
	}
	if s.Is("boolean") {
		return f.text.flag(name)
	}
	for _, at := range f.text.after(name) {
		if v, ok := f.value(s, at); ok {
			return v, true
		}
	}
	return nil, false
}

// shaped: the schema says what the value looks like (a date, an address, a word
// of a list, a number, a pattern) and only that fits. Optional properties get
// only what cannot be anything else.
func (f *filler) shaped(name string, s llm.Schema, required bool) (any, bool) {
	if v, ok := f.enum(s, required); ok {
		return v, true
	}
	if re := f.text.shape(name, s); re != nil {
		return f.text.take(re)
	}
	if required && (s.Is("integer") || s.Is("number")) {
		return f.text.number(s)
	}
	return nil, false
}

// typical: a required text that by its name is an id or the name of somebody.
func (f *filler) typical(name string, s llm.Schema, required bool) (any, bool) {
	if !required || !freeText(s) {
		return nil, false
	}
	about, _ := s.Node["description"].(string)
	if overlaps(tokens(name), nameWords) {
		if v, ok := f.text.proper(); ok {
			return v, true
		}
		return f.text.take(email)
	}
	if overlaps(tokens(name), itemWords) {
		return f.text.item()
	}
	if overlaps(tokens(name+" "+about), idWords) {
		return f.text.id()
	}
	return nil, false
}

// guessed: any other required text is in quotes.
func (f *filler) guessed(_ string, s llm.Schema, required bool) (any, bool) {
	switch {
	case !required:
		return nil, false
	case s.Is("array"):
		return f.list(s)
	case freeText(s):
		return f.text.take(quoted)
	}
	return nil, false
}

// freeText: a string that can hold anything.
func freeText(s llm.Schema) bool {
	return s.Is("string") && s.Node["enum"] == nil && s.Node["format"] == nil && s.Node["pattern"] == nil && s.Node["x-aria-type"] == nil
}

// earlier: a result of this request has the property under the same name.
func (f *filler) earlier(name string, s llm.Schema, required bool) (any, bool) {
	if !required {
		return nil, false
	}
	for _, m := range slices.Backward(f.talk.results) {
		v, err := llm.Decode([]byte(m.Text))
		if o, ok := v.(map[string]any); err == nil && ok && !m.Failed {
			if x, has := o[name]; has && s.Fits(x) {
				return x, true
			}
		}
	}
	return nil, false
}

// wholeText: the one text a tool such as "ask" or "search" wants is the request.
func (f *filler) wholeText(s llm.Schema, required map[string]bool, out map[string]any) {
	var open []string
	for n := range required {
		if _, has := out[n]; !has {
			open = append(open, n)
		}
	}
	if len(open) != 1 || !overlaps(tokens(open[0]), textWords) {
		return
	}
	if p, _ := s.Property(open[0]); p.Is("string") && p.Node["enum"] == nil && p.Node["format"] == nil {
		out[open[0]] = strings.TrimSpace(f.text.raw)
	}
}

var (
	idWords   = tokenSet("id ids number no code ref reference sku key order ticket invoice identifier")
	nameWords = tokenSet("name customer client user person city town place country recipient buyer seller owner author company title who")
	itemWords = tokenSet("item product thing article goods what")
	textWords = tokenSet("query q text question prompt content input request words message search topic sentence body")
)

func tokenSet(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[stem(w)] = true
	}
	return m
}

func overlaps(words []string, in map[string]bool) bool {
	return slices.ContainsFunc(words, func(w string) bool { return in[w] })
}

// enum finds the one listed word the text says. For a required one the embedder
// may find the nearest, if it is near.
func (f *filler) enum(s llm.Schema, required bool) (any, bool) {
	list, _ := s.Node["enum"].([]any)
	said := tokens(f.text.rest())
	var found []string
	for _, x := range list {
		w, ok := x.(string)
		if !ok || w == "" {
			continue
		}
		all := true
		for _, part := range tokens(w) {
			all = all && slices.Contains(said, part)
		}
		if all && len(tokens(w)) > 0 {
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
		for _, said := range split(f.text.rest()) {
			if u, err := f.planner.embed(said); err == nil && !silent[said] {
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
		if silent[strings.ToLower(word)] || !f.text.suits(s, word) {
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
