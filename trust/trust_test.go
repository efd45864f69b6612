package trust

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

func newKey(t *testing.T) sign.SecretKey {
	t.Helper()
	k, err := sign.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signed is a bundle of that name, signed by keys.
func signed(t *testing.T, name string, keys ...sign.SecretKey) *bundle.Bundle {
	t.Helper()
	object := json.RawMessage(`{"type":"object"}`)
	data, _, err := bundle.Pack(&bundle.Manifest{Aria: "1", Name: name, Version: "1.0.0", Units: []bundle.Unit{{
		Name: "a", Kind: bundle.Tool, Input: object, Output: object, Entry: &bundle.Entry{Code: "code/a.js", Export: "a"},
	}}}, map[string][]byte{"code/a.js": []byte("export const a = 1\n")})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		env, err := k.Seal(b.Statement())
		if err != nil {
			t.Fatal(err)
		}
		if data, err = b.WithSignatures(env); err != nil {
			t.Fatal(err)
		}
		if b, err = bundle.Open(data); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestCheck(t *testing.T) {
	ours, ci, stranger := newKey(t), newKey(t), newKey(t)
	impostor := newKey(t)
	impostor.Public.ID = ours.Public.ID // signs with its own key under our id
	var tr Trust
	for _, c := range []struct {
		ns     string
		key    sign.SecretKey
		policy Policy
	}{{"acme", ours, ""}, {"acme/lab", ci, Optional}, {"free", ours, Optional}, {"acme", ci, ""}} {
		if _, err := tr.Add(c.ns, c.key.Public, c.policy); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, bundle string
		keys         []sign.SecretKey
		says         string // "" passes
		states       []State
	}{
		{"signed by ours", "acme/orders", []sign.SecretKey{ours}, "", []State{Trusted}},
		{"the bundle named as the namespace", "acme", []sign.SecretKey{ours}, "", []State{Trusted}},
		{"one of two is enough", "acme/orders", []sign.SecretKey{ours, stranger}, "", nil},
		{"unsigned", "acme/orders", nil, `acme/orders 1.0.0 is not signed, and the trust file requires a signature for "acme"`, nil},
		{"a stranger's", "acme/orders", []sign.SecretKey{stranger}, "whom nobody trusts for it", []State{Unknown}},
		{"an impostor's", "acme/orders", []sign.SecretKey{impostor}, "is not that key's", []State{Broken}},
		{"an impostor's, optional", "free/x", []sign.SecretKey{impostor}, "is not that key's", []State{Broken}},
		{"trusted elsewhere", "acme/lab", []sign.SecretKey{ours}, "", []State{Known}},
		{"the nearest rule holds", "acme/lab", nil, "", nil},
		{"unsigned, optional", "free/x", nil, "", nil},
		{"no rule", "other/x", nil, "no rule of the trust file", nil},
		{"no rule, our key", "other/x", []sign.SecretKey{ours}, "whom nobody trusts for it", []State{Known}},
		{"a name that only begins alike", "acmes/x", []sign.SecretKey{ours}, "whom nobody trusts", []State{Known}},
	} {
		v, err := tr.Check(signed(t, c.bundle, c.keys...))
		if c.says == "" && err != nil || c.says != "" && (fault.CodeOf(err) != fault.Denied || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
		if c.states != nil && v.Signatures[0].State != c.states[0] {
			t.Errorf("%s: %v, want %v", c.name, v.Signatures, c.states)
		}
	}
	if v := tr.Judge(signed(t, "other/x", stranger), stranger.Public); v.Signatures[0].State != Known {
		t.Errorf("a key at hand: %v", v)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", FileName)
	tr, err := Load(path)
	if err != nil || len(tr.Rules) != 0 {
		t.Fatalf("no file: %v, %v", tr, err)
	}
	key := newKey(t).Public
	for _, want := range []bool{true, false} {
		if changed, err := tr.Add("acme", key, ""); err != nil || changed != want {
			t.Errorf("Add: %v, %v, want %v", changed, err, want)
		}
	}
	if _, err := tr.Add("*", key, Optional); err != nil {
		t.Fatal(err)
	}
	if err := tr.Save(path); err != nil {
		t.Fatal(err)
	}
	back, err := Load(path)
	if diff := cmp.Diff(tr, back, cmp.Comparer(func(a, b sign.PublicKey) bool { return a == b })); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if !tr.Remove("acme", key) || tr.Remove("acme", key) {
		t.Error("Remove")
	}
	if _, ok := tr.Rules["acme"]; !ok {
		t.Error("the rule went with its last key: what was required is now anybody's")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".trust-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.WriteFile(path, []byte("[namespace.acme]\nkeys = 7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), path) {
		t.Errorf("a bad file: %v", err)
	}
}

func TestBadFiles(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"[namespace.acme", "line 1"},
		{"require = true\n", `unknown setting "require"`},
		{"[namespace.acme]\npolciy = \"required\"\n", "polciy"},
		{"[namespace.acme]\npolicy = \"never\"\n", `unknown policy "never"`},
		{"[namespace.acme]\nkeys = [\"RWx\"]\n", "not a public key"},
		{"[namespace.\"Acme Inc\"]\nkeys = []\n", "not a namespace"},
	} {
		if _, err := Parse(c.text); fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.text, err, c.says)
		}
	}
	var tr Trust
	if _, err := tr.Add("a/b/c", newKey(t).Public, ""); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("Add: %v", err)
	}
}
