package diag

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrint(t *testing.T) {
	tests := []struct {
		name string
		msgs []Message
		want string
	}{
		{"no place", []Message{{Severity: Error, Code: "ARC1002", Text: "no units"}}, "error ARC1002: no units\n"},
		{"whole file", []Message{{Severity: Warning, Code: "ARC1", Text: "odd", Place: Place{File: "a.ts"}}}, "a.ts - warning ARC1: odd\n"},
		{
			"frame, note and hint",
			[]Message{{
				Severity: Error, Code: "ARC1004", Text: "twice", Place: Place{"src/a.ts", 10, 3, 2}, LineText: "\tx ab y", Hint: "rename one",
				Notes: []Note{{Text: "first", Place: Place{"src/b.ts", 2, 1, 1}, LineText: "q"}},
			}},
			`src/a.ts:10:3 - error ARC1004: twice

10  x ab y
     ~~

  src/b.ts:2:1 - first

  2 q
    ~

  hint: rename one
`,
		},
		{
			"a place past the line, and a control character",
			[]Message{{Severity: Error, Code: "X", Text: "a\x1b[2Jb", Place: Place{"a", 1, 99, 0}, LineText: "ü"}},
			"a:1:99 - error X: a\uFFFD[2Jb\n\n1 ü\n   ~\n",
		},
		{"a file's name, and code that would look like other code",
			[]Message{{Severity: Error, Code: "X", Text: "t", Place: Place{"a\x1b[2J", 1, 1, 1}, LineText: "if (\u202eok\u2066)"}},
			"a\uFFFD[2J:1:1 - error X: t\n\n1 if (\uFFFDok\uFFFD)\n  ~\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			Print(&b, tt.msgs, false)
			if d := cmp.Diff(tt.want, b.String()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestColorAddsOnlyColor(t *testing.T) {
	m := []Message{{Severity: Error, Code: "X", Text: "t", Place: Place{"a", 1, 1, 1}, LineText: "l"}}
	var plain, colored strings.Builder
	Print(&plain, m, false)
	Print(&colored, m, true)
	s := colored.String()
	for _, c := range []string{red, yellow, cyan, grey, invert, off} {
		s = strings.ReplaceAll(s, c, "")
	}
	if s != plain.String() || colored.String() == plain.String() {
		t.Errorf("without colour:\n%s\nwith it taken out:\n%s", plain.String(), s)
	}
}

func TestSort(t *testing.T) {
	at := func(line int) Message { return Message{Code: "X", Text: "t", Place: Place{File: "a", Line: line}} }
	got := Sort([]Message{at(3), at(1), at(3)})
	if d := cmp.Diff([]Message{at(1), at(3)}, got); d != "" {
		t.Error(d)
	}
}
