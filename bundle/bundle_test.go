package bundle

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the golden bundle")

const orders = `export class Orders { get(id) { return this.orders.get(id); } }` + "\n"

// sample is a small bundle with one of each kind.
func sample() (*Manifest, map[string][]byte) {
	object := json.RawMessage(`{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}`)
	m := &Manifest{
		Aria: "1", Name: "acme/orders", Version: "1.2.3", Description: "Orders & refunds <b>",
		Builder: Builder{Arc: "0.1.0", TypeScript: "7.0.2", Esbuild: "0.28.2"},
		Units: []Unit{
			{Name: "support", Kind: Agent, Input: object, Output: json.RawMessage(`{}`),
				Agent: &AgentSpec{Model: "local:planner", Tools: []string{"orders.get", "acme/search@^1#web"}, MaxSteps: 8}},
			{Name: "orders.get", Kind: Tool, Params: []string{"id"}, Input: object, Output: json.RawMessage(`{"$ref":"#/$defs/Order"}`),
				Entry: &Entry{Code: "code/orders.js", Export: "Orders", Method: "get"}, Tokens: []string{"net:a.example:443", "kv:orders:rw"},
				Place: Place{File: "src/orders.ts", Line: 3, Col: 2}, Limits: Limits{TimeoutMS: 1000}},
			{Name: "crew", Kind: Team, Input: object, Output: object, Team: &TeamSpec{Members: []string{"support"}, Mode: "sequence"}},
			{Name: "nightly", Kind: Pipeline, Input: object, Output: object, Entry: &Entry{Code: "code/orders.js", Export: "Nightly"},
				Pipeline: &PipelineSpec{Steps: []Step{{Name: "load"}, {Name: "send", After: []string{"load"}}}, Cron: "0 3 * * *"}},
		},
		Defs: map[string]json.RawMessage{"Order": json.RawMessage(`{"type": "object"}`)},
	}
	return m, map[string][]byte{
		"code/orders.js":   []byte(orders),
		"source/orders.ts": []byte(strings.Repeat("// one line of source that is there many times\n", 60)),
		"assets/empty.txt": {},
	}
}

func packed(t testing.TB) []byte {
	t.Helper()
	data, _, err := Pack(sample())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRoundTrip(t *testing.T) {
	m, files := sample()
	data, d, err := Pack(m, files)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	if b.Digest != d || b.Digest != digest(b.ManifestJSON()) {
		t.Errorf("digest %s, packed as %s", b.Digest, d)
	}
	if diff := cmp.Diff(m, b.Manifest, cmp.Transformer("json", func(r json.RawMessage) any {
		var v any
		_ = json.Unmarshal(r, &v)
		return v
	})); diff != "" {
		t.Errorf("manifest (-packed +opened):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"assets/empty.txt", "code/orders.js", "source/orders.ts"}, b.Files()); diff != "" {
		t.Error(diff)
	}
	for path, want := range files {
		if got, err := b.File(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("File(%q) = %q, %v", path, got, err)
		}
	}
	if _, err := b.File("code/none.js"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("a file that is not there: %v", err)
	}
	if got := b.Manifest.Permissions.Tokens; len(got) != 2 || got[0].Token != "kv:orders:rw" {
		t.Errorf("permissions = %v, want the units' tokens", got)
	}
}

// TestOrdinaryZip: any other program's ZIP reader opens a bundle.
func TestOrdinaryZip(t *testing.T) {
	data := packed(t)
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 4 || z.File[0].Name != ManifestName {
		t.Fatalf("entries: %v", z.File)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		if f.Mode() != 0o644 {
			t.Errorf("%s: mode %v", f.Name, f.Mode())
		}
	}
}

// TestGolden: the bytes do not change without notice. Run with -update after a
// change of the format or of the deflate module, and read the diff.
func TestGolden(t *testing.T) {
	data, d, err := Pack(sample())
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("testdata", "golden.aria")
	if *update {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name+".digest", []byte(d+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	wantDigest, err := os.ReadFile(name + ".digest")
	if err != nil {
		t.Fatal(err)
	}
	if string(d)+"\n" != string(wantDigest) {
		t.Errorf("digest %s, golden %s", d, wantDigest)
	}
	if !bytes.Equal(data, want) {
		t.Errorf("%d bytes, golden %d, first difference at %d", len(data), len(want), differ(data, want))
	}
}

// TestPackAnyOrder: the same content gives the same bytes however it comes.
func TestPackAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.StringMatching(`(code|source|assets)/[a-z]{1,3}(/[a-z]{4,6}\.ts)?`)
		files := rapid.MapOf(path, rapid.SliceOf(rapid.Byte())).Draw(t, "files")
		m, own := sample()
		seen := newNames()
		for name := range own {
			_ = seen.add(name)
		}
		for name, body := range files {
			if seen.add(name) == nil {
				own[name] = body
			}
		}
		data, d, err := Pack(m, own)
		if err != nil {
			t.Fatal(err)
		}
		m2, _ := sample()
		m2.Units = rapid.Permutation(m2.Units).Draw(t, "units")
		data2, d2, err := Pack(m2, own)
		if err != nil || d != d2 || !bytes.Equal(data, data2) {
			t.Fatalf("packed twice, two results: %v", err)
		}
		b, err := Open(data)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range own {
			if got, err := b.File(name); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	})
}

// FuzzOpen: whatever opens is whole, and packs to what it was but for the
// compression.
func FuzzOpen(f *testing.F) {
	f.Add(signedSeed(f))
	data := packed(f)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte("PK\x03\x04"))
	for _, h := range hostile {
		if bad, err := h.make(); err == nil {
			f.Add(bad)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Open(data)
		if err != nil {
			if fault.CodeOf(err) != fault.Invalid {
				t.Fatalf("not a fault.Invalid: %v", err)
			}
			return
		}
		files := map[string][]byte{}
		for _, name := range b.Files() {
			if files[name], err = b.File(name); err != nil {
				t.Fatal(err)
			}
		}
		if _, d, err := Pack(b.Manifest, files); err != nil || d != b.Digest {
			t.Fatalf("opened %s, packed again %s, %v", b.Digest, d, err)
		}
	})
}

// FuzzManifest: a manifest that is accepted is the one spelling of what it says.
func FuzzManifest(f *testing.F) {
	_, files, _, err := good()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(files[ManifestName])
	f.Add([]byte(`{"aria":"1","units":[{"input":{"a":1,"a":2}}]}` + "\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseManifest(raw)
		if err != nil {
			if fault.CodeOf(err) != fault.Invalid {
				t.Fatalf("not a fault.Invalid: %v", err)
			}
			return
		}
		if again, err := m.canonical(); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("accepted %q, which is written %q", raw, again)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	data := packed(b)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Open(data); err != nil {
			b.Fatal(err)
		}
	}
}
