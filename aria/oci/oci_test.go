package oci

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/sign"
	"github.com/ariacomputecompany/firmware/trust"
)

// house is a registry with its OCI face.
type house struct {
	t   *testing.T
	reg *registry.Registry
	url string
}

func open(t *testing.T) house {
	t.Helper()
	dir := t.TempDir()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "r.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	log := slog.New(slog.DiscardHandler)
	reg, err := registry.New(db, filepath.Join(dir, "bundles"), log)
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(reg, db, filepath.Join(dir, "incoming"), log)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return house{t, reg, srv.URL}
}

// do sends a request and gives status, headers and body.
func (h house) do(method, path string, body []byte) (int, http.Header, []byte) {
	h.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = h.url + path
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, path, bytes.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, res.Header, out
}

// blob pushes one as clients do: POST, then PUT where the answer says.
func (h house) blob(repo string, body []byte) {
	h.t.Helper()
	status, header, out := h.do("POST", "/v2/"+repo+"/blobs/uploads/", nil)
	if status != http.StatusAccepted {
		h.t.Fatalf("POST: %d %s", status, out)
	}
	status, _, out = h.do("PUT", h.url+header.Get("Location")+"?digest="+oci.Digest(body), body)
	if status != http.StatusCreated {
		h.t.Fatalf("PUT: %d %s", status, out)
	}
}

func (h house) manifest(repo, ref string, body []byte) (int, string) {
	h.t.Helper()
	status, _, out := h.do("PUT", "/v2/"+repo+"/manifests/"+ref, body)
	return status, string(out)
}

func (h house) tags(repo string) []string {
	h.t.Helper()
	_, _, out := h.do("GET", "/v2/"+repo+"/tags/list", nil)
	var list struct{ Tags []string }
	if err := json.Unmarshal(out, &list); err != nil {
		h.t.Fatal(err)
	}
	return list.Tags
}

func (h house) referrers(repo, subject, artifactType string) []oci.Descriptor {
	h.t.Helper()
	status, _, out := h.do("GET", "/v2/"+repo+"/referrers/"+subject+"?artifactType="+url.QueryEscape(artifactType), nil)
	var index struct{ Manifests []oci.Descriptor }
	if err := json.Unmarshal(out, &index); err != nil || status != http.StatusOK {
		h.t.Fatalf("referrers: %d %s", status, out)
	}
	return index.Manifests
}

// pack makes a bundle with one tool; note makes its bytes differ.
func pack(t *testing.T, name, version, note string, keys ...sign.SecretKey) (*bundle.Bundle, []byte) {
	t.Helper()
	object := json.RawMessage(`{"type":"object"}`)
	data, _, err := bundle.Pack(&bundle.Manifest{Aria: "1", Name: name, Version: version, Description: note, Units: []bundle.Unit{{
		Name: "a", Kind: bundle.Tool, Input: object, Output: object, Entry: &bundle.Entry{Code: "code/a.js", Export: "a"},
	}}}, map[string][]byte{"code/a.js": []byte("export const a = 1\n"), "sbom.cdx.json": []byte("{}\n")})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if data, err = b.WithSignatures(seal(t, k, b)); err != nil {
			t.Fatal(err)
		}
		if b, err = bundle.Open(data); err != nil {
			t.Fatal(err)
		}
	}
	return b, data
}

