package bundle

import (
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Range says which versions of a bundle will do: "1.2.3" that one alone, "^1"
// "~1.2" ">=1.2 <3" "1.x" as npm and cargo read them, "*" or "" any. A
// prerelease fits only a range that names one.
type Range struct {
	text       string
	exact      bool
	constraint *semver.Constraints
}

// ParseRange reads a range. Errors are fault.Invalid.
func ParseRange(s string) (Range, error) {
	if ValidVersion(s) {
		return Range{text: s, exact: true}, nil
	}
	text := s
	if s == "" {
		text = "*"
	}
	c, err := semver.NewConstraint(text)
	if err != nil || len(s) > 200 {
		return Range{}, fault.New(fault.Invalid, "%.100q is not a range of versions", s).
			WithHint(`write 1.2.3, ^1, ~1.2 or ">=1.2 <3"`)
	}
	return Range{text: s, constraint: c}, nil
}

func (r Range) String() string { return r.text }

// Exact says whether only one version can fit.
func (r Range) Exact() bool { return r.exact }

// Fits says whether a version is in the range.
func (r Range) Fits(version string) bool {
	if r.exact {
		return version == r.text
	}
	v, err := semver.StrictNewVersion(version)
	return err == nil && r.constraint != nil && r.constraint.Check(v)
}

// Newest is the highest version that fits; false if none does.
func (r Range) Newest(versions []string) (string, bool) {
	best := ""
	for _, v := range versions {
		if r.Fits(v) && (best == "" || CompareVersions(v, best) > 0) {
			best = v
		}
	}
	return best, best != ""
}

// CompareVersions orders versions as semver.org 2.0 item 11 does; build
// metadata counts last, and only so that the order is total.
func CompareVersions(a, b string) int {
	va, errA := semver.StrictNewVersion(a)
	vb, errB := semver.StrictNewVersion(b)
	if errA != nil || errB != nil {
		return strings.Compare(a, b)
	}
	if c := va.Compare(vb); c != 0 {
		return c
	}
	return strings.Compare(va.Metadata(), vb.Metadata())
}

// Reference names a unit of another bundle: "acme/search@^1#web".
type Reference struct {
	Bundle string
	Range  string // as written; "" is any
	Unit   string
}

// String is the reference as it is written.
func (r Reference) String() string {
	if r.Range == "" {
		return r.Bundle + "#" + r.Unit
	}
	return r.Bundle + "@" + r.Range + "#" + r.Unit
}

// ParseReference reads NAME@RANGE#UNIT, in which @RANGE may be missing; false
// for anything else, such as the name of a unit of the same bundle.
func ParseReference(s string) (Reference, bool) {
	from, unit, ok := strings.Cut(s, "#")
	name, rng, _ := strings.Cut(from, "@")
	if !ok || !ValidName(name) || !ValidUnitName(unit) {
		return Reference{}, false
	}
	return Reference{name, rng, unit}, true
}

// ParsePattern reads what an agent may be granted instead of a reference: one in
// which "*" stands for any part of the bundle's name or the unit's, as in
// "acme/*@^1#orders.*". False for anything else, a plain reference included.
func ParsePattern(s string) (Reference, bool) {
	from, unit, ok := strings.Cut(s, "#")
	name, rng, _ := strings.Cut(from, "@")
	if !ok || !strings.Contains(name+unit, "*") {
		return Reference{}, false
	}
	some := func(p string) string { return strings.ReplaceAll(p, "*", "a") }
	if !ValidName(some(name)) || !ValidUnitName(some(unit)) {
		return Reference{}, false
	}
	return Reference{name, rng, unit}, true
}

// References are the units of other bundles that the units of m name, each
// once, in the order in which they stand.
func (m *Manifest) References() []Reference {
	var out []Reference
	seen := map[Reference]bool{}
	for _, u := range m.Units {
		for _, s := range u.refs() {
			if r, ok := ParseReference(s); ok && !seen[r] {
				seen[r] = true
				out = append(out, r)
			}
		}
	}
	return out
}

// refs are all units that a unit names.
func (u *Unit) refs() []string {
	switch {
	case u.Agent != nil:
		return u.Agent.Tools
	case u.Team != nil:
		return u.Team.Members
	case u.Pipeline != nil:
		return u.Pipeline.Uses
	}
	return nil
}
