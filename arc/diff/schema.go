package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// role of a schema: a caller gives input and takes output.
type role string

const (
	input  role = "/input"
	output role = "/output"
)

// schemas is a schema and the definitions that it names.
type schemas struct {
	raw  json.RawMessage
	defs map[string]any
}

// decodeAll decodes a manifest's definitions.
func decodeAll(defs map[string]json.RawMessage) map[string]any {
	out := make(map[string]any, len(defs))
	for name, raw := range defs {
		out[name] = decode(raw)
	}
	return out
}

// schema compares one schema of a unit. An input breaks its callers where the
// new schema refuses what the old one took, an output where the new one gives
// what the old one could not; the other direction is worth a line.
func (r *Report) schema(unit string, as role, old, is schemas) {
	o, n := open(old, string(as)), open(is, string(as))
	steps := new(int)
	forward := &pass{forward: true, breaking: as == input, seen: map[[2]string]bool{}, steps: steps}
	forward.within(o, n)
	backward := &pass{forward: false, breaking: as == output, seen: map[[2]string]bool{}, steps: steps}
	backward.within(n, o)
	if *steps > maxSteps {
		r.breaks(Schema, unit, string(as), "is too large to compare")
		return
	}
	said := map[finding]bool{}
	passes := []*pass{forward, backward}
	if as == output {
		slices.Reverse(passes) // what breaks is said first, and once
	}
	for _, p := range passes {
		for _, f := range p.found {
			breaking := p.breaking && !f.added || f.gone
			f.gone, f.added = false, false
			if said[f] {
				continue
			}
			said[f] = true
			if breaking {
				r.breaks(Schema, unit, f.at, f.text)
			} else {
				r.note(Schema, unit, f.at, f.text)
			}
		}
	}
	r.words(unit, o, n)
}

// view is a schema inside a document.
type view struct {
	node any // map[string]any, or a bool
	defs map[string]any
	at   string // JSON pointer
	// branch tells the types of a list of types apart, which have one pointer.
	branch string
}

func open(s schemas, at string) view {
	return view{node: decode(s.raw), defs: s.defs, at: at}
}

func decode(raw json.RawMessage) any {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return true // Open has refused what is not JSON
	}
	return v
}

func (v view) child(node any, keys ...string) view {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	for _, k := range keys {
		v.at += "/" + escape.Replace(k)
	}
	v.node, v.branch = node, ""
	return v
}

// resolve follows references, but no ring of them.
func (v view) resolve() view {
	for range 64 {
		ref, ok := v.get("$ref").(string)
		name, local := strings.CutPrefix(ref, "#/$defs/")
		node, known := v.defs[name]
		if !ok || !local || !known {
			break
		}
		v = view{defs: v.defs}.child(node, "$defs", name)
	}
	return v
}

func (v view) get(key string) any {
	m, _ := v.node.(map[string]any)
	return m[key]
}

func (v view) object(key string) map[string]any {
	m, _ := v.get(key).(map[string]any)
	return m
}

func (v view) list(key string) []any {
	l, _ := v.get(key).([]any)
	return l
}

