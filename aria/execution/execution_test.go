package execution

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

func unit(input string, params ...string) registry.Unit {
	return registry.Unit{Unit: &bundle.Unit{Name: "u", Kind: bundle.Tool, Params: params, Input: json.RawMessage(input), Output: json.RawMessage(`{}`)}}
}

func shapeOf(t *testing.T, u registry.Unit) *shape {
	t.Helper()
	s, err := newShape(u, "input", u.Input)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestComplete(t *testing.T) {
	const schema = `{"type":"object","additionalProperties":false,"required":["id"],"properties":{
		"id":{"type":"string","minLength":2,"pattern":"^[A-Z]"},"n":{"type":"integer","minimum":0,"maximum":9,"default":3},
		"when":{"type":"string","format":"date-time"},"tags":{"type":"array","items":{"type":"string"},"maxItems":2},
		"in":{"type":"object","properties":{"deep/er":{"type":"number"},"d":{"type":"boolean","default":true}}},
		"kind":{"enum":["a","b"]},"x":{"anyOf":[{"type":"string"},{"type":"object","required":["y"],"properties":{"y":{"type":"number"}}}]}}}`
	for _, c := range []struct{ shows, input, want, message string }{
		{"defaults, nested too", `{"id":"AB","in":{}}`, `{"id":"AB","in":{"d":true},"n":3}`, ""},
		{"big numbers stay exact", `{"id":"AB","in":{"deep/er":12345678901234567890.5}}`, `{"id":"AB","in":{"d":true,"deep/er":12345678901234567890.5},"n":3}`, ""},
		{"minimum", `{"id":"AB","n":-5}`, "", "input /n: must be at least 0, got -5"},
		{"maximum", `{"id":"AB","n":10}`, "", "input /n: must be at most 9, got 10"},
		{"type", `{"id":7}`, "", "input /id: must be string, got number"},
		{"length", `{"id":"A"}`, "", "input /id: must have at least 2 characters, got 1"},
		{"pattern", `{"id":"ab"}`, "", `input /id: must match ^[A-Z], got "ab"`},
		{"format", `{"id":"AB","when":"noon"}`, "", `input /when: must be a date-time, got "noon"`},
		{"enum", `{"id":"AB","kind":"c"}`, "", `input /kind: must be one of "a", "b", got "c"`},
		{"inside an array", `{"id":"AB","tags":["x",1]}`, "", "input /tags/1: must be string, got number"},
		{"too many", `{"id":"AB","tags":["x","y","z"]}`, "", "input /tags: must have at most 2 items, got 3"},
		{"slashes are escaped", `{"id":"AB","in":{"deep/er":"x"}}`, "", "input /in/deep~1er: must be number, got string"},
		{"missing", `{}`, "", `input: needs "id"`},
		{"unknown", `{"id":"AB","nn":1}`, "", `input: has no "nn"`},
		{"not an object", `[]`, "", "input: must be object, got array"},
		{"a union names the branch that got furthest", `{"id":"AB","x":{"y":"1"}}`, "", "input /x/y: must be number, got string"},
		{"a union that nothing fits", `{"id":"AB","x":5}`, "", "input /x: fits none of the forms it may have"},
		{"two values", `{"id":"AB"} {}`, "", "the input is not JSON"},
	} {
		s := shapeOf(t, unit(schema))
		got, err := s.complete(json.RawMessage(c.input))
		if c.message == "" {
			if err != nil || string(got) != c.want {
				t.Errorf("%s: %s %v", c.shows, got, err)
			}
			continue
		}
		f, ok := fault.As(err)
		if !ok || f.Code != fault.Invalid || !strings.HasPrefix(f.Message, c.message) || f.Hint == "" {
			t.Errorf("%s: %v", c.shows, err)
		}
	}
}

func TestRemoteSchemaIsNotRead(t *testing.T) {
	u := unit(`{"type":"object","properties":{"a":{"$ref":"http://127.0.0.1:1/x.json"}}}`)
	if _, err := newShape(u, "input", u.Input); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}

func TestPositions(t *testing.T) {
	for _, c := range []struct {
		shows, input, want string
		rest               bool
	}{
		{"in order", `{"b":2,"a":1,"c":3}`, `[1,2,3]`, false},
		{"optional ones at the end are left out", `{"a":1}`, `[1]`, false},
		{"one before a present one is null", `{"a":1,"c":3}`, `[1,null,3]`, false},
		{"none", `{}`, `[]`, false},
		{"the rest spreads", `{"a":1,"b":2,"c":[3,4]}`, `[1,2,3,4]`, true},
		{"an empty rest", `{"a":1,"b":2,"c":[]}`, `[1,2]`, true},
	} {
		v, err := decode([]byte(c.input))
		if err != nil {
			t.Fatal(err)
		}
		args, paths := positions(&bundle.Unit{Params: []string{"a", "b", "c"}, Rest: c.rest}, v)
		got, _ := json.Marshal(args)
		if string(got) != c.want || len(paths) != len(args) {
			t.Errorf("%s: %s with %d paths", c.shows, got, len(paths))
		}
	}
}

func TestRevive(t *testing.T) {
	const date = `{"type":"string","x-aria-type":"date"}`
	for _, c := range []struct {
		shows, schema, input string
		want                 []place
	}{
		{"an argument itself", `{"properties":{"a":` + date + `}}`, `{"a":"2026-01-01"}`, []place{{0, "", "date"}}},
		{"elements share a place", `{"properties":{"a":{"type":"array","items":{"properties":{"at":` + date + `}}}}}`,
			`{"a":[{"at":"x"},{"at":"y"}]}`, []place{{0, "/*/at", "date"}}},
		{"of a union, only the elements that are rich", `{"properties":{"a":{"type":"array","items":{"anyOf":[{"type":"number"},` + date + `]}}}}`,
			`{"a":[1,"x"]}`, []place{{0, "/1", "date"}}},
		{"a recursive type ends with the value", `{"properties":{"a":{"$ref":"#/$defs/T"}},"$defs":{"T":{"type":"object","properties":{"at":` + date + `,"kids":{"type":"array","items":{"$ref":"#/$defs/T"}}}}}}`,
			`{"a":{"at":"x","kids":[{"at":"y"}]}}`, []place{{0, "/at", "date"}, {0, "/kids/*/at", "date"}}},
		{"what lies in a map comes before the map", `{"properties":{"a":{"type":"object","x-aria-type":"map","additionalProperties":` + date + `}}}`,
			`{"a":{"k/1":"x"}}`, []place{{0, "/k~11", "date"}, {0, "", "map"}}},
		{"keys by pattern", `{"properties":{"a":{"type":"object","patternProperties":{"^at_":` + date + `},"additionalProperties":{"type":"string"}}}}`,
			`{"a":{"at_1":"x","note":"y"}}`, []place{{0, "/at_1", "date"}}},
		{"branches told apart by an optional const", `{"properties":{"a":{"anyOf":[
			{"type":"object","properties":{"kind":{"const":"plain"},"at":{"type":"string"}}},
			{"type":"object","properties":{"kind":{"const":"rich"},"at":` + date + `}}]}}}`,
			`{"a":{"kind":"rich","at":"x"}}`, []place{{0, "/at", "date"}}},
		{"the other branch", `{"properties":{"a":{"anyOf":[
			{"type":"object","properties":{"kind":{"const":"plain"},"at":{"type":"string"}}},
			{"type":"object","properties":{"kind":{"const":"rich"},"at":` + date + `}}]}}}`,
			`{"a":{"kind":"plain","at":"x"}}`, nil},
		{"by a discriminator one level down", `{"properties":{"a":{"oneOf":[
			{"type":"object","required":["head"],"properties":{"head":{"type":"object","properties":{"v":{"const":1}}},"n":{"type":"string"}}},
			{"type":"object","required":["head"],"properties":{"head":{"type":"object","properties":{"v":{"const":2}}},"n":{"type":"string","x-aria-type":"bigint"}}}]}}}`,
			`{"a":{"head":{"v":2},"n":"5"}}`, []place{{0, "/n", "bigint"}}},
		{"by shape: what has no place in a branch", `{"properties":{"a":{"anyOf":[
			{"type":"object","additionalProperties":false,"properties":{"at":{"type":"string"}}},
			{"type":"object","additionalProperties":false,"properties":{"at":` + date + `,"zone":{"type":"string"}}}]}}}`,
			`{"a":{"at":"x","zone":"y"}}`, []place{{0, "/at", "date"}}},
		{"by shape: the types of members", `{"properties":{"a":{"anyOf":[
			{"type":"object","properties":{"n":{"type":"number"},"at":{"type":"string"}}},
			{"type":"object","properties":{"n":{"type":"string"},"at":` + date + `}}]}}}`,
			`{"a":{"n":"1","at":"x"}}`, []place{{0, "/at", "date"}}},
		{"null stays null", `{"properties":{"a":{"anyOf":[` + date + `,{"type":"null"}]}}}`, `{"a":null}`, nil},
		{"plain values need nothing", `{"properties":{"a":{"type":"string"}}}`, `{"a":"x"}`, nil},
	} {
		s := shapeOf(t, unit(c.schema, "a"))
		v, err := decode([]byte(c.input))
		if err != nil {
			t.Fatal(err)
		}
		args, paths := positions(&bundle.Unit{Params: []string{"a"}}, v)
		if diff := cmp.Diff(c.want, s.revive(args, paths)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.shows, diff)
		}
	}
}

