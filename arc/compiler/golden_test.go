package compiler

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ariacomputecompany/firmware/arc/cell"
	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite the want files of testdata/*.txtar")

// TestMain lets this program be the inside of a cell, as arc is.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == cell.Word {
		os.Exit(cell.Enter())
	}
	os.Exit(m.Run())
}

// TestGolden builds every project of testdata. The one file named want/… is what
// must come out: want/manifest.json if there is a bundle, want/warnings if there
// are complaints beside it, want/messages if it is refused.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) < 150 {
		t.Fatalf("%d archives, %v", len(archives), err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			o := Options{Project: unpack(t, a)}
			if slices.ContainsFunc(a.Files, func(f txtar.File) bool { return f.Name == "reflect" }) {
				o.Bun = testenv.Bun(t)
			}
			res, err := Build(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			got := outcome(t, res)
			if *update {
				a.Files = append(withoutWant(a.Files), got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == got.Name })
			if i < 0 {
				t.Fatalf("no %s in the archive; it would be:\n%s", got.Name, got.Data)
			}
			if d := cmp.Diff(string(a.Files[i].Data), string(got.Data)); d != "" {
				t.Error(d)
			}
		})
	}
}

// unpack writes the project of an archive. overrides.json stands for the tables
// of aria.toml, allow for its allowed imports; a file named reflect lets it run code.
func unpack(t *testing.T, a *txtar.Archive) Project {
	t.Helper()
	p := Project{Dir: t.TempDir(), Name: "demo", Version: "1.0.0"}
	for _, f := range a.Files {
		if strings.HasPrefix(f.Name, "want/") {
			continue
		}
		if f.Name == "overrides.json" {
			if err := json.Unmarshal(f.Data, &p.Overrides); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if f.Name == "reflect" {
			continue
		}
		if f.Name == "allow" {
			p.Allow = strings.Fields(string(f.Data))
			continue
		}
		path := filepath.Join(p.Dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(f.Name, "src/") && strings.HasSuffix(f.Name, ".ts") && !strings.HasSuffix(f.Name, ".d.ts") {
			p.Files = append(p.Files, f.Name)
		}
	}
	return p
}

// schemasCompile: what we write is JSON Schema 2020-12 to a validator that is not
// ours, and every $ref leads somewhere.
func schemasCompile(t *testing.T, m *bundle.Manifest) {
	t.Helper()
	for _, u := range m.Units {
		raw, err := json.Marshal(map[string]any{
			"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": m.Defs,
			"properties": map[string]any{"input": u.Input, "output": u.Output},
		})
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource("unit.json", doc); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Compile("unit.json"); err != nil {
			t.Errorf("%s: %v", u.Name, err)
		}
	}
}

func withoutWant(files []txtar.File) []txtar.File {
	return slices.DeleteFunc(files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "want/") })
}

// outcome is what a golden file keeps: the manifest without sizes and digests,
// which are bundle's to test, or the messages as a person sees them.
func outcome(t *testing.T, res *Result) txtar.File {
	t.Helper()
	var b bytes.Buffer
	if diag.HasErrors(res.Messages) {
		if res.Bundle != nil {
			t.Error("there is a bundle beside the errors")
		}
		diag.Print(&b, res.Messages, false)
		return txtar.File{Name: "want/messages", Data: b.Bytes()}
	}
	schemasCompile(t, res.Manifest)
	if len(res.Messages) > 0 {
		diag.Print(&b, res.Messages, false)
		return txtar.File{Name: "want/warnings", Data: b.Bytes()}
	}
	m := *res.Manifest
	delete(m.Files, sbomFile) // every bundle has it
	files := sortedKeys(m.Files)
	m.Files, m.Builder = nil, bundle.Builder{}
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	kept := struct {
		Units        []bundle.Unit              `json:"units"`
		Defs         map[string]json.RawMessage `json:"$defs,omitempty"`
		Permissions  bundle.Permissions         `json:"permissions,omitzero"`
		Dependencies []bundle.Dependency        `json:"dependencies,omitempty"`
		Files        []string                   `json:"files"`
	}{m.Units, m.Defs, m.Permissions, m.Dependencies, files}
	if err := e.Encode(kept); err != nil {
		t.Fatal(err)
	}
	return txtar.File{Name: "want/manifest.json", Data: b.Bytes()}
}
