package registry

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Unit is one unit of a held bundle.
type Unit struct {
	*bundle.Unit // shared: never change it
	Digest       bundle.Digest
	Bundle       string
	Version      string
	Defs         map[string]json.RawMessage
}

// Ref names the unit for good: by the digest of its bundle.
func (u Unit) Ref() string { return string(u.Digest) + "#" + u.Name }

func (b *Bundle) unit(u *bundle.Unit) Unit {
	return Unit{Unit: u, Digest: b.Digest, Bundle: b.Name, Version: b.Version, Defs: b.Manifest.Defs}
}

// Resolve finds a unit by reference: `unit`, `bundle#unit`,
// `bundle@version#unit`, `bundle@range#unit` or `sha256:…#unit`. A name without
// a version means the latest registered one, a range (^1) the latest in it; an
// isolated bundle answers to its digest only. Errors: Invalid (malformed or
// ambiguous), NotFound.
func (r *Registry) Resolve(ref string) (Unit, error) {
	if ref == "" {
		return Unit{}, fault.New(fault.Invalid, "no unit was named").WithHint("see arc ls units")
	}
	from, name, qualified := strings.Cut(ref, "#")
	switch {
	case !qualified:
		return r.byName(ref)
	case from == "" || name == "":
		return Unit{}, fault.New(fault.Invalid, "%q is not a unit reference", ref).
			WithHint("write unit, bundle#unit, bundle@version#unit, bundle@^1#unit or sha256:…#unit")
	case strings.HasPrefix(from, "sha256:"):
		b, err := r.Get(bundle.Digest(from))
		if err != nil {
			return Unit{}, err
		}
		return b.pick(name)
	}
	bundleName, version, _ := strings.Cut(from, "@")
	b, err := r.registered(bundleName, version)
	if err != nil {
		return Unit{}, err
	}
	return b.pick(name)
}

// ResolveFrom finds what a unit of bundle d calls by ref: a bare name is first
// a unit of the same bundle, and a range is first the version that d was built
// with, if that is registered. Instead tells whether it was.
func (r *Registry) ResolveFrom(d bundle.Digest, ref string) (Unit, error) {
	b := r.find(d)
	if b == nil {
		return r.Resolve(ref)
	}
	if u, ok := b.Manifest.Unit(ref); ok {
		return b.unit(u), nil
	}
	if p, ok := b.Manifest.Pin(ref); ok {
		// A pin chooses among the versions of a bundle, never another bundle.
		if held := r.find(p.Digest); held != nil && held.Mode == Register && held.Name == p.Bundle && held.Version == p.Version {
			_, name, _ := strings.Cut(ref, "#")
			return held.pick(name)
		}
	}
	return r.Resolve(ref)
}

// Instead gives the version ("acme/search@1.4.0") that bundle d was built with
// where u, of the same bundle, is called in its place; else "".
func (r *Registry) Instead(d bundle.Digest, u Unit) string {
	b := r.find(d)
	if b == nil {
		return ""
	}
	missed := ""
	for _, p := range b.Manifest.Pins {
		if p.Bundle != u.Bundle {
			continue
		}
		if p.Digest == u.Digest {
			return ""
		}
		if rng, err := bundle.ParseRange(p.Range); err == nil && rng.Fits(u.Version) {
			missed = p.Bundle + "@" + p.Version
		}
	}
	return missed
}

func (b *Bundle) pick(name string) (Unit, error) {
	if u, ok := b.Manifest.Unit(name); ok {
		return b.unit(u), nil
	}
	var names []string
	for _, u := range b.Manifest.Units {
		names = append(names, u.Name)
	}
	return Unit{}, fault.New(fault.NotFound, "bundle %s@%s has no unit %q", b.Name, b.Version, name).
		WithHint("%s", suggest(name, names, "it has"))
}

