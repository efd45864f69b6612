package compiler

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ariacomputecompany/firmware/bundle"
)

const npmLock = `{"lockfileVersion": 3, "packages": {
  "": {"name": "x"},
  "node_modules/a": {"version": "1.0.0", "integrity": "sha256-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
  "node_modules/a/node_modules/@s/b": {"version": "2.0.0-rc.1", "integrity": "sha1-AAECAwQFBgcICQoLDA0ODxAREhM="},
  "node_modules/alias": {"name": "real", "version": "1.0.0", "integrity": "sha1-AAECAwQFBgcICQoLDA0ODxAREhM="},
  "node_modules/broken": {"version": "1.0.0", "integrity": "sha512-AAEC"}
}}`

const bunLock = `{
  "lockfileVersion": 1, // comments and commas are Bun's way
  "packages": {
    "c": ["c@3.0.0", "", { "dependencies": { "a": "1" } }, "sha256-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="],
    "local": ["local@workspace:packages/local"],
  },
}`

const sha256Hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func TestLockedHashes(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "package-lock.json", npmLock)
	writeFile(t, dir, "bun.lock", bunLock)
	want := map[string]bomHash{
		"a@1.0.0":         {"SHA-256", sha256Hex},
		"c@3.0.0":         {"SHA-256", sha256Hex},
		"@s/b@2.0.0-rc.1": {"SHA-1", sha256Hex[:40]},
		"real@1.0.0":      {"SHA-1", sha256Hex[:40]},
	}
	if diff := cmp.Diff(want, lockedHashes(dir)); diff != "" {
		t.Error(diff)
	}
	writeFile(t, dir, "package-lock.json", "{")
	writeFile(t, dir, "bun.lock", "[]")
	if got := lockedHashes(dir); len(got) != 0 {
		t.Errorf("of broken lock files: %v", got)
	}
}

func TestLicences(t *testing.T) {
	for text, want := range map[string]string{
		"":                          `null`,
		"MIT":                       `[{"license":{"id":"MIT"}}]`,
		"mit":                       `[{"license":{"name":"mit"}}]`,
		"(MIT OR Apache-2.0)":       `[{"expression":"(MIT OR Apache-2.0)"}]`,
		"SEE LICENSE IN LICENSE.md": `[{"license":{"name":"SEE LICENSE IN LICENSE.md"}}]`,
		"MIT OR":                    `[{"license":{"name":"MIT OR"}}]`,
	} {
		got, err := json.Marshal(licences(text))
		if err != nil || string(got) != want {
			t.Errorf("licences(%q) = %s, %v, want %s", text, got, err, want)
		}
	}
}

// TestSBOM: what a bundle carries has the shape of CycloneDX 1.6, closed, and
// names every package inside.
func TestSBOM(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "package-lock.json", npmLock)
	m := &bundle.Manifest{Name: "acme/orders", Version: "1.2.3", Builder: bundle.Builder{Arc: "1", TypeScript: "7", Esbuild: "0"},
		Dependencies: []bundle.Dependency{
			{Name: "@s/b", Version: "2.0.0-rc.1", License: "(MIT OR ISC)"}, {Name: "a", Version: "1.0.0", License: "MIT"}, {Name: "odd"},
		}}
	raw, err := sbom(&input{Project: Project{Dir: dir}}, m)
	if err != nil {
		t.Fatal(err)
	}
	validSBOM(t, raw)
	var b bom
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	want := []bomComponent{
		{Type: "library", Ref: "pkg:npm/%40s/b@2.0.0-rc.1", Group: "@s", Name: "b", Version: "2.0.0-rc.1", PURL: "pkg:npm/%40s/b@2.0.0-rc.1",
			Hashes: []bomHash{{"SHA-1", sha256Hex[:40]}}, Licenses: []bomLicence{{Expression: "(MIT OR ISC)"}}},
		{Type: "library", Ref: "pkg:npm/a@1.0.0", Name: "a", Version: "1.0.0", PURL: "pkg:npm/a@1.0.0",
			Hashes: []bomHash{{"SHA-256", sha256Hex}}, Licenses: []bomLicence{{License: &bomLicenceName{ID: "MIT"}}}},
		{Type: "library", Ref: "pkg:npm/odd", Name: "odd", PURL: "pkg:npm/odd"},
	}
	if diff := cmp.Diff(want, b.Components); diff != "" {
		t.Error(diff)
	}
	if self := b.Metadata.Component; self.Group != "acme" || self.Name != "orders" || self.Version != "1.2.3" || len(b.Dependencies[0].DependsOn) != 3 {
		t.Errorf("the bundle itself: %+v, %+v", self, b.Dependencies)
	}
}

// TestSBOMInBundle: every build carries one, and says nothing of when or where.
func TestSBOMInBundle(t *testing.T) {
	b, err := bundle.Open(build(t, example(t)).Bundle)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.File(sbomFile)
	if err != nil {
		t.Fatal(err)
	}
	validSBOM(t, raw)
	for _, word := range []string{"timestamp", "serialNumber", "/tmp", "file:"} {
		if strings.Contains(string(raw), word) {
			t.Errorf("it has %q", word)
		}
	}
}

func validSBOM(t *testing.T, raw []byte) {
	t.Helper()
	path := "testdata/sbom.schema.json"
	if official := os.Getenv("CYCLONEDX_SCHEMA"); official != "" {
		path = official // the standard's own file, for whoever has it
	}
	s, err := jsonschema.NewCompiler().Compile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Errorf("not CycloneDX: %v\n%s", err, raw)
	}
}
