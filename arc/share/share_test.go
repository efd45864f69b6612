package share

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
	"github.com/ariacomputecompany/firmware/trust"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "docker-")
	if err != nil {
		panic(err)
	}
	os.Setenv("DOCKER_CONFIG", dir) // nobody's own credentials
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func newKey(t *testing.T) sign.SecretKey {
	t.Helper()
	k, err := sign.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// spec of a bundle to make.
type spec struct {
	name, version, note string
	calls               []string // units of other bundles that its agent calls
	keys                []sign.SecretKey
}

func (s spec) make(t *testing.T) *bundle.Bundle {
	t.Helper()
	object := json.RawMessage(`{"type":"object"}`)
	m := &bundle.Manifest{Aria: "1", Name: s.name, Version: s.version, Description: s.note, Units: []bundle.Unit{{
		Name: "web", Kind: bundle.Tool, Input: object, Output: object, Entry: &bundle.Entry{Code: "code/a.js", Export: "a"},
	}}}
	if s.calls != nil {
		m.Units = append(m.Units, bundle.Unit{Name: "desk", Kind: bundle.Agent, Input: object, Output: object,
			Agent: &bundle.AgentSpec{Model: "local:planner", Tools: s.calls}})
	}
	data, _, err := bundle.Pack(m, map[string][]byte{"code/a.js": []byte("export const a = 1\n")})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(data)
	for _, k := range s.keys {
		env, serr := k.Seal(b.Statement())
		data, werr := b.WithSignatures(env)
		if err = errors.Join(err, serr, werr); err == nil {
			b, err = bundle.Open(data)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func publish(t *testing.T, host string, specs ...spec) (last Published) {
	t.Helper()
	for _, s := range specs {
		p, err := Locate(host, s.name)
		if err != nil {
			t.Fatal(err)
		}
		if last, err = New(Options{}).Publish(t.Context(), p, s.make(t)); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

// installer of an empty project that trusts keys for acme.
func installer(t *testing.T, keys ...sign.SecretKey) *Installer {
	t.Helper()
	var rules trust.Trust
	for _, k := range keys {
		if _, err := rules.Add("acme", k.Public, trust.Required); err != nil {
			t.Fatal(err)
		}
	}
	return &Installer{Client: New(Options{Vouch: rules.Vouch}), Folder: FolderOf(t.TempDir()), Lock: &Lock{},
		Judge: func(b *bundle.Bundle) (string, error) {
			v, err := rules.Check(b)
			if err != nil || len(v.Signers) == 0 {
				return "", err
			}
			for _, s := range v.Signatures {
				if s.State == trust.Trusted {
					return s.Key, nil
				}
			}
			return "", nil
		},
		Consent: func(old, new *bundle.Bundle) error {
			return fault.New(fault.Denied, "nobody agreed to %s after %s", new.Manifest.Version, old.Manifest.Version)
		}}
}

func wants(t *testing.T, err error, code fault.Code, text string) {
	t.Helper()
	if fault.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v (%s), want %s with %q", err, fault.CodeOf(err), code, text)
	}
}

// A bundle and what it refers to, through a registry that has never heard of
// bundles, with signatures and all; and a second time from the lock alone.
func TestPublishInstall(t *testing.T) {
	_, host := serve(t)
	k := newKey(t)
	search := spec{name: "acme/search", version: "1.2.0", keys: []sign.SecretKey{k}}
	first := publish(t, host, spec{name: "acme/search", version: "1.10.0-beta.1", keys: search.keys}, search,
		spec{name: "acme/desk", version: "0.3.1", calls: []string{"acme/search@^1#web"}, keys: search.keys})
	if again := publish(t, host, spec{name: "acme/desk", version: "0.3.1", calls: []string{"acme/search@^1#web"}, keys: search.keys}); !again.Already || again.OCI != first.OCI {
		t.Errorf("published twice: %+v", again)
	}
	in := installer(t, k)
	got, err := in.Install(t.Context(), Wish{Name: "acme/desk", From: host})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range got {
		names = append(names, i.Name+"@"+i.Range+" "+i.Version)
	}
	if diff := cmp.Diff([]string{"acme/desk@^0.3.1 0.3.1", "acme/search@^1 1.2.0"}, names); diff != "" {
		t.Error(diff)
	}
	e, ok := in.Lock.Find("acme/search", "^1")
	if !ok || e.Signer != k.Public.String() || e.Digest != search.make(t).Digest || e.From != Place(host+"/acme/search") {
		t.Errorf("locked: %+v", e)
	}
	back, err := ParseLock(in.Lock.Text())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in.Lock, back); diff != "" {
		t.Error(diff)
	}

	elsewhere := installer(t, k)
	elsewhere.Lock, elsewhere.Frozen = back, true
	if got, err = elsewhere.Restore(t.Context()); err != nil || len(got) != 2 || !got[0].Fetched {
		t.Errorf("restored %v %v", got, err)
	}
	if got, err = elsewhere.Restore(t.Context()); err != nil || got[0].Fetched {
		t.Errorf("restored again: %v %v", got, err)
	}
}

func TestInstallRefuses(t *testing.T) {
	reg, host := serve(t)
	k, stranger := newKey(t), newKey(t)
	by := func(v, note string, k ...sign.SecretKey) spec {
		return spec{name: "acme/search", version: v, note: note, keys: k}
	}
	publish(t, host, by("1.0.0", "", k), by("1.1.0", "", stranger), by("1.2.0", ""), by("2.0.0", "", k), by("2.1.0", "", k), by("3.0.0", "", k))
	place := Place(host + "/acme/search")
	if _, err := New(Options{}).Yank(t.Context(), place, "acme/search", "2.1.0", "it loses orders", k); err != nil {
		t.Fatal(err)
	}
	try := func(in *Installer, rng string) error {
		_, err := in.Install(t.Context(), Wish{Name: "acme/search", Range: rng, From: host})
		return err
	}
	in := installer(t, k)
	wants(t, try(in, "1.1.0"), fault.Denied, "whom nobody trusts for it")
	wants(t, try(in, "1.2.0"), fault.Denied, "is not signed")
	wants(t, try(in, "2.1.0"), fault.Denied, "2.1.0 was taken back by its author: it loses orders")
	wants(t, try(in, "^4"), fault.NotFound, "has no version in")
	if in.Lock.Text() != (&Lock{}).Text() {
		t.Errorf("what was refused is locked:\n%s", in.Lock.Text())
	}
	if err := try(in, "^2"); err != nil {
		t.Error(err)
	}
	if e, _ := in.Lock.Find("acme/search", "^2"); e.Version != "2.0.0" {
		t.Errorf("a version that was taken back was chosen: %+v", e)
	}
	wants(t, try(in, "^3"), fault.Denied, "nobody agreed to 3.0.0 after 2.0.0")
	in.Frozen = true
	wants(t, try(in, "^1"), fault.Denied, "is not in aria.lock")
	in.Frozen = false

	// Somebody overwrites the tag, with a signature that is trusted.
	_, err := New(Options{}).Publish(t.Context(), place, by("2.0.0", "other", k).make(t))
	wants(t, err, fault.Conflict, "a tag is never overwritten")
	delete(reg.tags, "acme/search:2.0.0")
	publish(t, host, by("2.0.0", "other", k))
	wants(t, try(in, "^2"), fault.Denied, "was overwritten")
	os.RemoveAll(in.Folder.dir)
	_, err = in.Restore(t.Context())
	wants(t, err, fault.Denied, "was overwritten")
}

// Whatever a registry changes is noticed: the layer, the config, a manifest.
func TestTampered(t *testing.T) {
	k := newKey(t)
	s := spec{name: "acme/search", version: "1.0.0", keys: []sign.SecretKey{k}}
	b := s.make(t)
	plain, err := b.Unsigned()
	if err != nil {
		t.Fatal(err)
	}
	for what, digest := range map[string]string{"layer": oci.Digest(plain), "config": string(b.Digest), "manifest": oci.Digest(oci.BundleManifest(b, plain))} {
		reg, host := serve(t)
		publish(t, host, s)
		reg.spoil = func(path string, body []byte) []byte {
			if strings.HasSuffix(path, digest) {
				body[len(body)/2] ^= 1
			}
			return body
		}
		in := installer(t, k)
		_, err := in.Install(t.Context(), Wish{Name: "acme/search", From: host})
		wants(t, err, fault.Denied, "sent something else than its digest says")
		if files, _ := filepath.Glob(filepath.Join(in.Folder.dir, "*", "*")); len(files) > 0 {
			t.Errorf("%s: kept %v", what, files)
		}
	}
}

// An installed file that somebody changed is not the one that was locked.
func TestChangedFile(t *testing.T) {
	_, host := serve(t)
	k := newKey(t)
	publish(t, host, spec{name: "acme/search", version: "1.0.0", keys: []sign.SecretKey{k}})
	in := installer(t, k)
	got, err := in.Install(t.Context(), Wish{Name: "acme/search", From: host})
	if err != nil {
		t.Fatal(err)
	}
	path := in.Folder.Path(got[0].Locked)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = in.Restore(t.Context())
	wants(t, err, fault.Denied, "is not the bundle that aria.lock pins")
}

func TestParseLockRefuses(t *testing.T) {
	good := "version = 1\n[[bundle]]\nname = \"acme/search\"\nrange = \"^1\"\nversion = \"1.0.0\"\nfrom = \"h/acme/search\"\noci = \"" +
		oci.Digest(nil) + "\"\ndigest = \"" + oci.Digest(nil) + "\"\nsigner = \"\"\n"
	if _, err := ParseLock(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ shows, old, new, message string }{
		{"another version of the format", "version = 1", "version = 2", "version 2"},
		{"unknown field", "signer", "singer", `unknown field "bundle.singer"`},
		{"no TOML", "[[bundle]]", "[[bundle", "line 3"},
		{"name", "\"acme/search\"", "\"Acme\"", "bad name"},
		{"a version outside the range", "1.0.0", "2.0.0", "not in range"},
		{"digest", "sha256:", "sha1:", "bad digest"},
		{"signer", "signer = \"\"", "signer = \"me\"", "not a public key"},
		{"place", "h/acme", "https://h/acme", "not a place"},
		{"twice", good[12:], good[12:] + good[12:], "stands twice"},
	} {
		_, err := ParseLock(strings.Replace(good, c.old, c.new, 1))
		if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v", c.shows, err)
		}
	}
}

// The credential never crosses a network in the clear.
func TestPlainHTTP(t *testing.T) {
	c := New(Options{})
	_, err := c.http().Get("http://registry.example/v2/")
	wants(t, errors.Unwrap(err), fault.Denied, "unencrypted")
	for host, want := range map[string]bool{"localhost:1": true, "127.0.0.1": true, "[::1]:5000": true, "10.0.0.1:5000": false, "localhost.example": false} {
		if loopback(host) != want {
			t.Errorf("loopback(%s) is %v", host, !want)
		}
	}
}

// Some registries give a referrer the type of its config; its signature counts
// all the same.
func TestMistypedReferrers(t *testing.T) {
	reg, host := serve(t)
	k := newKey(t)
	publish(t, host, spec{name: "acme/search", version: "1.0.0", keys: []sign.SecretKey{k}})
	changed := 0
	for tag, digest := range reg.tags {
		index := reg.manifests["acme/search@"+digest]
		if !strings.Contains(tag, ":sha256-") {
			continue
		}
		index = []byte(strings.ReplaceAll(string(index), oci.SignatureType, oci.EmptyType))
		d := oci.Digest(index)
		reg.manifests["acme/search@"+d], reg.types[d], reg.tags[tag] = index, oci.IndexType, d
		changed++
	}
	if changed != 1 {
		t.Fatalf("%d indexes of referrers", changed)
	}
	if _, err := installer(t, k).Install(t.Context(), Wish{Name: "acme/search", From: host}); err != nil {
		t.Error(err)
	}
}

// What was signed once does not come unsigned later, even where the trust file
// asks for no signature; and what never was stays as it is.
func TestSignerStays(t *testing.T) {
	_, host := serve(t)
	k := newKey(t)
	publish(t, host, spec{name: "acme/search", version: "1.0.0"}, spec{name: "acme/search", version: "2.0.0", keys: []sign.SecretKey{k}},
		spec{name: "acme/search", version: "2.1.0"})
	in := installer(t)
	in.Consent = func(_, _ *bundle.Bundle) error { return nil }
	in.Judge = func(b *bundle.Bundle) (string, error) {
		if len(b.Signatures) > 0 && b.Signatures[0].Verify(k.Public) {
			return k.Public.String(), nil
		}
		return "", nil
	}
	try := func(rng string) error {
		_, err := in.Install(t.Context(), Wish{Name: "acme/search", Range: rng, From: host})
		return err
	}
	for _, rng := range []string{"^1", "2.0.0"} {
		if err := try(rng); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, try("^2"), fault.Denied, "2.1.0 is signed by nobody who is trusted, and 2.0.0 was")
	os.RemoveAll(in.Folder.dir)
	if got, err := in.Restore(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("restored %v %v", got, err)
	}
}