func seal(t *testing.T, k sign.SecretKey, b *bundle.Bundle) sign.Envelope {
	t.Helper()
	env, err := k.Seal(b.Statement())
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func key(t *testing.T) sign.SecretKey {
	t.Helper()
	k, err := sign.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// What was uploaded can be pulled, with its signature and SBOM beside it, and
// the layer is the bundle without its signatures.
func TestPull(t *testing.T) {
	h := open(t)
	b, signed := pack(t, "acme/search", "1.0.0+b1", "", key(t))
	plain, err := b.Unsigned()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.reg.Add(t.Context(), signed, registry.Register); err != nil {
		t.Fatal(err)
	}
	if got := h.tags("acme/search"); !slices.Equal(got, []string{"1.0.0_b1"}) {
		t.Errorf("tags %v", got)
	}
	want := oci.BundleManifest(b, plain)
	for _, ref := range []string{"1.0.0_b1", oci.Digest(want)} {
		status, header, body := h.do("GET", "/v2/acme/search/manifests/"+ref, nil)
		if status != 200 || !bytes.Equal(body, want) || header.Get("Docker-Content-Digest") != oci.Digest(want) {
			t.Errorf("manifest %s: %d %s", ref, status, body)
		}
	}
	for what, body := range map[string][]byte{"layer": plain, "config": b.ManifestJSON()} {
		status, _, got := h.do("GET", "/v2/acme/search/blobs/"+oci.Digest(body), nil)
		if status != 200 || !bytes.Equal(got, body) {
			t.Errorf("%s: %d, %d bytes", what, status, len(got))
		}
		if status, header, got := h.do("HEAD", "/v2/acme/search/blobs/"+oci.Digest(body), nil); status != 200 || len(got) > 0 || header.Get("Content-Length") == "0" {
			t.Errorf("HEAD of %s: %d %v", what, status, header)
		}
	}
	for _, kind := range []string{oci.SignatureType, oci.SBOMType} {
		list := h.referrers("acme/search", oci.Digest(want), kind)
		if len(list) != 1 || list[0].ArtifactType != kind {
			t.Fatalf("referrers of type %s: %v", kind, list)
		}
		_, _, raw := h.do("GET", "/v2/acme/search/manifests/"+list[0].Digest, nil)
		m, err := oci.Parse(raw)
		if err != nil || m.Subject.Digest != oci.Digest(want) {
			t.Fatalf("%s: %v %s", kind, err, raw)
		}
		if status, _, body := h.do("GET", "/v2/acme/search/blobs/"+m.Layers[0].Digest, nil); status != 200 || oci.Digest(body) != m.Layers[0].Digest {
			t.Errorf("blob of %s: %d", kind, status)
		}
	}
	if list := h.referrers("acme/search", oci.Digest(want), oci.YankType); len(list) != 0 {
		t.Errorf("yanked by nobody: %v", list)
	}
}

// A push by digest waits; the tag registers the bundle with the signature that
// came in between.
func TestPush(t *testing.T) {
	h := open(t)
	k := key(t)
	b, plain := pack(t, "acme/search", "1.0.0", "")
	m := oci.BundleManifest(b, plain)
	if status, out := h.manifest("acme/search", "1.0.0", m); status != http.StatusNotFound || !strings.Contains(out, "MANIFEST_BLOB_UNKNOWN") {
		t.Errorf("without its blobs: %d %s", status, out)
	}
	h.blob("acme/search", plain)
	h.blob("acme/search", b.ManifestJSON())
	if status, out := h.manifest("acme/search", oci.Digest(m), m); status != http.StatusCreated {
		t.Fatalf("by digest: %d %s", status, out)
	}
	if n := len(h.reg.Bundles()); n != 0 {
		t.Errorf("%d bundles are registered before there is a tag", n)
	}
	env := seal(t, k, b)
	h.blob("acme/search", env.Bytes())
	r := oci.Attach(oci.Describe(oci.ManifestType, m), oci.SignatureType, oci.Describe(oci.EnvelopeType, env.Bytes()))
	if status, out := h.manifest("acme/search", oci.Digest(r), r); status != http.StatusCreated {
		t.Fatalf("signature: %d %s", status, out)
	}
	for range 2 { // the same again changes nothing
		if status, out := h.manifest("acme/search", "1.0.0", m); status != http.StatusCreated {
			t.Fatalf("by tag: %d %s", status, out)
		}
	}
	held := h.reg.Named("acme/search")
	if len(held) != 1 || held[0].Digest != b.Digest {
		t.Fatalf("registered: %v", held)
	}
	got, err := h.reg.Open(b.Digest)
	if err != nil || len(got.Signatures) != 1 || !got.Signatures[0].Verify(k.Public) {
		t.Errorf("registered without its signature: %v", err)
	}
	if n := len(h.referrers("acme/search", oci.Digest(m), oci.SignatureType)); n != 1 {
		t.Errorf("the signature is listed %d times", n)
	}

	// A signature that comes later, and a yank.
	later := seal(t, key(t), b)
	h.blob("acme/search", later.Bytes())
	self := oci.Describe(oci.ManifestType, m)
	yank, err := k.Yank(b.Statement(), "it deletes too much", time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	h.blob("acme/search", yank.Bytes())
	for _, r := range [][]byte{oci.Attach(self, oci.SignatureType, oci.Describe(oci.EnvelopeType, later.Bytes())), oci.Attach(self, oci.YankType, oci.Describe(oci.EnvelopeType, yank.Bytes()))} {
		if status, out := h.manifest("acme/search", oci.Digest(r), r); status != http.StatusCreated {
			t.Fatalf("%d %s", status, out)
		}
	}
	if n := len(h.referrers("acme/search", self.Digest, "")); n != 4 {
		t.Errorf("%d referrers, want two signatures, an SBOM and a yank", n)
	}
	y := h.referrers("acme/search", self.Digest, oci.YankType)
	if len(y) != 1 {
		t.Fatalf("yanks: %v", y)
	}
	if _, _, body := h.do("GET", "/v2/acme/search/blobs/"+oci.Digest(yank.Bytes()), nil); !bytes.Equal(body, yank.Bytes()) {
		t.Errorf("the yank came back as %q", body)
	}
}

// Where signatures are required, a push is judged with those that came before
// its tag.
func TestPushTrusted(t *testing.T) {
	h := open(t)
	k := key(t)
	path := filepath.Join(t.TempDir(), trust.FileName)
	var rules trust.Trust
	if _, err := rules.Add("acme", k.Public, trust.Required); err != nil {
		t.Fatal(err)
	}
	if err := rules.Save(path); err != nil {
		t.Fatal(err)
	}
	if err := h.reg.RequireTrust(path); err != nil {
		t.Fatal(err)
	}
	b, plain := pack(t, "acme/search", "1.0.0", "")
	m := oci.BundleManifest(b, plain)
	h.blob("acme/search", plain)
	h.manifest("acme/search", oci.Digest(m), m)
	for _, c := range []struct {
		by     sign.SecretKey
		status int
		text   string
	}{{sign.SecretKey{}, 403, "is not signed"}, {key(t), 403, "whom nobody trusts"}, {k, 201, ""}} {
		if c.by.Public != (sign.PublicKey{}) {
			env := seal(t, c.by, b)
			h.blob("acme/search", env.Bytes())
			r := oci.Attach(oci.Describe(oci.ManifestType, m), oci.SignatureType, oci.Describe(oci.EnvelopeType, env.Bytes()))
			h.manifest("acme/search", oci.Digest(r), r)
		}
		if status, out := h.manifest("acme/search", "1.0.0", m); status != c.status || !strings.Contains(out, c.text) {
			t.Errorf("%d %s, want %d %s", status, out, c.status, c.text)
		}
	}
}

func TestRefused(t *testing.T) {
	h := open(t)
	b, plain := pack(t, "acme/search", "1.0.0", "")
	if _, _, err := h.reg.Add(t.Context(), plain, registry.Register); err != nil {
		t.Fatal(err)
	}
	self := oci.Describe(oci.ManifestType, oci.BundleManifest(b, plain))
	push := func(b *bundle.Bundle, file []byte) []byte {
		h.blob("acme/search", file)
		h.blob("acme/search", b.ManifestJSON())
		return oci.BundleManifest(b, file)
	}
	other, otherFile := pack(t, "acme/search", "1.0.0", "other bytes")
	foreign, foreignFile := pack(t, "acme/other", "1.0.0", "")
	next, nextFile := pack(t, "acme/search", "1.1.0", "")
	stranger := seal(t, key(t), foreign)
	h.blob("acme/search", stranger.Bytes())
	yank, err := key(t).Yank(foreign.Statement(), "", time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	h.blob("acme/search", yank.Bytes())
	h.blob("acme/search", []byte("text"))
	reworded := bytes.Replace(push(next, nextFile), []byte("1970"), []byte("1971"), 1)
	wrongSubject := oci.Descriptor{MediaType: oci.ManifestType, Digest: oci.Digest([]byte("x")), Size: 1}
	for _, c := range []struct {
		shows, ref string
		body       []byte
		status     int
		message    string
	}{
		{"a tag is never overwritten", "1.0.0", push(other, otherFile), 409, "never overwritten"},
		{"another bundle's name", "1.0.0", push(foreign, foreignFile), 400, "named acme/other, not acme/search"},
		{"a tag that is not the version", "2.0.0", push(next, nextFile), 400, "its tag is 1.1.0"},
		{"latest is no version", "latest", push(next, nextFile), 400, "its tag is 1.1.0"},
		{"another form of the manifest", "1.1.0", reworded, 400, "not in the one form"},
		{"a digest that is not the body's", oci.Digest([]byte("x")), push(next, nextFile), 400, "has the digest"},
		{"not a manifest", "1.1.0", []byte("{}"), 400, "not an OCI image manifest"},
		{"not JSON", "1.1.0", []byte("<"), 400, "not JSON"},
		{"no bundle", "1.1.0", bytes.Replace(push(next, nextFile), []byte(oci.BundleType), []byte("application/x"), 1), 400, "not a bundle"},
		{"a signature of another bundle", "", oci.Attach(self, oci.SignatureType, oci.Describe(oci.EnvelopeType, stranger.Bytes())), 400, "another bundle"},
		{"a signature that is none", "", oci.Attach(self, oci.SignatureType, oci.Describe(oci.EnvelopeType, []byte("text"))), 400, "not a signature envelope"},
		{"a yank of another bundle", "", oci.Attach(self, oci.YankType, oci.Describe(oci.EnvelopeType, yank.Bytes())), 400, "the yank is of acme/other 1.0.0, another bundle"},
		{"a yank that is not signed", "", oci.Attach(self, oci.YankType, oci.Describe(oci.EmptyType, oci.Empty)), 400, "not a signature envelope"},
		{"a signature in a yank's place", "", oci.Attach(self, oci.YankType, oci.Describe(oci.EnvelopeType, stranger.Bytes())), 400, "payloadType"},
		{"a referrer to nothing", "", oci.Attach(wrongSubject, oci.SBOMType, oci.Describe(oci.SBOMType, []byte("text"))), 404, "no bundle"},
		{"a referrer of an unknown type", "", oci.Attach(self, "application/x", oci.Describe("text/plain", []byte("text"))), 400, "not kept here"},
		{"a referrer with a tag", "yank", oci.Attach(self, oci.SBOMType, oci.Describe(oci.SBOMType, []byte("text"))), 400, "has no tag"},
	} {
		ref := c.ref
		if ref == "" {
			ref = oci.Digest(c.body)
		}
		status, out := h.manifest("acme/search", ref, c.body)
		if status != c.status || !strings.Contains(out, c.message) {
			t.Errorf("%s: %d %s", c.shows, status, out)
		}
	}
	if n := len(h.reg.Bundles()); n != 1 {
		t.Errorf("%d bundles are registered, want the first alone", n)
	}
}

// Blobs are taken only whole and true, and nothing can be deleted.
func TestUploads(t *testing.T) {
	h := open(t)
	_, header, _ := h.do("POST", "/v2/acme/search/blobs/uploads/", nil)
	at := h.url + header.Get("Location")
	if status, header, _ := h.do("PATCH", at, []byte("half")); status != 202 || header.Get("Range") != "0-3" {
		t.Errorf("PATCH: %d %v", status, header)
	}
	if status, _, out := h.do("PUT", at+"?digest="+oci.Digest([]byte("whole")), []byte(" and half")); status != 400 || !strings.Contains(string(out), "DIGEST_INVALID") {
		t.Errorf("a digest that does not fit: %d %s", status, out)
	}
	if status, _, _ := h.do("PUT", at+"?digest="+oci.Digest([]byte("half")), nil); status != 404 {
		t.Errorf("what did not fit can be gone on with: %d", status)
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/v2/", 200},
		{"POST", "/v2/", 405},
		{"DELETE", "/v2/acme/search/manifests/1.0.0", 405},
		{"GET", "/v2/acme/search/blobs/uploads/../../x", 404},
		{"PATCH", "/v2/acme/search/blobs/uploads/0000", 404},
		{"GET", "/v2/acme/search/blobs/sha256:00", 400},
		{"GET", "/v2/acme/search/tags/list", 404},
		{"GET", "/v2/Acme/search/tags/list", 400},
		{"GET", "/v2/a/b/c/tags/list", 400},
		{"GET", "/v2/acme", 404},
	} {
		if status, _, out := h.do(c.method, c.path, nil); status != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, status, out, c.status)
		}
	}
}
