package bundle

import (
	"cmp"
	"slices"
)

// Pin is what the author's aria.lock said of a bundle that units refer to: the
// one that was installed, and tested against, when the bundle was built.
type Pin struct {
	Bundle  string `json:"bundle"`
	Range   string `json:"range"` // as the references write it; "" is any
	Version string `json:"version"`
	Digest  Digest `json:"digest"`
}

// Pin gives the pin of a reference ("acme/search@^1#web"); false if there is none.
func (m *Manifest) Pin(ref string) (Pin, bool) {
	r, ok := ParseReference(ref)
	if !ok {
		return Pin{}, false
	}
	i := slices.IndexFunc(m.Pins, func(p Pin) bool { return p.Bundle == r.Bundle && p.Range == r.Range })
	if i < 0 {
		return Pin{}, false
	}
	return m.Pins[i], true
}

// SetPins pins what the units of m refer to, as far as locked knows it.
func (m *Manifest) SetPins(locked func(Reference) (version string, digest Digest, ok bool)) {
	m.Pins = nil
	for _, r := range m.References() {
		version, digest, ok := locked(r)
		p := Pin{r.Bundle, r.Range, version, digest}
		if ok && !slices.Contains(m.Pins, p) { // two units of one bundle
			m.Pins = append(m.Pins, p)
		}
	}
	slices.SortFunc(m.Pins, comparePins)
}

func comparePins(a, b Pin) int {
	return cmp.Or(cmp.Compare(a.Bundle, b.Bundle), cmp.Compare(a.Range, b.Range))
}

// checkPins: each is of a reference that stands in the manifest, once, and leads
// to a version in its range.
func checkPins(m *Manifest) error {
	refs := m.References()
	for i, p := range m.Pins {
		what := p.Bundle + "@" + p.Range
		if i > 0 && comparePins(m.Pins[i-1], p) >= 0 {
			return refuse("the pin of %.200q is out of order or stands twice", what)
		}
		if !slices.ContainsFunc(refs, func(r Reference) bool { return r.Bundle == p.Bundle && r.Range == p.Range }) {
			return refuse("it pins %.200q, which no unit refers to", what)
		}
		if r, err := ParseRange(p.Range); err != nil || !ValidVersion(p.Version) || !r.Fits(p.Version) {
			return refuse("it pins %.200q to version %.70q, which is not in that range", what, p.Version)
		}
		if !p.Digest.Valid() {
			return refuse("it pins %.200q to %.80q, which is no digest", what, p.Digest)
		}
	}
	return nil
}
