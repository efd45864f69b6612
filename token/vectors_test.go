package token

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// vectors is testdata/vectors.json: what any implementation must agree on.
type vectors struct {
	Parse []struct {
		In, Out, Scheme string
		Segments        []string
		Verb            Verb
		Units           int64
		Mode            string
	}
	Invalid []struct {
		In, Says, Hint string
		Column         int
	}
	Covers []struct {
		Have, Ask string
		OK        bool
	}
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParseVectors(t *testing.T) {
	for _, v := range readVectors(t).Parse {
		got, err := Parse(v.In)
		if err != nil {
			t.Errorf("Parse(%q): %v", v.In, err)
			continue
		}
		if got.String() != v.Out || got.Scheme() != v.Scheme || got.Verb() != v.Verb || got.Units() != v.Units || got.Mode().String() != v.Mode {
			t.Errorf("Parse(%q) = %q scheme %q verb %q units %d mode %v, want %+v", v.In, got, got.Scheme(), got.Verb(), got.Units(), got.Mode(), v)
		}
		if diff := cmp.Diff(v.Segments, got.Segments()); diff != "" {
			t.Errorf("Parse(%q).Segments (-want +got):\n%s", v.In, diff)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("Parse(%q) = %+v, %v; the canonical form must give the same token", got, again, err)
		}
		if got.IsPattern() {
			t.Errorf("Parse(%q).IsPattern() = true", v.In)
		}
	}
}

func TestInvalidVectors(t *testing.T) {
	for _, v := range readVectors(t).Invalid {
		_, err := Parse(v.In)
		f, ok := fault.As(err)
		if !ok || f.Code != fault.Invalid {
			t.Errorf("Parse(%q) = %v, want a fault.Invalid", v.In, err)
			continue
		}
		place := fmt.Sprintf("column %d: ", v.Column)
		if !strings.Contains(f.Message, place) || !strings.Contains(f.Message, v.Says) || !strings.Contains(f.Hint, v.Hint) {
			t.Errorf("Parse(%q): %q, hint %q; want %q, %q, hint %q", v.In, f.Message, f.Hint, place, v.Says, v.Hint)
		}
	}
}

func TestCoversVectors(t *testing.T) {
	for _, v := range readVectors(t).Covers {
		have, err := ParsePattern(v.Have)
		if err != nil {
			t.Fatal(err)
		}
		ask, err := ParsePattern(v.Ask)
		if err != nil {
			t.Fatal(err)
		}
		if got := have.Covers(ask); got != v.OK {
			t.Errorf("%s covers %s: %v, want %v", have, ask, got, v.OK)
		}
	}
}

// FuzzParse: whatever is accepted has one canonical form, covers itself, and is
// within the limits.
func FuzzParse(f *testing.F) {
	v := readVectors(f)
	for _, x := range v.Parse {
		f.Add(x.In)
	}
	for _, x := range v.Invalid {
		f.Add(x.In)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (Token, error){Parse, ParsePattern} {
			a, err := parse(s)
			if err != nil {
				if a != (Token{}) {
					t.Fatalf("%q: a token beside an error", s)
				}
				continue
			}
			b, err := parse(a.String())
			if err != nil || a != b {
				t.Fatalf("%q: canonical %q gives %+v, %v", s, a, b, err)
			}
			if !a.Covers(a) {
				t.Fatalf("%q does not cover itself", a)
			}
			if n := len(a.Segments()); len(a.String()) > MaxBytes || n < 1 || n > MaxDepth {
				t.Fatalf("%q: out of limits", a)
			}
		}
	})
}
