package vector

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// cond is a condition on metadata. Exactly one of its parts is set; the zero cond
// holds for all.
type cond struct {
	and, or []cond
	not     *cond
	field   string
	op      string
	values  []any // string, float64, bool or nil
}

const (
	maxConds  = 64
	maxDepth  = 8
	maxValues = 1000
)

var condOps = []string{"eq", "ne", "in", "nin", "gt", "gte", "lt", "lte", "exists"}

func (c cond) empty() bool { return c.field == "" && c.and == nil && c.or == nil && c.not == nil }

func badWhere(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "where: "+format, args...).
		WithHint("write { lang: 'en', year: { gte: 2020, lt: 2025 }, tag: { in: ['a', 'b'] }, $or: [ … ] }")
}

// parseWhere reads the JSON of a filter (docs/spec/harness.md). Fault: Invalid.
func parseWhere(v any) (cond, error) {
	if v == nil {
		return cond{}, nil
	}
	budget := maxConds
	return parseCond(v, maxDepth, &budget)
}

func parseCond(v any, depth int, budget *int) (cond, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return cond{}, badWhere("a condition is an object")
	}
	if depth == 0 {
		return cond{}, badWhere("more than %d levels", maxDepth)
	}
	all := cond{and: []cond{}}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts, err := parsePart(name, m[name], depth, budget)
		if err != nil {
			return cond{}, err
		}
		all.and = append(all.and, parts...)
		if *budget -= len(parts); *budget < 0 {
			return cond{}, badWhere("more than %d conditions", maxConds)
		}
	}
	return all, nil
}

func parsePart(name string, v any, depth int, budget *int) ([]cond, error) {
	switch name {
	case "$and", "$or":
		list, ok := v.([]any)
		if !ok {
			return nil, badWhere("%s takes a list", name)
		}
		subs := []cond{}
		for _, e := range list {
			sub, err := parseCond(e, depth-1, budget)
			if err != nil {
				return nil, err
			}
			subs = append(subs, sub)
		}
		if name == "$and" {
			return []cond{{and: subs}}, nil
		}
		return []cond{{or: subs}}, nil
	case "$not":
		sub, err := parseCond(v, depth-1, budget)
		return []cond{{not: &sub}}, err
	}
	if strings.HasPrefix(name, "$") {
		return nil, badWhere("unknown word %q; there are $and, $or and $not", name)
	}
	return parseField(name, v)
}

// parseField: a plain value means eq, a list in, an object one condition a word.
func parseField(name string, v any) ([]cond, error) {
	switch v := v.(type) {
	case map[string]any:
		var out []cond
		for _, op := range slices.Sorted(maps.Keys(v)) {
			if !slices.Contains(condOps, op) {
				return nil, badWhere("%s has the unknown word %q; there are %s", name, op, strings.Join(condOps, " "))
			}
			c, err := leaf(name, op, v[op])
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
		return out, nil
	case []any:
		c, err := leaf(name, "in", v)
		return []cond{c}, err
	default:
		c, err := leaf(name, "eq", v)
		return []cond{c}, err
	}
}

func leaf(field, op string, v any) (cond, error) {
	c := cond{field: field, op: op, values: []any{v}}
	if op == "in" || op == "nin" {
		list, ok := v.([]any)
		if !ok || len(list) > maxValues {
			return c, badWhere("%s.%s takes a list of at most %d values", field, op, maxValues)
		}
		c.values = list
	}
	for _, x := range c.values {
		switch x.(type) {
		case string, float64, bool, nil:
		default:
			return c, badWhere("%s.%s compares with text, numbers, true, false and null, not with %s", field, op, kindName(x))
		}
	}
	switch op {
	case "gt", "gte", "lt", "lte":
		switch v.(type) {
		case string, float64:
		default:
			return c, badWhere("%s.%s compares with a number or a text", field, op)
		}
	case "exists":
		if _, ok := v.(bool); !ok {
			return c, badWhere("%s.exists is true or false", field)
		}
	}
	return c, nil
}

func kindName(v any) string {
	switch v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	}
	return fmt.Sprintf("%T", v)
}

// fields are the names that c looks at.
func (c cond) fields(add func(string)) {
	if c.field != "" {
		add(c.field)
	}
	for _, sub := range append(slices.Clone(c.and), c.or...) {
		sub.fields(add)
	}
	if c.not != nil {
		c.not.fields(add)
	}
}
