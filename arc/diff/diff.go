// Package diff says what a new version of a bundle may do, takes and gives that
// the old one did not: permissions, units, schemas, descriptions, dependencies,
// limits, size. It compares manifests and nothing else, and decides nothing;
// docs/guide/signing.md says what counts as wider and as breaking.
package diff

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/ariacomputecompany/firmware/bundle"
)

// Side is one of the two versions.
type Side struct {
	Manifest *bundle.Manifest `json:"-"`
	Name     string           `json:"name"`
	Version  string           `json:"version"`
	Digest   bundle.Digest    `json:"digest"`
	Code     int64            `json:"code"` // bytes under code/
	Size     int64            `json:"size"` // bytes of all files, unpacked
}

// NewSide describes a manifest.
func NewSide(m *bundle.Manifest, d bundle.Digest) Side {
	s := Side{Manifest: m, Name: m.Name, Version: m.Version, Digest: d}
	for path, f := range m.Files {
		s.Size += f.Size
		if strings.HasPrefix(path, "code/") {
			s.Code += f.Size
		}
	}
	return s
}

// Report is everything that differs. No list is nil.
type Report struct {
	Old Side `json:"old"`
	New Side `json:"new"`
	// Wider is what the new version may do and the old one could not.
	Wider []Permission `json:"wider"`
	// Narrower is what the old one could do and the new one may not.
	Narrower []Permission `json:"narrower"`
	// Breaking are changes that a caller of the old version can fall over.
	Breaking []Change `json:"breaking"`
	// Changes are all others, in the order of the kinds below.
	Changes []Change `json:"changes"`
}

// Permission is one thing that may be done.
type Permission struct {
	Kind  string         `json:"kind"`           // token | import | call | approval
	What  string         `json:"what"`           // "kv:orders:rw", "node:fs", "acme/search#web"
	Unit  string         `json:"unit,omitempty"` // for call and approval
	Where []bundle.Place `json:"where"`
}

// Kind of a change.
type Kind string

const (
	Unit        Kind = "unit"
	Schema      Kind = "schema"
	Limit       Kind = "limit"
	Description Kind = "description"
	Dependency  Kind = "dependency"
	Size        Kind = "size"
)

var kinds = []Kind{Unit, Schema, Limit, Description, Dependency, Size}

// Change is one difference.
type Change struct {
	Kind Kind   `json:"kind"`
	Unit string `json:"unit,omitempty"`
	// Pointer is a JSON pointer: in the unit ("/input/properties/id"), or, if it
	// begins with "/$defs/", in the manifest. What was removed is named as it
	// was in the old version.
	Pointer string `json:"pointer,omitempty"`
	Text    string `json:"text"`
}

// Same says that nothing differs but perhaps the version.
func (r Report) Same() bool {
	return len(r.Wider)+len(r.Narrower)+len(r.Breaking)+len(r.Changes) == 0
}

// Calm says that the new version may take the old one's place without a
// question: it may do no more and breaks no caller.
func (r Report) Calm() bool { return len(r.Wider)+len(r.Breaking) == 0 }

// Compare finds what differs from old to new.
func Compare(old, new Side) Report {
	r := Report{Old: old, New: new, Wider: []Permission{}, Narrower: []Permission{}, Breaking: []Change{}, Changes: []Change{}}
	r.permissions(old.Manifest, new.Manifest)
	r.units(old.Manifest, new.Manifest)
	r.dependencies(old.Manifest, new.Manifest)
	if old.Size != new.Size || old.Code != new.Code {
		r.note(Size, "", "", "files "+grown(old.Size, new.Size)+", code "+grown(old.Code, new.Code))
	}
	slices.SortStableFunc(r.Changes, func(a, b Change) int {
		return cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind))
	})
	return r
}

func (r *Report) note(k Kind, unit, pointer, text string) {
	r.Changes = append(r.Changes, Change{k, unit, pointer, text})
}

func (r *Report) breaks(k Kind, unit, pointer, text string) {
	c := Change{k, unit, pointer, text}
	if !slices.Contains(r.Breaking, c) {
		r.Breaking = append(r.Breaking, c)
	}
}

func grown(old, new int64) string {
	return strconv.FormatInt(old, 10) + " → " + strconv.FormatInt(new, 10) + " bytes"
}

// changed says "a → b", with "none" for nothing.
func changed(old, new string) string { return cmp.Or(old, "none") + " → " + cmp.Or(new, "none") }

func (r *Report) dependencies(old, new *bundle.Manifest) {
	r.versions(versions(old), versions(new))
	r.versions(pins(old), pins(new))
}

func (r *Report) versions(had, has map[string]string) {
	for _, name := range union(had, has) {
		switch o, n := had[name], has[name]; {
		case o == "":
			r.note(Dependency, "", "", name+" "+n+" is new")
		case n == "":
			r.note(Dependency, "", "", name+" "+o+" is gone")
		case o != n:
			r.note(Dependency, "", "", name+" "+changed(o, n))
		}
	}
}

// versions are the dependencies by name; a package can be there more than once.
func versions(m *bundle.Manifest) map[string]string {
	out := map[string]string{}
	for _, d := range m.Dependencies {
		v := cmp.Or(d.Version, "without version")
		if d.License != "" {
			v += " (" + d.License + ")"
		}
		if out[d.Name] != "" {
			v = out[d.Name] + ", " + v
		}
		out[d.Name] = v
	}
	return out
}

// pins are the bundles that it was built with, by name and range.
func pins(m *bundle.Manifest) map[string]string {
	out := map[string]string{}
	for _, p := range m.Pins {
		out[strings.TrimSuffix(p.Bundle+"@"+p.Range, "@")] = p.Version
	}
	return out
}

// union is the keys of both, sorted.
func union[V any](a, b map[string]V) []string {
	var out []string
	for k := range a {
		out = append(out, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}
