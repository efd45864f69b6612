package execution

import (
	"fmt"
	"regexp"
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
		if len(paths[i]) == 0 { // the harness revives by the schema's own value
			continue
		}
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
			for _, sub := range members(node, props, name) {
				s.rich(sub, v[name], path+"/"+escape(name), depth+1, found)
			}
		}
	case []any:
		s.elements(node, v, path, depth, found)
	}
	if kind, ok := node["x-aria-type"].(string); ok {
		found(path, kind)
	}
}

// members are the schemas that a member of an object answers to.
func members(node, props map[string]any, name string) []any {
	var out []any
	if sub, ok := props[name]; ok {
		out = append(out, sub)
	}
	patterns, _ := node["patternProperties"].(map[string]any)
	for _, p := range sortedKeys(patterns) {
		if re, err := regexp.Compile(p); err == nil && re.MatchString(name) { // that it compiles was seen at build time
			out = append(out, patterns[p])
		}
	}
	if len(out) == 0 {
		out = append(out, node["additionalProperties"])
	}
	return out
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
		case "properties", "patternProperties":
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
// const and enum, by the members that must be there or may not, and by what is
// in those that are there: a discriminator anywhere in it decides.
func (s *shape) fits(schema, v any) bool { return s.fit(schema, v, 0) }

// fitDepth is how far below a union its branches are looked into.
const fitDepth = 8

func (s *shape) fit(schema, v any, depth int) bool {
	node := s.follow(schema)
	if node == nil {
		return false
	}
	if depth > fitDepth {
		return true
	}
	if c, ok := node["const"]; ok {
		return short(c) == short(v)
	}
	if list, ok := node["enum"].([]any); ok {
		return slices.ContainsFunc(list, func(e any) bool { return short(e) == short(v) })
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		branches, ok := node[word].([]any)
		if ok && !slices.ContainsFunc(branches, func(b any) bool { return s.fit(b, v, depth+1) }) {
			return false
		}
	}
	types, _ := node["type"].(string)
	want := func(names ...string) bool { return types == "" || slices.Contains(names, types) }
	switch v := v.(type) {
	case nil:
		return want("null")
	case string:
		return want("string")
	case bool:
		return want("boolean")
	case []any:
		items, ok := node["items"]
		_, prefixed := node["prefixItems"]
		return want("array") && (!ok || prefixed || !slices.ContainsFunc(v, func(item any) bool { return !s.fit(items, item, depth+1) }))
	case map[string]any:
		return want("object") && s.fitObject(node, v, depth)
	}
	return want("number", "integer")
}

func (s *shape) fitObject(node, v map[string]any, depth int) bool {
	required, _ := node["required"].([]any)
	for _, r := range required {
		name, _ := r.(string)
		if _, ok := v[name]; !ok {
			return false
		}
	}
	props, _ := node["properties"].(map[string]any)
	for name, have := range v {
		for _, sub := range members(node, props, name) {
			if sub == false || s.follow(sub) != nil && !s.fit(sub, have, depth+1) {
				return false
			}
		}
	}
	return true
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
