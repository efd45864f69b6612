package test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdField compares one field of JSON: field stdout messages.0.code TS2322.
// Without a value the field must exist; negated, it must not (or must differ).
// Of several lines (NDJSON) "@N" as first step takes line N from 0. "len" is the
// length of a list. =NAME as value keeps the field in the environment.
func cmdField(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: field FILE path [value | =NAME]")
	}
	got, ok := lookup(ts.ReadFile(args[0]), args[1])
	if len(args) == 3 && strings.HasPrefix(args[2], "=") {
		if !ok {
			ts.Fatalf("%s has no field %s", args[0], args[1])
		}
		ts.Setenv(args[2][1:], got)
		return
	}
	holds := ok && (len(args) == 2 || got == args[2])
	if holds == neg {
		ts.Fatalf("field %s of %s is %q (exists: %v)", args[1], args[0], got, ok)
	}
}

// lookup gives a string field as it is and anything else as compact JSON.
func lookup(text, path string) (string, bool) {
	steps := strings.Split(path, ".")
	if n, ok := strings.CutPrefix(steps[0], "@"); ok {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		i, err := strconv.Atoi(n)
		if err != nil || i >= len(lines) {
			return "", false
		}
		text, steps = lines[i], steps[1:]
	}
	var at any
	if json.Unmarshal([]byte(text), &at) != nil {
		return "", false
	}
	for _, step := range steps {
		switch v := at.(type) {
		case map[string]any:
			next, ok := v[step]
			if !ok {
				return "", false
			}
			at = next
		case []any:
			if step == "len" {
				return strconv.Itoa(len(v)), true
			}
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return "", false
			}
			at = v[i]
		default:
			return "", false
		}
	}
	if s, ok := at.(string); ok {
		return s, true
	}
	b, err := json.Marshal(at)
	return string(b), err == nil
}

func TestLookup(t *testing.T) {
	const text = `{"a":[{"b":"x"},{"b":2}],"n":null}` + "\n"
	for path, want := range map[string]string{"a.0.b": "x", "a.1.b": "2", "a.len": "2", "n": "null", "@0.a.0": `{"b":"x"}`} {
		if got, ok := lookup(text, path); !ok || got != want {
			t.Errorf("%s = %q, %v, want %q", path, got, ok, want)
		}
	}
	for _, path := range []string{"c", "a.2", "a.0.b.c", "@1.a", "a.x"} {
		if got, ok := lookup(text, path); ok {
			t.Errorf("%s = %q, want nothing", path, got)
		}
	}
}
