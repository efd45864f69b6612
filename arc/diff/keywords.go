package diff

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// plain compares two schemas that are no unions, keyword by keyword.
func (p *pass) plain(a, b view) {
	if !p.types(a, b) {
		return
	}
	for _, key := range []string{"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"} {
		p.bound(a, b, key, func(va, vb float64) bool { return va >= vb })
	}
	for _, key := range []string{"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"} {
		p.bound(a, b, key, func(va, vb float64) bool { return va <= vb })
	}
	for _, key := range []string{"multipleOf", "pattern", "format", "contentEncoding", "contentMediaType", "uniqueItems"} {
		vb := b.get(key)
		if vb != nil && vb != false && !reflect.DeepEqual(a.get(key), vb) {
			p.shift(a, b, key, a.get(key), vb)
		}
	}
	p.objects(a, b)
	p.arrays(a, b)
	for _, key := range slices.Sorted(maps.Keys(withoutWords(nodeOf(b)))) {
		if !slices.Contains(compared, key) && !reflect.DeepEqual(a.get(key), b.get(key)) {
			p.say(a, b, "%s differs in a way that cannot be compared", key)
		}
	}
}

func nodeOf(v view) map[string]any {
	m, _ := v.node.(map[string]any)
	return m
}

// compared are the keywords that plain and what it calls understand.
var compared = strings.Fields(`type enum const minimum exclusiveMinimum minLength minItems minProperties maximum
	exclusiveMaximum maxLength maxItems maxProperties multipleOf pattern format contentEncoding contentMediaType
	uniqueItems required properties additionalProperties patternProperties items prefixItems`)

// types compares types and lists of values. If it says false, more words would
// only say the same again.
func (p *pass) types(a, b view) bool {
	va, closedA := a.values()
	vb, closedB := b.values()
	if closedB {
		if !closedA {
			p.shift(a, b, "values", kindOf(a), vb)
			return false
		}
		for _, v := range va {
			if !slices.ContainsFunc(vb, func(o any) bool { return reflect.DeepEqual(v, o) }) {
				p.say(a, b, "value %s is %s", show(v), p.either("gone", "new"))
			}
		}
		return false
	}
	tb, _ := b.get("type").(string)
	if tb == "" {
		return true
	}
	ta := []string{fmt.Sprint(a.get("type"))}
	if closedA {
		ta = nil
		for _, v := range va {
			ta = append(ta, typeOf(v))
		}
	}
	for _, t := range ta {
		if t != tb && !(t == "integer" && tb == "number") {
			p.shift(a, b, "type", kindOf(a), kindOf(b))
			return false
		}
	}
	return true
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

func (p *pass) bound(a, b view, key string, inside func(va, vb float64) bool) {
	vb, ok := b.get(key).(float64)
	if !ok {
		return
	}
	if va, ok := a.get(key).(float64); !ok || !inside(va, vb) {
		if !ok && vb == 0 && strings.HasPrefix(key, "min") && key != "minimum" {
			return // no length is below zero
		}
		p.shift(a, b, key, a.get(key), vb)
	}
}

func (p *pass) objects(a, b view) {
	pa, pb := a.object("properties"), b.object("properties")
	ra := a.strings("required")
	for _, name := range b.strings("required") {
		if !slices.Contains(ra, name) {
			p.say(a.child(nil, "properties", name), b.child(nil, "properties", name), "is %s required", p.either("now", "no longer"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(pa)) {
		ca := a.child(pa[name], "properties", name)
		if node, ok := pb[name]; ok {
			p.within(ca, b.child(node, "properties", name))
			continue
		}
		p.found = append(p.found, finding{at: ca.at, text: "is " + p.either("gone", "new"), gone: p.forward, added: !p.forward})
	}
	p.rest(a, b)
	theirs := b.object("patternProperties")
	mine := a.object("patternProperties")
	for _, pattern := range slices.Sorted(maps.Keys(theirs)) {
		if node, ok := mine[pattern]; ok {
			p.within(a.child(node, "patternProperties", pattern), b.child(theirs[pattern], "patternProperties", pattern))
		} else {
			p.say(a, b, "patternProperties %q is %s", pattern, p.either("new", "gone"))
		}
	}
}

// rest compares what holds for properties that are not named.
func (p *pass) rest(a, b view) {
	more := b.get("additionalProperties")
	if more == nil || more == true || a.get("additionalProperties") == false {
		return
	}
	if more != false {
		mine := a.get("additionalProperties")
		if mine == nil {
			mine = true
		}
		p.within(a.child(mine, "additionalProperties"), b.child(more, "additionalProperties"))
		return
	}
	f := finding{at: p.newer(a, b).at, text: p.either("takes no other properties any more", "other properties are possible now")}
	f.added = !p.forward
	p.found = append(p.found, f)
}

func (p *pass) arrays(a, b view) {
	pa, pb := a.list("prefixItems"), b.list("prefixItems")
	for i := range max(len(pa), len(pb)) {
		p.within(a.item(pa, i), b.item(pb, i))
	}
	if b.get("items") != nil {
		p.within(a.item(nil, 0), b.item(nil, 0))
	}
}

// item is the schema of the element i.
func (v view) item(prefix []any, i int) view {
	if i < len(prefix) {
		return v.child(prefix[i], "prefixItems", fmt.Sprint(i))
	}
	if items := v.get("items"); items != nil {
		return v.child(items, "items")
	}
	return v.child(true, "items")
}
