package diff

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/bundle"
)

func manifest(change func(m *bundle.Manifest)) Side {
	object := json.RawMessage(`{"type":"object"}`)
	m := &bundle.Manifest{Name: "acme/orders", Version: "1.0.0",
		Permissions: bundle.Permissions{Tokens: []bundle.TokenUse{{Token: "kv:orders:rw"}, {Token: "net:*.example.com:443"}}, Imports: []string{"node:fs"}},
		Units: []bundle.Unit{
			{Name: "get", Kind: bundle.Tool, Input: object, Output: object, Tokens: []string{"kv:orders:rw"}, Approve: true, Place: bundle.Place{File: "src/a.ts", Line: 3, Col: 2}},
			{Name: "help", Kind: bundle.Agent, Input: object, Output: object, Agent: &bundle.AgentSpec{Model: "m", Tools: []string{"get"}}, Place: bundle.Place{File: "src/b.ts", Line: 1, Col: 1}},
		},
		Dependencies: []bundle.Dependency{{Name: "a", Version: "1.0.0", License: "MIT"}, {Name: "b", Version: "1.0.0"}},
		Files:        map[string]bundle.File{"code/a.js": {Size: 10}, "source/a.ts": {Size: 5}},
	}
	if change != nil {
		change(m)
	}
	return NewSide(m, "sha256:00")
}

func TestCompare(t *testing.T) {
	token := func(list ...string) func(m *bundle.Manifest) {
		return func(m *bundle.Manifest) {
			m.Permissions.Tokens = nil
			for _, s := range list {
				m.Permissions.Tokens = append(m.Permissions.Tokens, bundle.TokenUse{Token: s, Where: []bundle.Place{{File: "src/a.ts", Line: 1, Col: 1}}})
			}
		}
	}
	for _, c := range []struct {
		name              string
		change            func(m *bundle.Manifest)
		wider, narrower   []string
		breaking, changes []string
		calm, same        bool
	}{
		{name: "nothing", calm: true, same: true},
		{name: "only the version", change: func(m *bundle.Manifest) { m.Version = "1.0.1" }, calm: true, same: true},
		{name: "a new token", change: token("kv:orders:rw", "kv:users:r", "net:*.example.com:443"), wider: []string{"token kv:users:r"}},
		{name: "a stronger verb elsewhere, a host below the old one", change: token("kv:orders:r", "net:api.example.com:443"),
			narrower: []string{"token kv:orders:rw", "token net:*.example.com:443"}, calm: true},
		{name: "an import", change: func(m *bundle.Manifest) { m.Permissions.Imports = []string{"node:net"} },
			wider: []string{"import node:net"}, narrower: []string{"import node:fs"}},
		{name: "a tool of another bundle", change: func(m *bundle.Manifest) { m.Units[1].Agent.Tools = []string{"get", "acme/search@^1#web"} },
			wider: []string{"call acme/search@^1#web"}, changes: []string{"unit help /agent/tools get → get, acme/search@^1#web"}},
		{name: "no approval", change: func(m *bundle.Manifest) { m.Units[0].Approve = false }, wider: []string{"approval runs without a person's approval"}},
		{name: "a unit takes over what others could", change: func(m *bundle.Manifest) { m.Units[0].Tokens = []string{"kv:orders:rw", "net:a.example.com:443"} },
			changes: []string{"unit get /tokens now asks for net:a.example.com:443, as other units did"}, calm: true},
		{name: "a unit is gone, one is new", change: func(m *bundle.Manifest) { m.Units[0].Name = "fetch"; m.Units[1].Agent.Tools = []string{"fetch"} },
			breaking: []string{"unit get  is gone (tool)"}, changes: []string{"unit fetch  is new (tool)", "unit help /agent/tools get → fetch"}},
		{name: "another kind", change: func(m *bundle.Manifest) { m.Units[0].Kind = bundle.Pipeline }, breaking: []string{"unit get /kind tool → pipeline"}},
		{name: "limits and words", change: func(m *bundle.Manifest) {
			m.Units[0].Limits.TimeoutMS = 1500
			m.Units[0].Description = "Gets"
			m.Units[1].Agent.Instructions = "Be brief"
		}, changes: []string{`limit get /limits/timeoutMs default → 1.5s`, `description get /description "" → "Gets"`, `description help /agent/instructions "" → "Be brief"`}, calm: true},
		{name: "dependencies", change: func(m *bundle.Manifest) {
			m.Dependencies = []bundle.Dependency{{Name: "a", Version: "1.1.0", License: "GPL-3.0-only"}, {Name: "c", Version: "2.0.0"}}
		}, changes: []string{"dependency   a 1.0.0 (MIT) → 1.1.0 (GPL-3.0-only)", "dependency   b 1.0.0 is gone", "dependency   c 2.0.0 is new"}, calm: true},
		{name: "built with another bundle", change: func(m *bundle.Manifest) {
			m.Pins = []bundle.Pin{{Bundle: "acme/search", Range: "^1", Version: "1.4.0"}}
		},
			changes: []string{"dependency   acme/search@^1 1.4.0 is new"}, calm: true},
		{name: "size", change: func(m *bundle.Manifest) { m.Files["code/a.js"] = bundle.File{Size: 12} },
			changes: []string{"size   files 15 → 17 bytes, code 10 → 12 bytes"}, calm: true},
		{name: "another bundle", change: func(m *bundle.Manifest) { m.Name = "acme/other" }, breaking: []string{"unit   another bundle: acme/orders → acme/other"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Compare(manifest(nil), manifest(c.change))
			flat := func(list []Permission) (out []string) {
				for _, p := range list {
					out = append(out, p.Kind+" "+p.What)
				}
				return out
			}
			text := func(list []Change) (out []string) {
				for _, c := range list {
					out = append(out, string(c.Kind)+" "+c.Unit+" "+c.Pointer+" "+c.Text)
				}
				return out
			}
			want := [][]string{c.wider, c.narrower, c.breaking, c.changes}
			got := [][]string{flat(r.Wider), flat(r.Narrower), text(r.Breaking), text(r.Changes)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("wider, narrower, breaking, changes (-want +got):\n%s", diff)
			}
			if r.Calm() != c.calm || r.Same() != c.same {
				t.Errorf("calm %v, same %v", r.Calm(), r.Same())
			}
		})
	}
}

// A real bundle does not differ from itself.
func TestItself(t *testing.T) {
	data, err := os.ReadFile("../../bundle/testdata/golden.aria")
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	s := NewSide(b.Manifest, b.Digest)
	if r := Compare(s, s); !r.Same() {
		t.Errorf("it differs: %+v", r)
	}
}
