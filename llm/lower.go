package llm

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Lowered is a schema as a provider with a strict dialect takes it, and the way
// back. Strict dialects want an object at the root, every property required and
// nothing else allowed; so optional becomes required and nullable, and a model
// then sends null for what it leaves out.
type Lowered struct {
	Schema json.RawMessage
	// Strict: the schema fits the strict dialect. Otherwise it is the canonical
	// one (a map, a tuple or "any" is in it) and the answer is only checked.
	Strict bool

	root    map[string]any // canonical
	wrapped bool           // the root was no object and sits under "value"
}

// wrapKey holds a value whose schema is not an object's.
const wrapKey = "value"

// Lower prepares a canonical JSON Schema 2020-12. It is pure.
func Lower(schema json.RawMessage) (Lowered, error) {
	l, top, err := rooted(schema)
	if err != nil {
		return l, err
	}
	s := strictener{ok: true}
	out := s.node(top, 0)
	if defs, ok := top["$defs"].(map[string]any); ok {
		low := map[string]any{}
		for k, d := range defs {
			low[k] = s.node(d, 0)
		}
		if len(low) > 0 {
			out["$defs"] = low
		}
	}
	return l.reduced(top, out, s.ok)
}

// flatRoot follows a $ref at the root, which no dialect takes.
func flatRoot(root map[string]any) map[string]any {
	t := resolve(root, root)
	if defs, ok := root["$defs"]; ok && t["$defs"] == nil {
		t = maps.Clone(t)
		t["$defs"] = defs
	}
	return t
}

func isObject(s map[string]any) bool {
	_, props := s["properties"]
	return s["type"] == "object" || props && s["type"] == nil
}

func without(m map[string]any, keys ...string) map[string]any {
	m = maps.Clone(m)
	for _, k := range keys {
		delete(m, k)
	}
	return m
}

// maxDepth of nested objects in strict schemas.
const maxDepth = 10

// strictener rewrites a schema; ok turns false at the first thing that the
// strict dialect cannot say.
type strictener struct{ ok bool }

var (
	kept     = []string{"type", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems"}
	told     = []string{"minLength", "maxLength", "uniqueItems", "default", "x-aria-type", "examples"}
	beyond   = []string{"allOf", "not", "if", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas", "prefixItems", "contains", "unevaluatedProperties", "minProperties", "maxProperties"}
	formats  = []string{"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
	variants = []string{"anyOf", "oneOf"}
)

func (s *strictener) node(v any, depth int) map[string]any {
	m, ok := v.(map[string]any)
	if !ok || depth > maxDepth {
		s.ok = false
		return map[string]any{}
	}
	if ref, ok := m["$ref"]; ok {
		return map[string]any{"$ref": ref}
	}
	for _, k := range beyond {
		if _, has := m[k]; has {
			s.ok = false
		}
	}
	out := map[string]any{}
	for _, k := range kept {
		if x, has := m[k]; has {
			out[k] = x
		}
	}
	if c, has := m["const"]; has {
		out["enum"] = []any{c}
	}
	if e, has := out["enum"].([]any); has && out["type"] == nil {
		out["type"] = typesOf(e)
	}
	describe(m, out)
	for _, k := range variants {
		if list, has := m[k].([]any); has {
			var low []any
			for _, x := range list {
				low = append(low, s.node(x, depth+1))
			}
			out["anyOf"] = low
		}
	}
	s.shape(m, out, depth)
	return out
}

// shape does objects and arrays, and refuses what has no type at all.
func (s *strictener) shape(m, out map[string]any, depth int) {
	if hasType(m, "object") || m["properties"] != nil {
		s.object(m, out, depth)
	}
	if hasType(m, "array") {
		items, has := m["items"]
		if !has {
			s.ok = false
			return
		}
		out["items"] = s.node(items, depth+1)
	}
	if out["type"] == nil && out["anyOf"] == nil {
		s.ok = false
	}
}

func (s *strictener) object(m, out map[string]any, depth int) {
	props, has := m["properties"].(map[string]any)
	open, set := m["additionalProperties"]
	if closed := open == false; set && !closed || !has && !closed {
		s.ok = false // a map, or any object: strict objects name every property
		return
	}
	required := required(m)
	low := map[string]any{}
	for k, p := range props {
		q := s.node(p, depth+1)
		if !required[k] {
			q = nullable(q)
		}
		low[k] = q
	}
	names := slices.Sorted(maps.Keys(props))
	if names == nil {
		names = []string{}
	}
	out["type"], out["properties"], out["additionalProperties"] = m["type"], low, false
	if out["type"] == nil {
		out["type"] = "object"
	}
	out["required"] = names
}

// describe moves into words what the strict dialect has no keyword for.
func describe(m, out map[string]any) {
	text, _ := m["description"].(string)
	var notes []string
	for _, k := range told {
		if x, has := m[k]; has {
			b, _ := json.Marshal(x)
			notes = append(notes, strings.TrimPrefix(k, "x-aria-")+" "+string(b))
		}
	}
	if f, _ := m["format"].(string); slices.Contains(formats, f) {
		out["format"] = f
	} else if f != "" {
		notes = append(notes, "format "+f)
	}
	if len(notes) > 0 {
		text = strings.TrimSpace(text + " (" + strings.Join(notes, ", ") + ")")
	}
	if text != "" {
		out["description"] = text
	}
}

func nullable(s map[string]any) map[string]any {
	null := map[string]any{"type": "null"}
	if any, ok := s["anyOf"].([]any); ok {
		s["anyOf"] = append(any, null)
		return s
	}
	switch t := s["type"].(type) {
	case string:
		if t == "null" {
			return s
		}
		s["type"] = []any{t, "null"}
	case []any:
		if slices.Contains(t, any("null")) {
			return s
		}
		s["type"] = append(slices.Clone(t), "null")
	default:
		return map[string]any{"anyOf": []any{s, null}}
	}
	if e, ok := s["enum"].([]any); ok {
		s["enum"] = append(slices.Clone(e), nil)
	}
	return s
}
