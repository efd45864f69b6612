// Package trust knows who may sign what: the trust file (trust.toml) with its
// public keys by namespace, and the verdict on a bundle's signatures. The file
// is specified in docs/spec/signature.md. It holds no secret key and asks no
// server.
package trust

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

// FileName of a trust file.
const FileName = "trust.toml"

// Anybody is the namespace of the rule for all names that have none of their own.
const Anybody = "*"

// Policy says whether a bundle needs a signature by a trusted key.
type Policy string

const (
	Required Policy = "required" // also what an empty policy means
	Optional Policy = "optional" // unsigned is accepted; a broken signature never is
)

// Rule is what holds for one namespace.
type Rule struct {
	Policy Policy
	Keys   []sign.PublicKey
}

// Trust is a checked trust file: rules by namespace. The zero value trusts
// nobody.
type Trust struct {
	Rules map[string]Rule
}

// file is the TOML.
type file struct {
	Namespace map[string]fileRule `toml:"namespace"`
}

type fileRule struct {
	Policy Policy   `toml:"policy,omitempty"`
	Keys   []string `toml:"keys"`
}

// Load reads a trust file. One that is not there trusts nobody.
func Load(path string) (Trust, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Trust{}, nil
	}
	if err != nil {
		return Trust{}, fault.Wrap(err, fault.Invalid, "the trust file %s cannot be read", path)
	}
	t, err := Parse(string(text))
	if f, ok := fault.As(err); ok {
		f = fault.Wrap(err, f.Code, "%s: %s", path, f.Message).WithHint("%s", f.Hint)
		return Trust{}, f
	}
	return t, err
}

// Parse reads the text of a trust file. Unknown words are refused: a rule that
// was mistyped must not be a rule that is not there.
func Parse(text string) (Trust, error) {
	var f file
	meta, err := toml.Decode(text, &f)
	var syntax toml.ParseError
	if errors.As(err, &syntax) {
		return Trust{}, fault.New(fault.Invalid, "line %d: %s", syntax.Position.Line, syntax.Message).WithHint(hintFile)
	}
	if err != nil {
		return Trust{}, fault.New(fault.Invalid, "%s", err.Error()).WithHint(hintFile)
	}
	if odd := meta.Undecoded(); len(odd) > 0 {
		return Trust{}, fault.New(fault.Invalid, "unknown setting %q", odd[0].String()).WithHint(hintFile)
	}
	t := Trust{Rules: map[string]Rule{}}
	for _, ns := range slices.Sorted(maps.Keys(f.Namespace)) {
		r := f.Namespace[ns]
		if !validNamespace(ns) {
			return Trust{}, badNamespace(ns)
		}
		if r.Policy != "" && r.Policy != Required && r.Policy != Optional {
			return Trust{}, fault.New(fault.Invalid, "namespace %q: unknown policy %q", ns, r.Policy).WithHint(`policies are "required" and "optional"`)
		}
		rule := Rule{Policy: r.Policy}
		for _, k := range r.Keys {
			key, err := sign.ParsePublic([]byte(k))
			if f, ok := fault.As(err); ok {
				return Trust{}, fault.New(fault.Invalid, "namespace %q: %s", ns, f.Message).WithHint("%s", f.Hint)
			}
			rule.Keys = append(rule.Keys, key)
		}
		t.Rules[ns] = rule
	}
	return t, nil
}

const hintFile = "a rule is a table [namespace.NAME] with policy and keys; see docs/spec/signature.md"

func validNamespace(ns string) bool { return ns == Anybody || bundle.ValidName(ns) }

func badNamespace(ns string) error {
	return fault.New(fault.Invalid, "%q is not a namespace", ns).
		WithHint(`write "acme" for every acme/… and a bundle named acme, "acme/orders" for one bundle, "*" for all others`)
}

// Add lets key sign for a namespace. A rule that is new, or whose policy is
// given, gets policy ("" is Required). It says whether anything changed.
func (t *Trust) Add(ns string, key sign.PublicKey, policy Policy) (changed bool, err error) {
	if !validNamespace(ns) {
		return false, badNamespace(ns)
	}
	if t.Rules == nil {
		t.Rules = map[string]Rule{}
	}
	r := t.Rules[ns]
	if policy != "" && r.Policy != policy {
		r.Policy, changed = policy, true
	}
	if !slices.Contains(r.Keys, key) {
		r.Keys, changed = append(r.Keys, key), true
	}
	t.Rules[ns] = r
	return changed, nil
}

// Remove takes a key's trust for a namespace away. The rule stays, and with it
// what it requires. It says whether anything changed.
func (t *Trust) Remove(ns string, key sign.PublicKey) bool {
	r, ok := t.Rules[ns]
	i := slices.Index(r.Keys, key)
	if !ok || i < 0 {
		return false
	}
	r.Keys = slices.Delete(slices.Clone(r.Keys), i, i+1)
	t.Rules[ns] = r
	return true
}

// Save writes the trust file whole or not at all.
func (t Trust) Save(path string) error {
	f := file{Namespace: map[string]fileRule{}}
	for ns, r := range t.Rules {
		keys := []string{}
		for _, k := range r.Keys {
			keys = append(keys, k.String())
		}
		f.Namespace[ns] = fileRule{Policy: r.Policy, Keys: keys}
	}
	var b strings.Builder
	b.WriteString("# Who may sign what. Written by arc trust; comments do not survive it.\n")
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	err := enc.Encode(f)
	if err == nil {
		err = replace(path, b.String())
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the trust file %s cannot be written", path).
			WithHint("check that the folder is yours to write and that the disk has room")
	}
	return nil
}

func replace(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".trust-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(text)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
