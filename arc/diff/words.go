package diff

import (
	"fmt"
	"reflect"
)

// words compares what schemas say to people and models, where both versions
// have the schema. Definitions are looked at where they are used.
func (r *Report) words(unit string, old, new view) {
	r.wordsAt(unit, old, new, map[[2]string]bool{})
}

func (r *Report) wordsAt(unit string, o, n view, seen map[[2]string]bool) {
	pair := [2]string{o.at, n.at}
	if seen[pair] {
		return
	}
	seen[pair] = true
	for _, key := range []string{"title", "description"} {
		was, _ := o.get(key).(string)
		is, _ := n.get(key).(string)
		if was != is {
			r.once(Change{Description, unit, n.child(nil, key).at, reworded(was, is)})
		}
	}
	for _, key := range []string{"default", "examples", "deprecated"} {
		if was, is := o.get(key), n.get(key); !reflect.DeepEqual(was, is) {
			r.once(Change{Schema, unit, n.child(nil, key).at, changed(show(was), show(is))})
		}
	}
	ro, rn := o.resolve(), n.resolve()
	if ro.at != o.at || rn.at != n.at {
		r.wordsAt(unit, ro, rn, seen)
		return
	}
	for _, key := range []string{"properties", "patternProperties"} {
		before, after := o.object(key), n.object(key)
		for _, name := range union(before, after) {
			if before[name] != nil && after[name] != nil {
				r.wordsAt(unit, o.child(before[name], key, name), n.child(after[name], key, name), seen)
			}
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if o.object(key) != nil && n.object(key) != nil {
			r.wordsAt(unit, o.child(o.get(key), key), n.child(n.get(key), key), seen)
		}
	}
	for _, key := range []string{"anyOf", "oneOf", "prefixItems"} {
		before, after := o.list(key), n.list(key)
		if len(before) != len(after) {
			continue // what belongs to what is a guess then
		}
		for i := range before {
			r.wordsAt(unit, o.child(before[i], key, fmt.Sprint(i)), n.child(after[i], key, fmt.Sprint(i)), seen)
		}
	}
}

// once notes a change unless it stands there already: a definition's words are
// met by every unit that uses it.
func (r *Report) once(c Change) {
	for _, had := range r.Changes {
		if had == c {
			return
		}
	}
	r.Changes = append(r.Changes, c)
}
