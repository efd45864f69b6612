package test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestCommonJSPackage runs a unit whose npm package calls require().
func TestCommonJSPackage(t *testing.T) {
	a, err := txtar.ParseFile("testdata/commonjs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range a.Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := needPair(t)
	if out, code := p.arc(t, "upload", dir); code != 0 {
		t.Fatalf("upload: exit code %d\n%s", code, out)
	}
	r, code := p.run(t, "old.look", `{}`)
	if want := `["events","e3b0c442","a/b","MODULE_NOT_FOUND"]`; r.State != "done" || code != 0 || string(r.Output) != want {
		t.Errorf("ended as %s with %s (%s), exit code %d; want %s", r.State, r.Output, r.Error.Message, code, want)
	}
}
