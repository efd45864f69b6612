package execution

import (
	"fmt"
	"slices"
	"strings"
)

// place is one entry of start.revive (docs/spec/harness.md).
type place struct {
	Arg  int    `json:"arg"`
	Path string `json:"path"`
	Type string `json:"type"`
}

// revive lists where rich types stand in the arguments. It walks the value along
// its schema, so recursive types end where the value does. An inner place comes
// before the one it lies in: the harness turns a Map's values before the Map.
func (s *shape) revive(args []any, paths [][]string) []place {
	root := s.follow(s.tree)
	props, _ := root["properties"].(map[string]any)
	var out []place
	for i, arg := range args {
		schema := props[paths[i][0]]
		if len(paths[i]) > 1 { // an element of the rest parameter
			if node := s.follow(schema); node != nil {
				schema = node["items"]
			}
		}
		s.rich(schema, arg, "", 0, func(path, kind string) {
			p := place{Arg: i, Path: path, Type: kind}
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		})
	}
	return out
}

// whole lists where rich types stand in one argument that has the whole schema.
func (s *shape) whole(arg int, v any) []place {
	out := []place{}
	s.rich(s.tree, v, "", 0, func(path, kind string) {
		p := place{Arg: arg, Path: path, Type: kind}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	})
	return out
}

// rich calls found for every rich value under v. Elements share one path with
// "*" where nothing below depends on the value.
func (s *shape) rich(schema, v any, path string, depth int, found func(path, kind string)) {
	node := s.follow(schema)
	if node == nil || depth > maxDepth || v == nil {
		return
	}
	for _, word := range []string{"anyOf", "oneOf", "allOf"} {
		branches, _ := node[word].([]any)
		for _, b := range branches {
			if word == "allOf" || s.fits(b, v) {
				s.rich(b, v, path, depth+1, found)
			}
		}
	}
	switch v := v.(type) {
	case map[string]any:
		props, _ := node["properties"].(map[string]any)
		for _, name := range sortedKeys(v) {
			sub, ok := props[name]
			if !ok {
				sub = node["additionalProperties"]
			}
			s.rich(sub, v[name], path+"/"+escape(name), depth+1, found)
		}
	case []any:
		s.elements(node, v, path, depth, found)
	}
	if kind, ok := node["x-aria-type"].(string); ok {
		found(path, kind)
	}
}

func (s *shape) elements(node map[string]any, v []any, path string, depth int, found func(path, kind string)) {
	prefix, _ := node["prefixItems"].([]any)
	plain := len(prefix) == 0 && s.uniform(node["items"], map[string]bool{})
	for i, item := range v {
		step := fmt.Sprint(i)
		if plain {
			step = "*"
		}
		sub := node["items"]
		if i < len(prefix) {
			sub = prefix[i]
		}
		s.rich(sub, item, path+"/"+step, depth+1, found)
	}
}

// uniform says whether no value under schema can be of several forms. seen are
// the references on the way, so that recursive types end.
func (s *shape) uniform(schema any, seen map[string]bool) bool {
	if raw, _ := schema.(map[string]any); raw != nil {
		if ref, ok := raw["$ref"].(string); ok {
			if seen[ref] {
				return true
			}
			seen[ref] = true
		}
	}
	for word, sub := range s.follow(schema) {
		switch word {
		case "anyOf", "oneOf", "prefixItems":
			return false
		case "items", "additionalProperties":
			if !s.uniform(sub, seen) {
				return false
			}
		case "properties":
			props, _ := sub.(map[string]any)
			for _, p := range props {
				if !s.uniform(p, seen) {
					return false
				}
			}
		}
	}
	return true
}

// fits tells the branches of a union apart as far as rich types need: by type,
// const, enum and the properties that must be there.
func (s *shape) fits(schema, v any) bool {
	node := s.follow(schema)
	if node == nil {
		return false
	}
	if c, ok := node["const"]; ok {
		return short(c) == short(v)
	}
	if list, ok := node["enum"].([]any); ok {
		return slices.ContainsFunc(list, func(e any) bool { return short(e) == short(v) })
	}
	types, _ := node["type"].(string)
	switch v := v.(type) {
	case string:
		return types == "string" || types == ""
	case bool:
		return types == "boolean" || types == ""
	case []any:
		return types == "array" || types == ""
	case map[string]any:
		if types != "object" && types != "" {
			return false
		}
		required, _ := node["required"].([]any)
		props, _ := node["properties"].(map[string]any)
		for _, r := range required {
			name, _ := r.(string)
			have, ok := v[name]
			if sub := s.follow(props[name]); !ok || sub["const"] != nil && !s.fits(sub, have) {
				return false
			}
		}
		return true
	}
	return types == "number" || types == "integer" || types == ""
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func escape(step string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(step)
}
