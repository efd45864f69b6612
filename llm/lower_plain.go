package llm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Plain changes a schema no more than every provider needs: an object at the
// root, without a reference there. The answer is only checked.
func Plain(schema json.RawMessage) (Lowered, error) {
	l, top, err := rooted(schema)
	if err != nil {
		return l, err
	}
	l.Schema, err = json.Marshal(without(top, "$schema", "$id"))
	return l, err
}

// rooted opens a schema and puts what is no object under "value".
func rooted(schema json.RawMessage) (l Lowered, top map[string]any, err error) {
	v, err := Decode(schema)
	if err != nil {
		return l, nil, fmt.Errorf("schema: %w", err)
	}
	root, ok := v.(map[string]any)
	if !ok {
		root = map[string]any{}
	}
	l.root, top = root, flatRoot(root)
	if isObject(top) {
		return l, top, nil
	}
	l.wrapped = true
	top = map[string]any{"type": "object", "properties": map[string]any{wrapKey: without(root, "$defs", "$schema", "$id")},
		"required": []any{wrapKey}}
	if d, ok := root["$defs"]; ok {
		top["$defs"] = d
	}
	return l, top, nil
}

// reduced finishes a lowering: the lowered schema if all of it could be said,
// else the plain one.
func (l Lowered) reduced(top, out map[string]any, ok bool) (Lowered, error) {
	l.Strict = ok
	if !ok {
		out = without(top, "$schema", "$id")
	}
	var err error
	l.Schema, err = json.Marshal(out)
	return l, err
}

// tell moves keywords that a dialect does not have into the description.
func tell(m, out map[string]any, words []string, more ...string) {
	text, _ := m["description"].(string)
	notes := more
	for _, k := range words {
		if x, has := m[k]; has {
			b, _ := json.Marshal(x)
			notes = append(notes, strings.TrimPrefix(k, "x-aria-")+" "+string(b))
		}
	}
	if len(notes) > 0 {
		text = strings.TrimSpace(text + " (" + strings.Join(notes, ", ") + ")")
	}
	if text != "" {
		out["description"] = text
	}
}

// closedObject: every property is named, and nothing else may come.
func closedObject(m map[string]any) bool {
	_, props := m["properties"]
	open, set := m["additionalProperties"]
	return open == false || props && !set
}

// branches of a union, under either word.
func branches(m map[string]any) []any {
	for _, k := range variants {
		if list, ok := m[k].([]any); ok {
			return list
		}
	}
	return nil
}

func hasAny(m map[string]any, words []string) bool {
	return slices.ContainsFunc(words, func(k string) bool { _, has := m[k]; return has })
}

// Empty: the schema is of an object that has no properties and takes none.
func (l Lowered) Empty() bool {
	props, _ := l.root["properties"].(map[string]any)
	return !l.wrapped && len(props) == 0 && closedObject(l.root)
}
