package llm

import (
	"encoding/json"
	"maps"
	"slices"
)

// LowerAnthropic prepares a schema for Anthropic's structured outputs: closed
// objects in which properties may be optional, no bounds, no recursion.
// Source: docs.claude.com/en/docs/build-with-claude/structured-outputs.
func LowerAnthropic(schema json.RawMessage) (Lowered, error) {
	l, top, err := rooted(schema)
	if err != nil {
		return l, err
	}
	a := anthropicForm{ok: true, root: top}
	out := a.node(top, 0)
	if defs, ok := top["$defs"].(map[string]any); ok {
		low := map[string]any{}
		for k, d := range defs {
			low[k] = a.node(d, 0)
		}
		if len(low) > 0 {
			out["$defs"] = low
		}
	}
	return l.reduced(top, out, a.ok && !recursive(top))
}

type anthropicForm struct {
	ok   bool
	root map[string]any
}

var (
	anthropicKept    = []string{"type", "enum", "const", "required"}
	anthropicTold    = []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "maxItems", "uniqueItems", "default", "x-aria-type", "examples"}
	anthropicFormats = []string{"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)

func (a *anthropicForm) node(v any, depth int) map[string]any {
	m, ok := v.(map[string]any)
	if !ok || depth > maxDepth || hasAny(m, beyond) {
		a.ok = false
		return map[string]any{}
	}
	if ref, ok := m["$ref"]; ok {
		return map[string]any{"$ref": ref}
	}
	out := map[string]any{}
	for _, k := range anthropicKept {
		if x, has := m[k]; has {
			out[k] = x
		}
	}
	var more []string
	if f, _ := m["format"].(string); slices.Contains(anthropicFormats, f) {
		out["format"] = f
	} else if f != "" {
		more = append(more, "format "+f)
	}
	if n, has := m["minItems"]; has {
		if s := n.(json.Number).String(); s == "0" || s == "1" {
			out["minItems"] = n
		} else {
			more = append(more, "minItems "+s)
		}
	}
	tell(m, out, anthropicTold, more...)
	for _, b := range branches(m) {
		list, _ := out["anyOf"].([]any)
		out["anyOf"] = append(list, a.node(b, depth+1))
	}
	a.shape(m, out, depth)
	return out
}

func (a *anthropicForm) shape(m, out map[string]any, depth int) {
	if hasType(m, "object") || m["properties"] != nil {
		if !closedObject(m) {
			a.ok = false
			return
		}
		props, _ := m["properties"].(map[string]any)
		low := map[string]any{}
		for _, k := range slices.Sorted(maps.Keys(props)) {
			low[k] = a.node(props[k], depth+1)
		}
		out["properties"], out["additionalProperties"] = low, false
	}
	if hasType(m, "array") {
		if m["items"] == nil {
			a.ok = false
			return
		}
		out["items"] = a.node(m["items"], depth+1)
	}
	if out["type"] == nil && out["anyOf"] == nil && out["enum"] == nil && out["const"] == nil {
		a.ok = false
	}
}

// recursive: some reference leads back to where it stands.
func recursive(root map[string]any) bool {
	defs, _ := root["$defs"].(map[string]any)
	state := map[string]int{} // 1: being looked at, 2: done
	var look func(v any) bool
	look = func(v any) bool {
		switch v := v.(type) {
		case []any:
			return slices.ContainsFunc(v, look)
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				if state[ref] == 1 || ref == "#" {
					return true
				}
				if state[ref] == 0 {
					state[ref] = 1
					if look(resolveOne(root, ref)) {
						return true
					}
					state[ref] = 2
				}
			}
			for k, x := range v {
				if k != "$defs" && look(x) {
					return true
				}
			}
		}
		return false
	}
	if look(without(root, "$defs")) {
		return true
	}
	for _, d := range defs {
		if look(d) {
			return true
		}
	}
	return false
}

func resolveOne(root map[string]any, ref string) any {
	return resolve(root, map[string]any{"$ref": ref})
}
