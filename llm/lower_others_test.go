package llm

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLowerForOthers(t *testing.T) {
	for _, c := range []struct{ name, schema, anthropic, gemini string }{ // "": not sayable, the plain schema goes
		{"an object with an optional property",
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":["integer","null"]}},"required":["a"],"additionalProperties":false}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":["integer","null"]}},"required":["a"],"additionalProperties":false}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer","nullable":true}},"required":["a"]}`},
		{"no object at the root",
			`{"type":"array","items":{"type":"string","minLength":2},"minItems":2}`,
			`{"type":"object","properties":{"value":{"type":"array","items":{"type":"string","description":"(minLength 2)"},"description":"(minItems 2)"}},"required":["value"],"additionalProperties":false}`,
			`{"type":"object","properties":{"value":{"type":"array","items":{"type":"string","minLength":2},"minItems":2}},"required":["value"]}`},
		{"constants and numbers",
			`{"type":"object","properties":{"k":{"const":"on"},"n":{"enum":[1,2]},"x":{"type":"number","exclusiveMinimum":0}},"required":["k"]}`,
			`{"type":"object","properties":{"k":{"const":"on"},"n":{"enum":[1,2]},"x":{"type":"number","description":"(exclusiveMinimum 0)"}},"required":["k"],"additionalProperties":false}`,
			`{"type":"object","properties":{"k":{"type":"string","format":"enum","enum":["on"]},"n":{"type":"integer","description":"(one of [1,2])"},"x":{"type":"number","description":"(exclusiveMinimum 0)"}},"required":["k"]}`},
		{"a union with null, and references",
			`{"type":"object","properties":{"p":{"oneOf":[{"$ref":"#/$defs/P"},{"type":"null"}]}},"required":["p"],"$defs":{"P":{"type":"object","properties":{"s":{"type":"string","format":"date"}},"required":["s"]}}}`,
			`{"type":"object","properties":{"p":{"anyOf":[{"$ref":"#/$defs/P"},{"type":"null"}]}},"required":["p"],"additionalProperties":false,"$defs":{"P":{"type":"object","properties":{"s":{"type":"string","format":"date"}},"required":["s"],"additionalProperties":false}}}`,
			`{"type":"object","properties":{"p":{"type":"object","nullable":true,"properties":{"s":{"type":"string","description":"(format date)"}},"required":["s"]}},"required":["p"]}`},
		{"several types",
			`{"type":"object","properties":{"v":{"type":["string","number"]}},"required":["v"]}`,
			`{"type":"object","properties":{"v":{"type":["string","number"]}},"required":["v"],"additionalProperties":false}`,
			`{"type":"object","properties":{"v":{"anyOf":[{"type":"string"},{"type":"number"}]}},"required":["v"]}`},
		{"recursion", `{"type":"object","properties":{"next":{"$ref":"#/$defs/N"}},"$defs":{"N":{"type":"object","properties":{"next":{"$ref":"#/$defs/N"}}}}}`, "", ""},
		{"a map", `{"type":"object","additionalProperties":{"type":"number"}}`, "", ""},
		{"anything", `{"type":"object","properties":{"any":{}}}`, "", ""},
		{"a tuple", `{"type":"object","properties":{"t":{"type":"array","prefixItems":[{"type":"string"}],"items":false}}}`, "", ""},
		{"a pattern of names", `{"type":"object","properties":{},"patternProperties":{"^x":{"type":"string"}}}`, "", ""},
	} {
		for _, d := range []struct {
			name, want string
			lower      func(json.RawMessage) (Lowered, error)
		}{{"anthropic", c.anthropic, LowerAnthropic}, {"gemini", c.gemini, LowerGemini}} {
			low, err := d.lower(json.RawMessage(c.schema))
			if err != nil {
				t.Fatal(err)
			}
			want := d.want
			if want == "" {
				want = c.schema
			}
			if diff := cmp.Diff(value(t, want), value(t, string(low.Schema))); diff != "" || low.Strict != (d.want != "") {
				t.Errorf("%s for %s: strict %v (-want +got):\n%s", c.name, d.name, low.Strict, diff)
			}
		}
	}
}

func value(t *testing.T, s string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%v: %s", err, s)
	}
	return v
}
