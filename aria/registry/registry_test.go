package registry

import (
	"database/sql"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

func opened(t *testing.T, dir string) *Registry {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "r.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r, err := New(db, filepath.Join(dir, "bundles"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// packed is a bundle with the named tools; note makes its bytes differ.
func packed(t *testing.T, name, version, note string, tokens []string, units ...string) []byte {
	t.Helper()
	m := &bundle.Manifest{Aria: "1", Name: name, Version: version, Description: note,
		Builder: bundle.Builder{Arc: "0.1.0", TypeScript: "7.0.2", Esbuild: "0.28.2"}}
	for _, u := range units {
		m.Units = append(m.Units, bundle.Unit{Name: u, Kind: bundle.Tool, Tokens: tokens,
			Entry: &bundle.Entry{Code: "code/a.js", Export: "A", Method: "m"}, Place: bundle.Place{File: "src/a.ts", Line: 4, Col: 7},
			Input: json.RawMessage(`{"type":"object"}`), Output: json.RawMessage(`{}`)})
	}
	data, _, err := bundle.Pack(m, map[string][]byte{"code/a.js": []byte("export class A {}")})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func add(t *testing.T, r *Registry, data []byte, mode Mode) (Bundle, bool) {
	t.Helper()
	b, held, err := r.Add(t.Context(), data, mode)
	if err != nil {
		t.Fatal(err)
	}
	return b, held
}

func TestAdd(t *testing.T) {
	dir := t.TempDir()
	r := opened(t, dir)
	data := packed(t, "shop", "1.0.0", "", nil, "shop.get")
	b, held := add(t, r, data, "")
	if held || b.Mode != Register || b.Size != int64(len(data)) {
		t.Errorf("first: %+v held %v", b, held)
	}
	if again, held := add(t, r, data, Register); !held || again.Digest != b.Digest {
		t.Errorf("again: %+v held %v", again, held)
	}
	if iso, held := add(t, r, data, Isolated); !held || iso.Mode != Register {
		t.Errorf("a registered bundle stays registered: %+v", iso)
	}
	other := packed(t, "shop", "1.0.0", "other bytes", nil, "shop.get")
	if _, _, err := r.Add(t.Context(), other, Register); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("other bytes under the same version: %v", err)
	}
	if b, _ := add(t, r, other, Isolated); b.Mode != Isolated {
		t.Errorf("the same, isolated: %+v", b)
	}
	if _, _, err := r.Add(t.Context(), data[:len(data)-9], Register); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a damaged bundle: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "bundles", tempPrefix+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	r = opened(t, dir)
	if n := len(r.Bundles()); n != 2 {
		t.Errorf("%d bundles after a restart", n)
	}
	if o, err := r.Open(b.Digest); err != nil || o.Digest != b.Digest {
		t.Errorf("open: %v", err)
	}
	if raw, err := r.Manifest(t.Context(), b.Digest); err != nil || !strings.HasPrefix(string(raw), "{") {
		t.Errorf("manifest: %.20s %v", raw, err)
	}
}

func TestAddRefusesWhatIsNotServed(t *testing.T) {
	r := opened(t, t.TempDir())
	_, _, err := r.Add(t.Context(), packed(t, "spy", "1.0.0", "", []string{"x-none:serves/this"}, "spy.go"), Register)
	if fault.CodeOf(err) != fault.Unimplemented || !strings.Contains(err.Error(), "src/a.ts:4:7: unit spy.go asks for x-none:serves/this") {
		t.Errorf("%v", err)
	}
	_, _, err = r.Add(t.Context(), packed(t, "spy", "1.0.0", "", []string{"secret:KEY"}, "spy.go"), Register)
	if fault.CodeOf(err) != fault.Denied || !strings.Contains(err.Error(), "spy.go asks for secret:KEY, which is bound to no host") {
		t.Errorf("%v", err)
	}
	if len(r.Bundles()) != 0 {
		t.Error("it was kept all the same")
	}
}

func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	b, _ := add(t, opened(t, dir), packed(t, "shop", "1.0.0", "", nil, "shop.get"), Register)
	r := opened(t, dir)
	raw, err := os.ReadFile(r.path(b.Digest))
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(r.path(b.Digest), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(b.Digest); fault.CodeOf(err) != fault.Internal {
		t.Errorf("a flipped bit: %v", err)
	}
}

func TestResolve(t *testing.T) {
	r := opened(t, t.TempDir())
	add(t, r, packed(t, "shop", "1.9.0", "", nil, "shop.get", "shop.old"), Register)
	add(t, r, packed(t, "shop", "1.10.0", "", nil, "shop.get", "ship"), Register)
	add(t, r, packed(t, "shop", "2.0.0-beta", "", nil, "shop.get"), Isolated)
	add(t, r, packed(t, "post", "1.0.0", "", nil, "ship"), Register)
	iso, _ := add(t, r, packed(t, "lab", "0.1.0", "", nil, "probe"), Isolated)

	for _, c := range []struct{ shows, ref, want, message, hint string }{
		{"a bare name is of the latest version", "shop.get", "shop@1.10.0", "", ""},
		{"with its bundle", "shop#shop.get", "shop@1.10.0", "", ""},
		{"with its version", "shop@1.9.0#shop.old", "shop@1.9.0", "", ""},
		{"newest in a range", "shop@^1#shop.get", "shop@1.10.0", "", ""},
		{"newest in a narrow range", "shop@~1.9#shop.old", "shop@1.9.0", "", ""},
		{"nothing in the range", "shop@^2#shop.get", "", "no version", "1.9.0, 1.10.0"},
		{"no range", "shop@newest#shop.get", "", "not a range", "^1"},
		{"by digest, isolated too", string(iso.Digest) + "#probe", "lab@0.1.0", "", ""},
		{"ambiguous", "ship", "", "more than one bundle", "post#ship, shop#ship"},
		{"misspelt", "shop.gte", "", `no unit "shop.gte"`, `did you mean "shop.get"?`},
		{"isolated does not answer to its name", "probe", "", "no unit", ""},
		{"gone in the latest version", "shop.old", "", "no unit", ""},
		{"no such version", "shop@9.9.9#shop.get", "", "no version", "1.9.0, 1.10.0"},
		{"no such bundle", "shpo#shop.get", "", `no bundle "shpo"`, `did you mean "shop"?`},
		{"no such unit in it", "shop#nope", "", "has no unit", "shop.get"},
		{"malformed", "#x", "", "not a unit reference", "bundle#unit"},
		{"empty", "", "", "no unit was named", ""},
		{"unknown digest", "sha256:00#x", "", "no bundle", ""},
	} {
		u, err := r.Resolve(c.ref)
		if c.want != "" {
			if got := u.Bundle + "@" + u.Version; err != nil || got != c.want {
				t.Errorf("%s: %s %v", c.shows, got, err)
			}
			continue
		}
		f, ok := fault.As(err)
		if !ok || !strings.Contains(f.Message, c.message) || !strings.Contains(f.Hint, c.hint) {
			t.Errorf("%s: %v", c.shows, err)
		}
	}
	if u, err := r.ResolveFrom(iso.Digest, "probe"); err != nil || u.Digest != iso.Digest {
		t.Errorf("a unit finds its neighbours: %v", err)
	}
	if us, err := r.Units(bundle.Tool); err != nil || len(us) != 3 {
		t.Errorf("units: %d %v", len(us), err)
	}
	if _, err := r.Units("robot"); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("unknown kind: %v", err)
	}
}

// A call is to the version that its bundle was built with, as long as that is
// registered; a pin never leads to another bundle.
func TestResolvePinned(t *testing.T) {
	r := opened(t, t.TempDir())
	old, _ := add(t, r, packed(t, "acme/search", "1.0.0", "", nil, "web"), Register)
	add(t, r, packed(t, "acme/search", "1.1.0", "", nil, "web"), Register)
	hidden, _ := add(t, r, packed(t, "acme/search", "1.0.5", "", nil, "web"), Isolated)
	evil, _ := add(t, r, packed(t, "evil", "1.0.0", "", nil, "web"), Register)
	object := json.RawMessage(`{"type":"object"}`)
	for _, c := range []struct {
		shows, ref    string
		pin           *bundle.Pin
		want, instead string
	}{
		{"built with the old one", "acme/search@^1#web", &bundle.Pin{Version: "1.0.0", Digest: old.Digest}, "1.0.0", ""},
		{"nothing locked", "acme/search@^1#web", nil, "1.1.0", ""},
		{"locked to what is not here", "acme/search@^1#web", &bundle.Pin{Version: "1.0.9", Digest: bundle.Digest("sha256:" + strings.Repeat("0", 64))}, "1.1.0", "acme/search@1.0.9"},
		{"locked to what is only isolated", "acme/search@^1#web", &bundle.Pin{Version: "1.0.5", Digest: hidden.Digest}, "1.1.0", "acme/search@1.0.5"},
		{"a pin to another bundle", "acme/search@^1#web", &bundle.Pin{Version: "1.0.0", Digest: evil.Digest}, "1.1.0", "acme/search@1.0.0"},
		{"a pin that lies about the version", "acme/search@^1#web", &bundle.Pin{Version: "1.0.1", Digest: old.Digest}, "1.1.0", "acme/search@1.0.1"},
	} {
		m := &bundle.Manifest{Aria: "1", Name: "desk", Version: "1.0.0", Description: c.shows, Units: []bundle.Unit{{Name: "clerk", Kind: bundle.Agent,
			Input: object, Output: object, Agent: &bundle.AgentSpec{Model: "m:m", Tools: []string{c.ref}}}}}
		if c.pin != nil {
			c.pin.Bundle, c.pin.Range = "acme/search", "^1"
			m.Pins = []bundle.Pin{*c.pin}
		}
		data, _, err := bundle.Pack(m, nil)
		if err != nil {
			t.Fatal(err)
		}
		desk, _ := add(t, r, data, Isolated)
		u, err := r.ResolveFrom(desk.Digest, c.ref)
		if err != nil || u.Bundle != "acme/search" || u.Version != c.want {
			t.Errorf("%s: %s@%s %v", c.shows, u.Bundle, u.Version, err)
		}
		if got := r.Instead(desk.Digest, u); got != c.instead {
			t.Errorf("%s: instead of %q, want %q", c.shows, got, c.instead)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	order := []string{"0.9.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0"}
	for i := range order {
		for j := range order {
			got, want := bundle.CompareVersions(order[i], order[j]), 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got != want {
				t.Errorf("compare %s %s: %d, want %d", order[i], order[j], got, want)
			}
		}
	}
}