func (r *Registry) byName(name string) (Unit, error) {
	var found []Unit
	var names []string
	for _, b := range r.latest() {
		for i := range b.Manifest.Units {
			u := &b.Manifest.Units[i]
			names = append(names, u.Name)
			if u.Name == name {
				found = append(found, b.unit(u))
			}
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Unit{}, fault.New(fault.NotFound, "no unit %q is registered", name).
			WithHint("%s", suggest(name, names, "registered are"))
	}
	var refs []string
	for _, u := range found {
		refs = append(refs, u.Bundle+"#"+u.Name)
	}
	return Unit{}, fault.New(fault.Invalid, "unit %q is in more than one bundle", name).
		WithHint("say which: %s", strings.Join(refs, ", "))
}

// registered finds the newest registered bundle of a name that is in a range.
func (r *Registry) registered(name, rng string) (*Bundle, error) {
	want, err := bundle.ParseRange(rng)
	if err != nil {
		return nil, err
	}
	var versions, names []string
	var best *Bundle
	for _, b := range r.all() {
		if b.Mode != Register {
			continue
		}
		names = append(names, b.Name)
		if b.Name != name {
			continue
		}
		versions = append(versions, b.Version)
		// Without a range a prerelease will do, if it is the newest there is.
		if rng == "" || want.Fits(b.Version) {
			best = b // all is sorted: the newest comes last
		}
	}
	if best != nil {
		return best, nil
	}
	if len(versions) > 0 {
		return nil, fault.New(fault.NotFound, "bundle %s has no version %q", name, rng).
			WithHint("registered are %s", strings.Join(versions, ", "))
	}
	slices.Sort(names)
	return nil, fault.New(fault.NotFound, "no bundle %q is registered", name).
		WithHint("%s", suggest(name, slices.Compact(names), "registered are"))
}

// latest is the newest registered version of each bundle name, by name.
func (r *Registry) latest() []*Bundle {
	newest := map[string]*Bundle{}
	for _, b := range r.all() {
		if old := newest[b.Name]; b.Mode == Register && (old == nil || bundle.CompareVersions(b.Version, old.Version) > 0) {
			newest[b.Name] = b
		}
	}
	var out []*Bundle
	for _, b := range newest {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b *Bundle) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// all is every held bundle by name, then version, oldest first.
func (r *Registry) all() []*Bundle {
	r.mu.RLock()
	out := make([]*Bundle, 0, len(r.held))
	for _, b := range r.held {
		out = append(out, b)
	}
	r.mu.RUnlock()
	slices.SortFunc(out, func(a, b *Bundle) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), bundle.CompareVersions(a.Version, b.Version), cmp.Compare(a.Digest, b.Digest))
	})
	return out
}

// Bundles lists what is held, by name and version.
func (r *Registry) Bundles() []Bundle {
	var out []Bundle
	for _, b := range r.all() {
		out = append(out, *b)
	}
	return out
}

// Units lists the registered units of a kind, or of all kinds for "", of the
// latest version of each bundle.
func (r *Registry) Units(kind bundle.Kind) ([]Unit, error) {
	if !slices.Contains([]bundle.Kind{"", bundle.Tool, bundle.Agent, bundle.Team, bundle.Pipeline}, kind) {
		return nil, fault.New(fault.Invalid, "unknown kind of unit %q", kind).
			WithHint("kinds are tool, agent, team and pipeline")
	}
	var out []Unit
	for _, b := range r.latest() {
		for i := range b.Manifest.Units {
			if u := &b.Manifest.Units[i]; kind == "" || u.Kind == kind {
				out = append(out, b.unit(u))
			}
		}
	}
	return out, nil
}

// Units are the units of a bundle, by name.
func (b Bundle) Units() []Unit {
	out := make([]Unit, 0, len(b.Manifest.Units))
	for i := range b.Manifest.Units {
		out = append(out, b.unit(&b.Manifest.Units[i]))
	}
	return out
}

// Schema is s with the bundle's shared definitions inside, so that it stands
// on its own.
func (u Unit) Schema(s json.RawMessage) (json.RawMessage, error) {
	if len(u.Defs) == 0 || !strings.Contains(string(s), "#/$defs/") {
		return s, nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(s, &m); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", u.Name, err)
	}
	defs, err := json.Marshal(u.Defs)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", u.Name, err)
	}
	m["$defs"] = defs
	return json.Marshal(m)
}