func TestStack(t *testing.T) {
	// Line 3 of the code is line 5, column 10 of the source.
	const sourceMap = `{"version":3,"sources":["../source/src/shop.ts"],"names":[],"mappings":";;AAIS"}`
	m := &bundle.Manifest{Aria: "1", Name: "shop", Version: "1.0.0", Builder: bundle.Builder{Arc: "0.1.0", TypeScript: "7.0.2", Esbuild: "0.28.2"},
		Units: []bundle.Unit{{Name: "u", Kind: bundle.Tool, Entry: &bundle.Entry{Code: "code/shop.js", Export: "A"},
			Input: json.RawMessage(`{}`), Output: json.RawMessage(`{}`)}}}
	data, _, err := bundle.Pack(m, map[string][]byte{"code/shop.js": []byte("a\nb\nc\n"), "code/shop.js.map": []byte(sourceMap), "source/src/shop.ts": []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	p := &plan{bundle: b}
	end := tokenapi.Ended{Reason: "error", Name: "RangeError", Error: &fault.Error{Code: fault.Failed, Message: "too far", Stack: "RangeError: too far\n" +
		"    at get (code/shop.js:3:1)\n    at /tmp/unit/code/shop.js:3:9\n    at unknown (code/none.js:1:1)\n    at processTicks (node:internal/x:1:1)\n    at run (/harness.js:9:9)"}}
	f, ok := fault.As(p.blame(end))
	want := "RangeError: too far\n    at get (src/shop.ts:5:10)\n    at src/shop.ts:5:10\n    at unknown (code/none.js:1:1)"
	if !ok || f.Message != "RangeError: too far" {
		t.Errorf("message %v", f)
	}
	if diff := cmp.Diff(want, f.Stack); diff != "" {
		t.Errorf("stack (-want +got):\n%s", diff)
	}
	if end.Error.Message != "too far" {
		t.Error("the given error was changed")
	}
}

func TestAllowedRetries(t *testing.T) {
	failed := func(retryable bool) tokenapi.Ended {
		return tokenapi.Ended{Reason: "error", Error: fault.New(fault.Failed, "x"), Retryable: retryable}
	}
	lost := fault.New(fault.Interrupted, "quiltd went away")
	for _, c := range []struct {
		shows string
		unit  bundle.Unit
		end   tokenapi.Ended
		err   error
		began bool
		want  int
	}{
		{"nobody asked for any", bundle.Unit{}, failed(true), nil, false, 0},
		{"as many as the unit says", bundle.Unit{Retries: 4}, failed(true), nil, false, 4},
		{"never after a TerminalError", bundle.Unit{Retries: 4}, failed(false), nil, false, 0},
		{"a lost execution of any unit may have done something", bundle.Unit{}, tokenapi.Ended{}, lost, false, 0},
		{"an idempotent one may run again", bundle.Unit{Idempotent: true}, tokenapi.Ended{}, lost, false, idempotentRetries},
		{"idempotent is no reason to repeat a thrown error", bundle.Unit{Idempotent: true}, failed(true), nil, false, 0},
		{"a deadlock ran nothing", bundle.Unit{}, tokenapi.Ended{Reason: "deadlock"}, nil, false, deadlockRetries},
		{"one inside a transaction did what came before", bundle.Unit{}, tokenapi.Ended{Reason: "deadlock"}, nil, true, 0},
		{"and may run again if that may happen twice", bundle.Unit{Idempotent: true}, tokenapi.Ended{Reason: "deadlock"}, nil, true, idempotentRetries},
		{"memory will not grow by trying", bundle.Unit{Retries: 3}, tokenapi.Ended{Reason: "oom"}, nil, false, 0},
		{"cancelled is cancelled", bundle.Unit{Retries: 3}, tokenapi.Ended{}, fault.New(fault.Cancelled, "x"), false, 0},
	} {
		if got := allowed(registry.Unit{Unit: &c.unit}, c.end, c.err, c.began); got != c.want {
			t.Errorf("%s: %d, want %d", c.shows, got, c.want)
		}
	}
}
