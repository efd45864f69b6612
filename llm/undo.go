package llm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"strings"
)

// Undo turns an answer to the lowered schema into one to the canonical schema:
// unwraps the root, drops null where the property is optional and may not be
// null, and fills in defaults. What fits nowhere is left as it is for the
// validator to name.
func (l Lowered) Undo(answer json.RawMessage) (json.RawMessage, error) {
	v, err := Decode(answer)
	if err != nil {
		return nil, err
	}
	if m, ok := v.(map[string]any); ok && l.wrapped {
		if inner, has := m[wrapKey]; has && len(m) == 1 {
			v = inner
		}
	}
	w := walker{root: l.root, fuel: maxVisits}
	return json.Marshal(w.undo(l.root, v))
}

// Decode reads exactly one JSON value and keeps numbers as written.
func Decode(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return v, nil
}

// walker goes through a value along its schema. Fuel ends a schema that refers
// to itself without end: what is left is then taken as it stands.
type walker struct {
	root map[string]any
	fuel int
}

const maxVisits = 50_000

func (w *walker) spent() bool {
	w.fuel--
	return w.fuel < 0
}

func (w *walker) undo(s map[string]any, v any) any {
	if w.spent() {
		return v
	}
	s = resolve(w.root, s)
	for _, k := range variants {
		list, _ := s[k].([]any)
		for _, x := range list {
			if b, ok := x.(map[string]any); ok {
				if u := w.undo(b, v); w.fits(b, u) {
					return u
				}
			}
		}
	}
	if list, ok := s["allOf"].([]any); ok {
		for _, x := range list {
			if b, ok := x.(map[string]any); ok {
				v = w.undo(b, v)
			}
		}
	}
	switch v := v.(type) {
	case map[string]any:
		return w.object(s, v)
	case []any:
		return w.array(s, v)
	}
	return v
}

func (w *walker) object(s, v map[string]any) any {
	props, _ := s["properties"].(map[string]any)
	rest, _ := s["additionalProperties"].(map[string]any)
	need := required(s)
	out := maps.Clone(v)
	for k, x := range v {
		p, ok := props[k].(map[string]any)
		if !ok {
			if rest != nil {
				out[k] = w.undo(rest, x)
			}
			continue
		}
		if x == nil && !need[k] && !w.fits(p, nil) {
			delete(out, k)
			continue
		}
		out[k] = w.undo(p, x)
	}
	for k, x := range props {
		p, _ := x.(map[string]any)
		if _, has := out[k]; has || p == nil {
			continue
		}
		if d, ok := p["default"]; ok {
			out[k] = d
		}
	}
	return out
}

func (w *walker) array(s map[string]any, v []any) any {
	prefix, _ := s["prefixItems"].([]any)
	items, _ := s["items"].(map[string]any)
	out := make([]any, len(v))
	for i, x := range v {
		out[i] = x
		if i < len(prefix) {
			if p, ok := prefix[i].(map[string]any); ok {
				out[i] = w.undo(p, x)
			}
		} else if items != nil {
			out[i] = w.undo(items, x)
		}
	}
	return out
}

// fits is a structural test, enough to choose a branch of a union: types,
// constants, required and closed properties. It is no validator.
func (w *walker) fits(s map[string]any, v any) bool {
	if w.spent() {
		return false
	}
	s = resolve(w.root, s)
	if c, has := s["const"]; has && !reflect.DeepEqual(c, v) {
		return false
	}
	if e, has := s["enum"].([]any); has && !contains(e, v) {
		return false
	}
	for _, k := range variants {
		if list, ok := s[k].([]any); ok && !w.fitsAny(list, v) {
			return false
		}
	}
	if s["type"] != nil && !hasType(s, typeOf(v)) && !(typeOf(v) == "integer" && hasType(s, "number")) {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		return w.fitsObject(s, v)
	case []any:
		items, _ := s["items"].(map[string]any)
		for _, x := range v {
			if items != nil && s["prefixItems"] == nil && !w.fits(items, x) {
				return false
			}
		}
	}
	return true
}

func (w *walker) fitsAny(list []any, v any) bool {
	for _, x := range list {
		if b, ok := x.(map[string]any); ok && w.fits(b, v) || x == true {
			return true
		}
	}
	return false
}

func (w *walker) fitsObject(s, v map[string]any) bool {
	for k := range required(s) {
		if _, has := v[k]; !has {
			return false
		}
	}
	props, _ := s["properties"].(map[string]any)
	for k, x := range v {
		p, ok := props[k].(map[string]any)
		if ok && !w.fits(p, x) || !ok && s["additionalProperties"] == false {
			return false
		}
	}
	return true
}

// resolve follows "#" and "#/$defs/X", at most 16 times.
func resolve(root, s map[string]any) map[string]any {
	for range 16 {
		ref, ok := s["$ref"].(string)
		if !ok {
			return s
		}
		if ref == "#" {
			s = without(root, "$ref")
			continue
		}
		defs, _ := root["$defs"].(map[string]any)
		name := strings.NewReplacer("~1", "/", "~0", "~").Replace(strings.TrimPrefix(ref, "#/$defs/"))
		t, ok := defs[name].(map[string]any)
		if !ok {
			return s
		}
		s = t
	}
	return s
}

func required(s map[string]any) map[string]bool {
	out := map[string]bool{}
	list, _ := s["required"].([]any)
	for _, x := range list {
		if k, ok := x.(string); ok {
			out[k] = true
		}
	}
	return out
}

func hasType(s map[string]any, t string) bool {
	switch x := s["type"].(type) {
	case string:
		return x == t
	case []any:
		return contains(x, t)
	}
	return false
}

func contains(list []any, v any) bool {
	for _, x := range list {
		if reflect.DeepEqual(x, v) {
			return true
		}
	}
	return false
}

func typesOf(values []any) any {
	var out []any
	for _, v := range values {
		if t := typeOf(v); !contains(out, t) {
			out = append(out, t)
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	return out
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			return "integer"
		}
	}
	return "number"
}
