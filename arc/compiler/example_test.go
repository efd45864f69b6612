package compiler

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/bundle"
)

// TestExample: the project that a newcomer builds first has no complaint, and
// what comes out can be opened.
func TestExample(t *testing.T) {
	res := build(t, example(t))
	b, err := bundle.Open(res.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	if b.Digest != res.Digest {
		t.Errorf("digest %s, opened %s", res.Digest, b.Digest)
	}
	for _, u := range b.Manifest.Units {
		if u.Entry == nil {
			continue
		}
		code, err := b.File(u.Entry.Code)
		if err != nil || !strings.Contains(string(code), "export {") {
			t.Errorf("%s: no exports in %s (%v)", u.Name, u.Entry.Code, err)
		}
	}
	t.Logf("%+v, %d bytes, %d units", res.Timings, len(res.Bundle), len(b.Manifest.Units))
}

func example(t testing.TB) Project {
	t.Helper()
	dir, err := filepath.Abs("../../examples/orders")
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "src", "*.ts"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	p := Project{Dir: dir, Name: "orders", Version: "0.1.0"}
	for _, n := range names {
		if !strings.HasSuffix(n, ".test.ts") {
			p.Files = append(p.Files, "src/"+filepath.Base(n))
		}
	}
	return p
}

// build demands a bundle.
func build(t testing.TB, p Project) *Result {
	t.Helper()
	res, err := Build(context.Background(), Options{Project: p})
	if err != nil {
		t.Fatal(err)
	}
	if res.Bundle == nil {
		diag.Print(os.Stderr, res.Messages, false)
		t.Fatal("there is no bundle")
	}
	return res
}

func BenchmarkExample(b *testing.B) {
	p := example(b)
	for b.Loop() {
		build(b, p)
	}
}
