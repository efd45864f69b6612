package oci

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/bundle"
)

// golden is a referrer in the form of docs/spec/sharing.md, about a subject of the
// two bytes "{}".
const golden = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.aria.signature.v1",` +
	`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},` +
	`"layers":[{"mediaType":"application/vnd.dsse.envelope.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}],` +
	`"subject":{"mediaType":"m","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},` +
	`"annotations":{"org.opencontainers.image.created":"1970-01-01T00:00:00Z"}}`

func TestForm(t *testing.T) {
	d := Describe("m", Empty)
	d.Annotations = map[string]string{"left": "out"}
	if diff := cmp.Diff(golden, string(Attach(d, SignatureType, Describe(EnvelopeType, Empty)))); diff != "" {
		t.Error(diff)
	}
}

// A bundle's manifest is the same bytes every time, and reads back as one.
func TestBundleManifest(t *testing.T) {
	object := json.RawMessage(`{"type":"object"}`)
	file, d, err := bundle.Pack(&bundle.Manifest{Aria: "1", Name: "acme/search", Version: "1.0.0", Units: []bundle.Unit{{
		Name: "a", Kind: bundle.Tool, Input: object, Output: object, Entry: &bundle.Entry{Code: "code/a.js", Export: "a"},
	}}}, map[string][]byte{"code/a.js": []byte("export const a = 1\n")})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	raw := BundleManifest(b, file)
	m, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.CheckBundle(); err != nil || m.Config.Digest != string(d) || m.Layers[0].Digest != Digest(file) {
		t.Errorf("%v %s", err, raw)
	}
	if diff := cmp.Diff(raw, BundleManifest(b, file)); diff != "" {
		t.Error(diff)
	}
}

func TestTag(t *testing.T) {
	for version, want := range map[string]string{"1.2.3": "1.2.3", "1.2.3-beta.1": "1.2.3-beta.1", "1.2.3+b-1": "1.2.3_b-1", "latest": "", "": ""} {
		tag, err := Tag(version)
		if tag != want && err == nil || (err == nil) != (want != "") {
			t.Errorf("Tag(%q) = %q, %v", version, tag, err)
		}
		if back, ok := Version(tag); err == nil && (!ok || back != version) {
			t.Errorf("Version(%q) = %q", tag, back)
		}
	}
	if _, ok := Version("sha256-44136fa3"); ok {
		t.Error("the tag of an index of referrers is no version")
	}
}

// FuzzParse: whatever a registry sends is read or refused, and what is taken for
// a bundle can be used as one.
func FuzzParse(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw)
		if err == nil && m.CheckBundle() == nil && (len(m.Layers) != 1 || !ValidDigest(m.Layers[0].Digest) || m.Layers[0].Size > MaxLayer) {
			t.Errorf("taken for a bundle: %s", raw)
		}
	})
}
