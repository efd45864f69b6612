package jsonc

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzPlain: JSON stays what it is, and nothing breaks it.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{`{"a":1 // b
}`, `{/**/"a":[1,2,],}`, `"// no"`, `{"a":"\\"}`, `/*`, `/`, `"`, `{"a":"b\`, `[1,,]`, `//`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		out := Plain(text)
		if !bytes.Equal(before, text) {
			t.Fatal("the input was changed")
		}
		var was, is any
		if json.Unmarshal(text, &was) == nil {
			if err := json.Unmarshal(out, &is); err != nil {
				t.Fatalf("%q was JSON and became %q", text, out)
			}
			a, _ := json.Marshal(was)
			b, _ := json.Marshal(is)
			if !bytes.Equal(a, b) {
				t.Fatalf("%q became %q", text, out)
			}
		}
	})
}

func TestPlain(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"line comment", "{\"a\":1 // b\n}", `{"a":1}`},
		{"block comment", `{/* "x": 2, */"a":1}`, `{"a":1}`},
		{"trailing commas", `{"a":[1,2,],}`, `{"a":[1,2]}`},
		{"a string that looks like a comment", `{"a":"// no, }", "b":"/* \" */,]"}`, `{"a":"// no, }","b":"/* \" */,]"}`},
		{"unfinished", `{"a":"b`, ``},
		{"unfinished comment", `{"a":1}/* `, `{"a":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got, want any
			err := json.Unmarshal(Plain([]byte(tt.in)), &got)
			if tt.want == "" {
				if err == nil {
					t.Errorf("no error, %v", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
				t.Fatal(err)
			}
			a, _ := json.Marshal(got)
			b, _ := json.Marshal(want)
			if !bytes.Equal(a, b) {
				t.Errorf("%s, want %s", a, b)
			}
		})
	}
}
