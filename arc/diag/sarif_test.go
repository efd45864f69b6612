package diag

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSARIF(t *testing.T) {
	var b strings.Builder
	msgs := []Message{
		{Severity: Error, Code: "ARC1011", Text: "two units", Hint: "rename", Place: Place{"src/a.ts", 3, 5, 4}, LineText: "  x();",
			Notes: []Note{{Text: "the first", Place: Place{"src/b.ts", 1, 1, 0}}, {Text: "placeless"}}},
		{Severity: Warning, Code: "ARC2014", Text: "a <comment>", Place: Place{File: "aria.toml"}},
		{Severity: Error, Code: "ARC1011", Text: "again"},
	}
	if err := SARIF(&b, msgs, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	at := func(path ...any) any {
		var v any = got
		for _, p := range path {
			switch p := p.(type) {
			case string:
				v = v.(map[string]any)[p]
			case int:
				v = v.([]any)[p]
			}
		}
		return v
	}
	for _, c := range []struct {
		shows string
		got   any
		want  any
	}{
		{"the version of the format", at("version"), "2.1.0"},
		{"each rule once", at("runs", 0, "tool", "driver", "rules"), []any{map[string]any{"id": "ARC1011"}, map[string]any{"id": "ARC2014"}}},
		{"the place", at("runs", 0, "results", 0, "locations", 0, "physicalLocation", "region"),
			map[string]any{"startLine": 3.0, "startColumn": 5.0, "endColumn": 9.0, "snippet": map[string]any{"text": "  x();"}}},
		{"the hint", at("runs", 0, "results", 0, "message", "text"), "two units\nhint: rename"},
		{"notes with a place", len(at("runs", 0, "results", 0, "relatedLocations").([]any)), 1},
		{"a whole file has no region", at("runs", 0, "results", 1, "locations", 0, "physicalLocation"),
			map[string]any{"artifactLocation": map[string]any{"uri": "aria.toml", "uriBaseId": "PROJECT"}}},
		{"a warning", at("runs", 0, "results", 1, "level"), "warning"},
		{"no file, no location", at("runs", 0, "results", 2).(map[string]any)["locations"], nil},
		{"the rule by number", at("runs", 0, "results", 2, "ruleIndex"), 0.0},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s:\n%s", c.shows, d)
		}
	}
}
