package local

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/words"
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
			prop := propertyOf(s, n)
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
		prop := propertyOf(s, n)
		if _, has := out[n]; has || !required[n] {
			continue
		}
		if d, ok := prop.Node["default"]; ok {
			out[n] = d
			continue
		}
		if whole, _ := s.Property(n); whole.Fits(nil) {
			out[n] = nil // null is how this schema says "not told"
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

// propertyOf is a property's schema; of "X or null" it is X.
func propertyOf(s llm.Schema, name string) llm.Schema {
	p, _ := s.Property(name)
	for _, k := range []string{"anyOf", "oneOf"} {
		list, _ := p.Node[k].([]any)
		rest := slices.DeleteFunc(slices.Clone(list), func(x any) bool { return p.At(x).Node["type"] == "null" })
		if len(rest) == 1 {
			return p.At(rest[0])
		}
	}
	return p
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
		if v, ok := f.text.take(re); ok || re != dateTime {
			return v, ok
		}
		if v, ok := f.text.take(date); ok {
			return fmt.Sprint(v, "T00:00:00Z"), true // a day alone is its beginning, as in ECMAScript
		}
		return nil, false
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
	if overlaps(words.Tokens(name), nameWords) {
		if v, ok := f.text.proper(); ok {
			return v, true
		}
		return f.text.take(email)
	}
	if overlaps(words.Tokens(name), itemWords) {
		return f.text.item()
	}
	if overlaps(words.Tokens(name+" "+about), idWords) {
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
	if len(open) != 1 || !overlaps(words.Tokens(open[0]), textWords) {
		return
	}
	if p := propertyOf(s, open[0]); p.Is("string") && p.Node["enum"] == nil && p.Node["format"] == nil {
		out[open[0]] = strings.TrimSpace(f.text.raw)
	}
}

var (
	idWords   = tokenSet("id ids number no code ref reference sku key order ticket invoice identifier")
	nameWords = tokenSet("name customer client user person city town place country recipient buyer seller owner author company title who")
	itemWords = tokenSet("item product thing article goods what")
	textWords = tokenSet("query q text question prompt content input request words message search topic sentence body")
)

func tokenSet(list string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(list) {
		m[words.Stem(w)] = true
	}
	return m
}

func overlaps(list []string, in map[string]bool) bool {
	return slices.ContainsFunc(list, func(w string) bool { return in[w] })
}
