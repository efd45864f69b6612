package llm

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, s string) any {
	t.Helper()
	v, err := Decode(json.RawMessage(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

func TestLower(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		strict         bool
	}{
		{"optional becomes required and nullable; what has no keyword is told in words",
			`{"type":"object","properties":{"id":{"type":"string","minLength":2},"n":{"type":"integer","default":5,"minimum":0}},"required":["id"]}`,
			`{"type":"object","properties":{"id":{"type":"string","description":"(minLength 2)"},"n":{"type":["integer","null"],"minimum":0,"description":"(default 5)"}},"required":["id","n"],"additionalProperties":false}`, true},
		{"an optional enum may be null too",
			`{"type":"object","properties":{"k":{"enum":["a","b"]}}}`,
			`{"type":"object","properties":{"k":{"type":["string","null"],"enum":["a","b",null]}},"required":["k"],"additionalProperties":false}`, true},
		{"optional reference and oneOf; shared definitions are lowered as well",
			`{"type":"object","properties":{"o":{"$ref":"#/$defs/O"},"u":{"oneOf":[{"const":1},{"type":"string"}]}},"required":["u"],"$defs":{"O":{"type":"object","properties":{"x":{"type":"number"}}}}}`,
			`{"type":"object","properties":{"o":{"anyOf":[{"$ref":"#/$defs/O"},{"type":"null"}]},"u":{"anyOf":[{"type":"integer","enum":[1]},{"type":"string"}]}},"required":["o","u"],"additionalProperties":false,"$defs":{"O":{"type":"object","properties":{"x":{"type":["number","null"]}},"required":["x"],"additionalProperties":false}}}`, true},
		{"a root that is no object is wrapped",
			`{"type":"array","items":{"type":"string"}}`,
			`{"type":"object","properties":{"value":{"type":"array","items":{"type":"string"}}},"required":["value"],"additionalProperties":false}`, true},
		{"a root reference is followed",
			`{"$ref":"#/$defs/A","$defs":{"A":{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]}}}`,
			`{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"],"additionalProperties":false,"$defs":{"A":{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"],"additionalProperties":false}}}`, true},
		{"no parameters", `{"type":"object","properties":{}}`,
			`{"type":"object","properties":{},"required":[],"additionalProperties":false}`, true},
		{"a map cannot be strict and stays canonical",
			`{"type":"object","properties":{"m":{"type":"object","additionalProperties":{"type":"number"}}}}`,
			`{"type":"object","properties":{"m":{"type":"object","additionalProperties":{"type":"number"}}}}`, false},
		{"neither can any", `{}`, `{"type":"object","properties":{"value":{}},"required":["value"]}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := Lower(json.RawMessage(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(parse(t, c.want), parse(t, string(l.Schema))); d != "" || l.Strict != c.strict {
				t.Errorf("strict %v, want %v; schema (-want +got):\n%s", l.Strict, c.strict, d)
			}
		})
	}
}

func TestUndo(t *testing.T) {
	const order = `{"type":"object","properties":{"id":{"type":"string"},"n":{"type":"integer","default":5},"note":{"type":["string","null"]},"tag":{"type":"string"}},"required":["id"]}`
	const shape = `{"type":"object","properties":{"s":{"anyOf":[{"type":"object","properties":{"kind":{"const":"circle"},"r":{"type":"number"},"hint":{"type":"string"}},"required":["kind","r"]},{"type":"object","properties":{"kind":{"const":"box"},"w":{"type":"number","default":1}},"required":["kind"]}]}},"required":["s"]}`
	for _, c := range []struct{ name, schema, in, want string }{
		{"null is absent, then the default; a nullable stays null", order,
			`{"id":"A","n":null,"note":null,"tag":null}`, `{"id":"A","n":5,"note":null}`},
		{"a required null stays for the validator", order, `{"id":null,"n":1}`, `{"id":null,"n":1}`},
		{"the branch of a union that fits is undone", shape,
			`{"s":{"kind":"circle","r":2,"hint":null}}`, `{"s":{"kind":"circle","r":2}}`},
		{"and gets its defaults", shape, `{"s":{"kind":"box","w":null}}`, `{"s":{"kind":"box","w":1}}`},
		{"inside arrays and maps", `{"type":"array","items":{"type":"object","additionalProperties":{"type":"object","properties":{"x":{"type":"string"}}}}}`,
			`{"value":[{"k":{"x":null}}]}`, `[{"k":{}}]`},
		{"wrapped text", `{"type":"string"}`, `{"value":"hello"}`, `"hello"`},
		{"large numbers keep their digits", order, `{"id":"A","n":9007199254740993}`, `{"id":"A","n":9007199254740993}`},
		{"recursion", `{"$ref":"#/$defs/N","$defs":{"N":{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#/$defs/N"}},"required":["v"]}}}`,
			`{"v":1,"next":{"v":2,"next":null}}`, `{"v":1,"next":{"v":2}}`},
		{"a schema that only refers to itself ends", `{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}`, `{"value":1}`, `1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := Lower(json.RawMessage(c.schema))
			if err != nil {
				t.Fatal(err)
			}
			got, err := l.Undo(json.RawMessage(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(parse(t, c.want), parse(t, string(got))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	if _, err := (Lowered{}).Undo(json.RawMessage(`{"a":1} trailing`)); err == nil {
		t.Error("two values were taken for one")
	}
}

func TestResolve(t *testing.T) {
	c := Catalog{
		"local":  {Dialect: DialectLocal},
		"openai": {Dialect: DialectOpenAI, BaseURL: "https://api.example/v1", Prices: map[string]Price{"m": {Input: 1, Output: 2}}},
		"odd":    {Dialect: "smoke"},
		"bare":   {Dialect: DialectOpenAI},
	}
	for _, r := range []struct{ ref, model, code string }{
		{"", "planner", ""}, {"local:planner", "planner", ""}, {"openai:m", "m", ""}, {"openai:qwen3:8b", "qwen3:8b", ""},
		{"local:gpt", "", "not_found"}, {"who:m", "", "not_found"}, {"gpt-4o", "", "invalid"}, {"bare:m", "", "invalid"}, {"odd:m", "", "unimplemented"},
	} {
		got, err := c.Resolve(r.ref)
		if got.Model != r.model || code(err) != r.code {
			t.Errorf("%q: model %q, error %v; want %q, %q", r.ref, got.Model, err, r.model, r.code)
		}
	}
	got, _ := c.Resolve("openai:m")
	if usd := got.Price.Of(Usage{InputTokens: 1_000_000, OutputTokens: 500_000}); usd != 2 {
		t.Errorf("price %v, want 2", usd)
	}
}
