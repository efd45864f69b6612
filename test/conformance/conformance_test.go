package conformance

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
)

// TestScore: no case that agreed may differ, no reason may outlive its case, and
// at least nine of ten agree. In a clone without the data the table alone is held
// to the floor.
func TestScore(t *testing.T) {
	dir, _ := Find("../..")
	s, err := Compare(dir, func(Outcome) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range s.Wrong {
		t.Error(w)
	}
	if !s.OK() {
		t.Error(s)
	}
}

// TestCompare: the comparison finds differences that are there.
func TestCompare(t *testing.T) {
	for _, c := range []struct {
		shows, theirs, ours string
		same                bool
	}{
		{"the same in other words", `{"anyOf":[{"type":"string"},{"type":"null"}]}`, `{"type":["string","null"]}`, true},
		{"a definition and the thing itself", `{"$ref":"#/definitions/A","definitions":{"A":{"enum":["x"]}}}`, `{"const":"x"}`, true},
		{"a member more that is required", `{"type":"object","properties":{"a":{"type":"string"}}}`, `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`, false},
		{"open and closed", `{"type":"object","properties":{"a":{"type":"string"}}}`, `{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`, false},
		{"a limit", `{"type":"number","minimum":0}`, `{"type":"number"}`, false},
		{"integer and number", `{"type":"integer"}`, `{"type":"number"}`, false},
		{"a pattern", `{"type":"string","pattern":"^[ab]+$"}`, `{"type":"string","pattern":"^a[ab]*$"}`, false},
		{"a longer tuple", `{"type":"array","items":[{"type":"string"}],"minItems":1}`, `{"type":"array","prefixItems":[{"type":"string"}],"items":false,"minItems":1}`, false},
		{"deep inside", `{"type":"array","items":{"type":"object","properties":{"x":{"type":"boolean"}}}}`, `{"type":"array","items":{"type":"object","properties":{"x":{"const":true}}}}`, false},
	} {
		t.Run(c.shows, func(t *testing.T) {
			theirs, err := parse([]byte(c.theirs))
			if err != nil {
				t.Fatal(err)
			}
			ours, err := parse([]byte(c.ours))
			if err != nil {
				t.Fatal(err)
			}
			detail, err := compare(c.shows, theirs, ours)
			if err != nil {
				t.Fatal(err)
			}
			if (detail == "") != c.same {
				t.Errorf("difference: %q", detail)
			}
		})
	}
}

// TestSeeded: a difference that was seen once is seen again.
func TestSeeded(t *testing.T) {
	s, err := parse([]byte(`{"type":"object","properties":{"a":{"type":"array","items":{"type":"number"}},"b":{}},"additionalProperties":{"type":"string"}}`))
	if err != nil {
		t.Fatal(err)
	}
	var runs [2]string
	for i := range runs {
		r := rand.New(rand.NewPCG(7, 1))
		for n := range 100 {
			raw, err := json.Marshal(instance(r, s, s, n))
			if err != nil {
				t.Fatal(err)
			}
			runs[i] += string(raw)
		}
	}
	if runs[0] != runs[1] {
		t.Error("two runs of one seed differ")
	}
}
