package llm

import (
	"encoding/json"
	"maps"
	"slices"
)

// LowerGemini prepares a schema in Gemini's own form, a part of OpenAPI 3.0: no
// references, no null type but nullable, only enums of strings. What it cannot
// say (a map, a tuple, recursion, "any") leaves Strict false, and the plain
// schema goes in the field for JSON Schema.
// Source: ai.google.dev/api/caching#Schema.
func LowerGemini(schema json.RawMessage) (Lowered, error) {
	l, top, err := rooted(schema)
	if err != nil {
		return l, err
	}
	g := geminiForm{ok: !recursive(top), root: top}
	var out map[string]any
	if g.ok {
		out = g.node(top, 0)
	}
	return l.reduced(top, out, g.ok)
}

type geminiForm struct {
	ok   bool
	root map[string]any
}

var (
	geminiKept    = []string{"title", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "pattern", "required"}
	geminiTold    = []string{"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "default", "x-aria-type", "examples"}
	geminiFormats = []string{"int32", "int64", "float", "double", "date-time"}
)

func (g *geminiForm) node(v any, depth int) map[string]any {
	m, ok := v.(map[string]any)
	if !ok || depth > 2*maxDepth || hasAny(m, beyond) {
		g.ok = false
		return map[string]any{}
	}
	if _, ok := m["$ref"]; ok {
		text, _ := m["description"].(string)
		if m = resolve(g.root, m); text != "" {
			m = maps.Clone(m)
			m["description"] = text
		}
	}
	out := map[string]any{}
	for _, k := range geminiKept {
		if x, has := m[k]; has {
			out[k] = x
		}
	}
	var more []string
	if f, _ := m["format"].(string); slices.Contains(geminiFormats, f) {
		out["format"] = f
	} else if f != "" {
		more = append(more, "format "+f)
	}
	more = append(more, g.values(m, out)...)
	tell(m, out, geminiTold, more...)
	g.kind(m, out, depth)
	return out
}

// values puts constants down: only strings have an enum, others are told.
func (g *geminiForm) values(m, out map[string]any) (told []string) {
	list, has := m["enum"].([]any)
	if c, one := m["const"]; one {
		list, has = []any{c}, true
	}
	if !has {
		return nil
	}
	var names []any
	for _, v := range list {
		switch v := v.(type) {
		case nil:
			out["nullable"] = true
		case string:
			names = append(names, v)
		default:
			b, _ := json.Marshal(list)
			out["type"] = typesOf(slices.DeleteFunc(slices.Clone(list), func(v any) bool { return v == nil }))
			if _, one := out["type"].(string); !one {
				g.ok = false
			}
			return []string{"one of " + string(b)}
		}
	}
	out["type"] = "string"
	if len(names) > 0 {
		out["enum"], out["format"] = names, "enum"
	}
	return nil
}

// kind does types, unions, objects and arrays.
func (g *geminiForm) kind(m, out map[string]any, depth int) {
	types, null := typeNames(m)
	if null {
		out["nullable"] = true
	}
	if union := branches(m); union != nil {
		g.union(union, out, depth)
		return
	}
	switch {
	case len(types) > 1:
		var list []any
		for _, t := range types {
			one := without(m, "type", "description", "enum", "const")
			one["type"] = t
			list = append(list, g.node(one, depth+1))
		}
		out["anyOf"] = list
		return
	case len(types) == 1:
		out["type"] = types[0]
	case m["properties"] != nil:
		out["type"] = "object"
	case out["type"] == nil:
		g.ok = false
	}
	switch out["type"] {
	case "object":
		g.object(m, out, depth)
	case "array":
		if m["items"] == nil {
			g.ok = false
			return
		}
		out["items"] = g.node(m["items"], depth+1)
	}
}

func (g *geminiForm) union(list []any, out map[string]any, depth int) {
	var low []any
	for _, b := range list {
		if m, ok := b.(map[string]any); ok && m["type"] == "null" {
			out["nullable"] = true
			continue
		}
		low = append(low, g.node(b, depth+1))
	}
	if len(low) == 1 { // a value or null
		for k, v := range low[0].(map[string]any) {
			if _, has := out[k]; !has {
				out[k] = v
			}
		}
		return
	}
	out["anyOf"] = low
}

func (g *geminiForm) object(m, out map[string]any, depth int) {
	if !closedObject(m) {
		g.ok = false
		return
	}
	props, _ := m["properties"].(map[string]any)
	low := map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(props)) {
		low[k] = g.node(props[k], depth+1)
	}
	if len(low) > 0 {
		out["properties"] = low
	}
}

// typeNames without null, and whether null was one of them.
func typeNames(m map[string]any) (names []string, null bool) {
	list, ok := m["type"].([]any)
	if !ok && m["type"] != nil {
		list = []any{m["type"]}
	}
	for _, t := range list {
		if s, _ := t.(string); s == "null" {
			null = true
		} else if s != "" {
			names = append(names, s)
		}
	}
	return names, null
}
