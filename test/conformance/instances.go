package conformance

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
)

// junk is what fits few schemas; it goes in at the end and into changed places.
var junk = []any{
	nil, true, false, num("0"), num("1"), num("-1"), num("1.5"), num("1e9"), "", "a", "A", "0", "1.5", "main", "2020-01-01T00:00:00Z",
	[]any{}, []any{nil}, []any{"a", "b"}, []any{num("1"), num("2"), num("3")},
	map[string]any{}, map[string]any{"a": num("1")}, map[string]any{"x-odd": "y"}, map[string]any{"0": "z"},
}

func num(s string) json.Number { return json.Number(s) }

// instance is the i-th of a case: from their schema, from ours, changed or not,
// then junk.
func instance(r *rand.Rand, theirs, ours map[string]any, i int) any {
	if i >= 2*perSchema {
		return junk[i-2*perSchema]
	}
	g := &generator{r: r, root: theirs}
	if i%2 == 1 {
		g.root = ours
	}
	v := g.value(g.root, 0)
	for range i % 4 / 2 * (1 + r.IntN(2)) { // half of them, once or twice
		v = g.change(v)
	}
	return v
}

type generator struct {
	r    *rand.Rand
	root map[string]any
}

func (g *generator) chance(p float64) bool { return g.r.Float64() < p }

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// value makes an instance that is meant to fit; the validators have the verdict.
func (g *generator) value(schema any, depth int) any {
	s, ok := schema.(map[string]any)
	if !ok || depth > 12 {
		return pick(g.r, junk)
	}
	if ref, ok := s["$ref"].(string); ok {
		return g.value(g.resolve(ref), depth+1)
	}
	if c, ok := s["const"]; ok {
		return c
	}
	if e, ok := s["enum"].([]any); ok && len(e) > 0 {
		return pick(g.r, e)
	}
	if all, ok := s["allOf"].([]any); ok {
		return g.value(g.merged(s, all), depth+1)
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		if list, ok := s[word].([]any); ok && len(list) > 0 {
			part, _ := pick(g.r, list).(map[string]any)
			return g.value(g.merged(without(s, word), []any{part}), depth+1)
		}
	}
	switch g.typeOf(s) {
	case "null":
		return nil
	case "boolean":
		return g.chance(0.5)
	case "integer":
		return pick(g.r, []any{num("0"), num("1"), num("2"), num("7"), num("-3"), num("100")})
	case "number":
		return g.number(s)
	case "string":
		return g.text(s)
	case "array":
		return g.array(s, depth)
	case "object":
		return g.object(s, depth)
	}
	return pick(g.r, junk)
}

func (g *generator) typeOf(s map[string]any) string {
	switch t := s["type"].(type) {
	case string:
		return t
	case []any:
		if len(t) > 0 {
			name, _ := pick(g.r, t).(string)
			return name
		}
	}
	switch {
	case s["properties"] != nil || s["additionalProperties"] != nil || s["patternProperties"] != nil:
		return "object"
	case s["items"] != nil || s["prefixItems"] != nil:
		return "array"
	}
	return ""
}

func (g *generator) resolve(ref string) any {
	var at any = g.root
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#"), "/") {
		if part == "" {
			continue
		}
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
	}
	return at
}

// merged puts the members of several object schemas into one.
func (g *generator) merged(s map[string]any, parts []any) map[string]any {
	out := without(s, "allOf")
	for _, p := range parts {
		m, _ := p.(map[string]any)
		for i := 0; i < 10 && m["$ref"] != nil; i++ {
			ref, _ := m["$ref"].(string)
			m, _ = g.resolve(ref).(map[string]any)
		}
		for k, v := range m {
			old, both := out[k].(map[string]any)
			add, ok := v.(map[string]any)
			if both && ok {
				joined := without(old, "")
				for name, x := range add {
					joined[name] = x
				}
				v = joined
			} else if list, ok := out[k].([]any); ok && k == "required" {
				more, _ := v.([]any)
				v = append(slices.Clone(list), more...)
			}
			out[k] = v
		}
	}
	return out
}

func without(m map[string]any, key string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		if k != key {
			out[k] = v
		}
	}
	return out
}

func sorted(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
