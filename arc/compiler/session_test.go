package compiler

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/arc/diag"
)

// TestSession: after each change a session says what a build from nothing says,
// and makes the same bytes.
func TestSession(t *testing.T) {
	p := example(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(p.Dir)); err != nil {
		t.Fatal(err)
	}
	p.Dir = dir
	path := func(name string) string { return filepath.Join(dir, "src", name) }
	read := func(name string) string {
		text, err := os.ReadFile(path(name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	orders, refund := read("orders.ts"), read("refund.ts")
	s := &Session{}
	defer s.Close()
	for _, step := range []struct {
		name, file, text string
		fails            bool
		unknown          bool // the session is told nothing
	}{
		{name: "first", file: "refund.ts", text: refund, unknown: true},
		{name: "a comment", file: "orders.ts", text: orders + "\n// more\n"},
		{name: "a type error", file: "orders.ts", text: orders + "\nconst n: number = 'x';\n", fails: true},
		{name: "no syntax", file: "orders.ts", text: orders + "\nclass {\n", fails: true},
		{name: "as it was", file: "orders.ts", text: orders},
		{name: "another description", file: "orders.ts", text: strings.Replace(orders, "/**", "/** Indeed. ", 1)},
		{name: "a new import that leads nowhere", file: "refund.ts", text: "import { x } from './new.ts';\n" + refund + "\nvoid x;\n", fails: true},
		{name: "the file it needs", file: "new.ts", text: "export const x = 1;\n"},
		{name: "the file it needs is gone", file: "new.ts", fails: true, unknown: true},
		{name: "as it was", file: "refund.ts", text: refund},
	} {
		if step.text == "" {
			if err := os.Remove(path(step.file)); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path(step.file), []byte(step.text), 0o644); err != nil {
			t.Fatal(err)
		}
		changed := []string{path(step.file)}
		if step.unknown {
			changed = nil
		}
		got, err := s.Build(context.Background(), Options{Project: p}, changed)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Build(context.Background(), Options{Project: p})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bundle, want.Bundle) || text(got) != text(want) {
			t.Errorf("%s: the session says\n%sbut a build from nothing\n%s", step.name, text(got), text(want))
		}
		if step.fails != diag.HasErrors(got.Messages) {
			t.Errorf("%s: fails %v, want %v\n%s", step.name, !step.fails, step.fails, text(got))
		}
	}
}

func text(r *Result) string {
	var b bytes.Buffer
	diag.Print(&b, r.Messages, false)
	return b.String()
}

// TestRebuildIsQuick: the promise is 15 ms; a test machine is given three times that.
func TestRebuildIsQuick(t *testing.T) {
	took := rebuilds(t, 15)
	t.Logf("rebuild of one file: min %v, median %v", took[0], took[len(took)/2])
	if took[0] > 45*time.Millisecond {
		t.Errorf("the quickest of %d rebuilds took %v", len(took), took[0])
	}
}

// rebuilds changes one file of the example n times and gives the sorted times.
func rebuilds(t testing.TB, n int) []time.Duration {
	t.Helper()
	p := example(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(p.Dir)); err != nil {
		t.Fatal(err)
	}
	p.Dir = dir
	at := filepath.Join(dir, "src", "orders.ts")
	text, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{}
	defer s.Close()
	var took []time.Duration
	for i := range n + 1 {
		if err := os.WriteFile(at, append(text, strings.Repeat("// more\n", i)...), 0o644); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		res, err := s.Build(context.Background(), Options{Project: p}, []string{at})
		if err != nil || res.Bundle == nil {
			t.Fatalf("no bundle: %v", err)
		}
		if i > 0 {
			took = append(took, time.Since(start))
		}
	}
	slices.Sort(took)
	return took
}
