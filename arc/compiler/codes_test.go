package compiler

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCodes: every code in the source stands in docs/spec/diagnostics.md, and
// the page lists none that is gone.
func TestCodes(t *testing.T) {
	inSource := map[string]bool{}
	for _, glob := range []string{"*.go", "tsc/*.go"} {
		names, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if strings.HasSuffix(n, "_test.go") {
				continue
			}
			text, err := os.ReadFile(n)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range regexp.MustCompile(`"(ARC\d{4})"`).FindAllStringSubmatch(string(text), -1) {
				inSource[c[1]] = true
			}
		}
	}
	page, err := os.ReadFile("../../docs/spec/diagnostics.md")
	if err != nil {
		t.Fatal(err)
	}
	onPage := map[string]bool{}
	for _, c := range regexp.MustCompile(`(?m)^\| (ARC\d{4}) `).FindAllStringSubmatch(string(page), -1) {
		onPage[c[1]] = true
		if !inSource[c[1]] {
			t.Errorf("%s stands on the page but not in the source", c[1])
		}
	}
	for c := range inSource {
		if !onPage[c] {
			t.Errorf("%s stands in the source but not on the page", c)
		}
	}
	if len(inSource) < 40 {
		t.Errorf("only %d codes found", len(inSource))
	}
}
