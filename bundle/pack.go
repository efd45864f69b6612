package bundle

import (
	"maps"
	"slices"
	"strings"
)

// Pack makes a bundle of m and files (path to content; the manifest is not
// among them). It puts m into canonical order, fills m.Files and adds to
// m.Permissions what a unit asks for and nobody listed; then it applies the
// same rules as Open, so what is packed can be opened. The same m and files
// give the same bytes on every machine.
func Pack(m *Manifest, files map[string][]byte) (data []byte, d Digest, err error) {
	if err := checkContent(files); err != nil {
		return nil, "", err
	}
	m.Files = make(map[string]File, len(files))
	for path, body := range files {
		m.Files[path] = File{Size: int64(len(body)), Sha256: sum(body)}
	}
	m.sort()
	if err := checkManifest(m); err != nil {
		return nil, "", err
	}
	raw, err := m.canonical()
	if err != nil {
		return nil, "", err
	}
	if len(raw) > MaxManifest {
		return nil, "", refuse("%s is larger than %d MiB", ManifestName, MaxManifest>>20)
	}
	// What canonical wrote must be what a reader accepts.
	if _, err := parseManifest(raw); err != nil {
		return nil, "", err
	}
	all := maps.Clone(files)
	if all == nil {
		all = map[string][]byte{}
	}
	all[ManifestName] = raw
	order := append([]string{ManifestName}, slices.Sorted(maps.Keys(files))...)
	data, err = writeZip(order, all)
	return data, digest(raw), err
}

// checkContent applies the limits and the rules for names.
func checkContent(files map[string][]byte) error {
	if len(files) >= MaxEntries {
		return refuse("more than %d entries", MaxEntries)
	}
	seen := newNames()
	total := 0
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if path == ManifestName {
			return refuse("%s is written by the packer", ManifestName)
		}
		if err := checkPath(path); err != nil {
			return err
		}
		if strings.HasPrefix(path, signatureFolder) {
			return refuse("%q: a bundle is signed when it has been packed", path)
		}
		if err := seen.add(path); err != nil {
			return err
		}
		if len(files[path]) > MaxFile {
			return refuse("%q is larger than %d MiB", path, MaxFile>>20)
		}
		if total += len(files[path]); total > MaxTotal-MaxManifest {
			return refuse("more than %d MiB of files", (MaxTotal-MaxManifest)>>20)
		}
	}
	return nil
}

// sort gives every list that has no order of its own the canonical one.
func (m *Manifest) sort() {
	if m.Units == nil {
		m.Units = []Unit{}
	}
	slices.SortStableFunc(m.Units, func(a, b Unit) int { return strings.Compare(a.Name, b.Name) })
	listed := map[string]bool{}
	for _, use := range m.Permissions.Tokens {
		listed[use.Token] = true
	}
	for i := range m.Units {
		slices.Sort(m.Units[i].Tokens)
		m.Units[i].Tokens = slices.Compact(m.Units[i].Tokens)
		for _, t := range m.Units[i].Tokens {
			if !listed[t] {
				listed[t] = true
				m.Permissions.Tokens = append(m.Permissions.Tokens, TokenUse{Token: t})
			}
		}
	}
	slices.SortStableFunc(m.Permissions.Tokens, func(a, b TokenUse) int { return strings.Compare(a.Token, b.Token) })
	slices.Sort(m.Permissions.Imports)
	m.Permissions.Imports = slices.Compact(m.Permissions.Imports)
	slices.SortStableFunc(m.Dependencies, func(a, b Dependency) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Version, b.Version)
	})
}