func (v view) strings(key string) []string {
	var out []string
	for _, x := range v.list(key) {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// anything: the schema takes every value.
func (v view) anything() bool {
	if b, ok := v.node.(bool); ok {
		return b
	}
	m, _ := v.node.(map[string]any)
	return v.node == nil || len(withoutWords(m)) == 0
}

func (v view) nothing() bool { return v.node == false }

// annotations say something about values and refuse none.
var annotations = []string{"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
	"$comment", "$schema", "$id", "$defs", "discriminator"}

func withoutWords(m map[string]any) map[string]any {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(k string, _ any) bool { return slices.Contains(annotations, k) || strings.HasPrefix(k, "x-") })
	return out
}

// finding is one reason why a value of the one schema may not be one of the other.
type finding struct {
	at, text string
	gone     bool // breaking whatever the direction
	added    bool // harmless whatever the direction
}

// pass looks for values of a that b refuses.
type pass struct {
	forward  bool // a is the old version
	breaking bool // what is found breaks somebody
	found    []finding
	seen     map[[2]string]bool
	steps    *int // taken so far, by all passes over one schema
}

// maxSteps bounds the work on unions in unions, which are tried pair by pair.
const maxSteps = 20_000

func (p *pass) say(a, b view, format string, args ...any) {
	p.found = append(p.found, finding{at: p.newer(a, b).at, text: fmt.Sprintf(format, args...)})
}

func (p *pass) newer(a, b view) view {
	if p.forward {
		return b
	}
	return a
}

// shift says what was and what is.
func (p *pass) shift(a, b view, what string, va, vb any) {
	if !p.forward {
		va, vb = vb, va
	}
	p.say(a, b, "%s %s", what, changed(show(va), show(vb)))
}

func show(v any) string {
	if v == nil {
		return ""
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	const most = 100
	if r := []rune(string(raw)); len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(raw)
}

// either chooses the words for a being the old version, or the new one.
func (p *pass) either(old, new string) string {
	if p.forward {
		return old
	}
	return new
}

func (p *pass) within(a, b view) {
	a, b = a.resolve(), b.resolve()
	pair := [2]string{a.at + " " + a.branch, b.at + " " + b.branch}
	if p.seen[pair] || b.anything() || a.nothing() {
		return
	}
	p.seen[pair] = true
	if *p.steps++; *p.steps > maxSteps {
		return
	}
	if b.nothing() || a.anything() {
		p.shift(a, b, "type", kindOf(a), kindOf(b))
		return
	}
	as, bs := a.alternatives(), b.alternatives()
	if len(as) == 1 && len(bs) == 1 {
		p.plain(as[0], bs[0])
		return
	}
	for _, one := range as {
		if slices.ContainsFunc(bs, func(other view) bool { return p.fits(one, other) }) {
			continue
		}
		if near, ok := nearest(one, bs); ok {
			p.within(one, near)
			continue
		}
		p.say(one, b, "%s is %s", kindOf(one.resolve()), p.either("gone", "new"))
		p.found[len(p.found)-1].at = p.newer(a, b).at
	}
}

// fits tries without saying anything.
func (p *pass) fits(a, b view) bool {
	try := &pass{forward: p.forward, breaking: p.breaking, seen: maps.Clone(p.seen), steps: p.steps}
	try.within(a, b)
	return !slices.ContainsFunc(try.found, func(f finding) bool { return !p.breaking || !f.added })
}

// alternatives takes a union apart: anyOf, oneOf, a list of types. What stands
// beside the union is compared as a whole.
func (v view) alternatives() []view {
	for _, key := range []string{"anyOf", "oneOf"} {
		if list := v.list(key); len(list) > 0 {
			var out []view
			for i, node := range list {
				out = append(out, v.child(node, key, fmt.Sprint(i)).flat()...)
			}
			return out
		}
	}
	if types := v.strings("type"); len(types) > 1 {
		var out []view
		for _, t := range types {
			one := maps.Clone(v.node.(map[string]any))
			one["type"] = t
			out = append(out, view{one, v.defs, v.at, t})
		}
		return out
	}
	return []view{v}
}

func (v view) flat() []view {
	if _, ref := v.get("$ref").(string); ref {
		return []view{v}
	}
	return v.alternatives()
}

// nearest finds the alternative that v must have been: the same definition, the
// same constant in the same property, or the only one of its type.
func nearest(v view, list []view) (view, bool) {
	marks := func(x view) map[string]any {
		out := map[string]any{}
		for name, node := range x.resolve().object("properties") {
			if c := (view{node: node}).get("const"); c != nil {
				out[name] = c
			}
		}
		return out
	}
	at, mine := v.resolve(), marks(v)
	var alike []view
	for _, other := range list {
		o := other.resolve()
		if strings.HasPrefix(at.at, "/$defs/") && o.at == at.at {
			return other, true
		}
		for name, c := range marks(other) {
			if reflect.DeepEqual(mine[name], c) {
				return other, true
			}
		}
		if kindOf(o) == kindOf(at) && len(marks(other)) == 0 && len(mine) == 0 {
			alike = append(alike, other)
		}
	}
	if len(alike) == 1 {
		return alike[0], true
	}
	return view{}, false
}

// kindOf says in a word what a schema takes.
func kindOf(v view) string {
	switch {
	case v.anything():
		return "anything"
	case v.nothing():
		return "nothing"
	}
	if values, ok := v.values(); ok {
		return show(values)
	}
	if t, ok := v.get("type").(string); ok {
		return t
	}
	if t := v.strings("type"); len(t) > 0 {
		return strings.Join(t, " or ")
	}
	return "a union"
}

// values of an enum or a constant.
func (v view) values() ([]any, bool) {
	m, _ := v.node.(map[string]any)
	if c, ok := m["const"]; ok {
		return []any{c}, true
	}
	l, ok := m["enum"].([]any)
	return l, ok
}
