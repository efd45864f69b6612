package diff

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Each case: what a caller can fall over, and what merely differs, when the
// schema is an input and when it is an output.
func TestSchema(t *testing.T) {
	const obj = `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`
	for _, c := range []struct {
		name, old, new    string
		inBreaks, inNotes []string
		outBreaks         []string
		outNotes          []string
	}{
		{name: "the same", old: obj, new: obj},
		{name: "required added", old: obj,
			new:       `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number"}},"required":["a","b"],"additionalProperties":false}`,
			inBreaks:  []string{"/input/properties/b is now required"},
			inNotes:   []string{"/input/properties/b is new"},
			outNotes:  []string{"/output/properties/b is new", "/output/properties/b is now required"},
			outBreaks: nil},
		{name: "optional added", old: obj,
			new:      `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number"}},"required":["a"],"additionalProperties":false}`,
			inNotes:  []string{"/input/properties/b is new"},
			outNotes: []string{"/output/properties/b is new"}},
		{name: "property removed", old: obj, new: `{"type":"object","additionalProperties":false}`,
			inBreaks:  []string{"/input/properties/a is gone"},
			inNotes:   []string{"/input/properties/a is no longer required"},
			outBreaks: []string{"/output/properties/a is no longer required", "/output/properties/a is gone"}},
		{name: "optional now", old: obj, new: `{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`,
			inNotes:   []string{"/input/properties/a is no longer required"},
			outBreaks: []string{"/output/properties/a is no longer required"}},
		{name: "another type", old: `{"type":"string"}`, new: `{"type":"number"}`,
			inBreaks: []string{`/input type "string" → "number"`}, outBreaks: []string{`/output type "string" → "number"`}},
		{name: "number to integer", old: `{"type":"number"}`, new: `{"type":"integer"}`,
			inBreaks: []string{`/input type "number" → "integer"`}, outNotes: []string{`/output type "number" → "integer"`}},
		{name: "null no longer", old: `{"anyOf":[{"type":"string"},{"type":"null"}]}`, new: `{"type":"string"}`,
			inBreaks: []string{"/input null is gone"}, outNotes: []string{"/output null is gone"}},
		{name: "null too, as a list of types", old: `{"type":"string"}`, new: `{"type":["string","null"]}`,
			inNotes: []string{"/input null is new"}, outBreaks: []string{"/output null is new"}},
		{name: "enum", old: `{"type":"string","enum":["a","b"]}`, new: `{"type":"string","enum":["b","c"]}`,
			inBreaks: []string{`/input value "a" is gone`}, inNotes: []string{`/input value "c" is new`},
			outBreaks: []string{`/output value "c" is new`}, outNotes: []string{`/output value "a" is gone`}},
		{name: "enum from string", old: `{"type":"string"}`, new: `{"type":"string","enum":["b"]}`,
			inBreaks: []string{`/input values "string" → ["b"]`}, outNotes: []string{`/output values "string" → ["b"]`}},
		{name: "bounds", old: `{"type":"number","minimum":0,"maximum":10}`, new: `{"type":"number","minimum":1,"maximum":20}`,
			inBreaks: []string{"/input minimum 0 → 1"}, inNotes: []string{"/input maximum 10 → 20"},
			outBreaks: []string{"/output maximum 10 → 20"}, outNotes: []string{"/output minimum 0 → 1"}},
		{name: "pattern", old: `{"type":"string"}`, new: `{"type":"string","pattern":"^a"}`,
			inBreaks: []string{`/input pattern none → "^a"`}, outNotes: []string{`/output pattern none → "^a"`}},
		{name: "closed", old: `{"type":"object"}`, new: `{"type":"object","additionalProperties":false}`,
			inBreaks: []string{"/input takes no other properties any more"}, outNotes: []string{"/output takes no other properties any more"}},
		{name: "map values", old: `{"type":"object","additionalProperties":{"type":"string"}}`, new: `{"type":"object","additionalProperties":{"type":"number"}}`,
			inBreaks:  []string{`/input/additionalProperties type "string" → "number"`},
			outBreaks: []string{`/output/additionalProperties type "string" → "number"`}},
		{name: "array items", old: `{"type":"array","items":{"type":"number"}}`, new: `{"type":"array","items":{"type":"integer"}}`,
			inBreaks: []string{`/input/items type "number" → "integer"`}, outNotes: []string{`/output/items type "number" → "integer"`}},
		{name: "in a definition", old: `{"$ref":"#/$defs/Old"}`, new: `{"$ref":"#/$defs/New"}`,
			inBreaks:  []string{`/$defs/New/properties/n type "string" → "number"`},
			outBreaks: []string{`/$defs/New/properties/n type "string" → "number"`}},
		{name: "a union's member", old: `{"oneOf":[{"type":"object","properties":{"k":{"const":"x"},"v":{"type":"string"}}},{"type":"object","properties":{"k":{"const":"y"}}}]}`,
			new:       `{"oneOf":[{"type":"object","properties":{"k":{"const":"y"}}},{"type":"object","properties":{"k":{"const":"x"},"v":{"type":"number"}}}]}`,
			inBreaks:  []string{`/input/oneOf/1/properties/v type "string" → "number"`},
			outBreaks: []string{`/output/oneOf/1/properties/v type "string" → "number"`}},
		{name: "not comparable", old: `{"type":"string"}`, new: `{"type":"string","not":{"const":"a"}}`,
			inBreaks: []string{"/input not differs in a way that cannot be compared"}, outNotes: []string{"/output not differs in a way that cannot be compared"}},
		{name: "words", old: `{"type":"string","description":"a","default":"x"}`, new: `{"type":"string","description":"b","default":"y"}`,
			inNotes:  []string{`/input/description "a" → "b"`, `/input/default "x" → "y"`},
			outNotes: []string{`/output/description "a" → "b"`, `/output/default "x" → "y"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			old := schemas{json.RawMessage(c.old), decodeAll(map[string]json.RawMessage{"Old": []byte(ring("Old", "string"))})}
			new := schemas{json.RawMessage(c.new), decodeAll(map[string]json.RawMessage{"New": []byte(ring("New", "number"))})}
			for as, want := range map[role][2][]string{input: {c.inBreaks, c.inNotes}, output: {c.outBreaks, c.outNotes}} {
				var r Report
				r.schema("u", as, old, new)
				if diff := cmp.Diff(want, [2][]string{lines(r.Breaking), lines(r.Changes)}); diff != "" {
					t.Errorf("%s (-want +got):\n%s", as, diff)
				}
			}
		})
	}
}

// ring is a definition that names itself.
func ring(self, n string) string {
	return `{"type":"object","properties":{"n":{"type":"` + n + `"},"next":{"$ref":"#/$defs/` + self + `"}}}`
}

func lines(list []Change) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.Pointer+" "+c.Text)
	}
	return out
}

// A reference that names itself alone ends.
func TestEndlessReference(t *testing.T) {
	s := schemas{json.RawMessage(`{"$ref":"#/$defs/A"}`), decodeAll(map[string]json.RawMessage{"A": []byte(`{"$ref":"#/$defs/A"}`)})}
	var r Report
	r.schema("u", input, s, s)
	if len(r.Breaking) != 0 {
		t.Errorf("it breaks with itself: %v", r.Breaking)
	}
}

// Unions in unions are tried pair by pair: a hostile one is given up soon, and
// counts as breaking.
func TestHugeUnion(t *testing.T) {
	nested := func(leaf string) string {
		s := `{"type":"` + leaf + `"}`
		for range 12 {
			box := `{"type":"object","properties":{"a":` + s + `}}`
			s = `{"anyOf":[` + box + "," + box + "," + box + `]}`
			if len(s) > 1<<20 {
				break
			}
		}
		return s
	}
	begin := time.Now()
	var r Report
	r.schema("u", input, schemas{raw: json.RawMessage(nested("string"))}, schemas{raw: json.RawMessage(nested("number"))})
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	if !slices.ContainsFunc(r.Breaking, func(c Change) bool { return c.Text == "is too large to compare" }) {
		t.Errorf("%d findings, none says that it gave up", len(r.Breaking))
	}
}
