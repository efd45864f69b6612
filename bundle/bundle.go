// Package bundle reads and writes .aria files: a ZIP in one fixed form whose
// first entry, manifest.json, lists the sha256 of all others but the signatures. The form is
// specified in docs/spec/bundle.md. Reading trusts nothing: whatever is not in
// that form is refused with the reason. The package runs no code and knows no
// network.
package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

// Limits of one bundle.
const (
	MaxFile     = 64 << 20  // bytes of one file, unpacked
	MaxTotal    = 256 << 20 // bytes of all files, unpacked
	MaxEntries  = 4096      // with the manifest
	MaxManifest = 16 << 20  // bytes of manifest.json
	MaxPath     = 255       // bytes of a path

	// A file over freeRatio bytes may not unpack to more than maxRatio times
	// its packed size; the writer stores such a file as it is.
	maxRatio  = 100
	freeRatio = 1 << 20
)

// ManifestName is the path of the first entry.
const ManifestName = "manifest.json"

// Bundle is an opened bundle. All of it was checked by Open. It is safe for
// concurrent use as long as nobody changes Manifest.
type Bundle struct {
	Manifest *Manifest
	Digest   Digest
	// Signatures by key id. They are well-formed and about this digest, name and
	// version; whether they are sound only their keys can tell.
	Signatures []sign.Envelope

	data     []byte
	manifest []byte
	entries  map[string]entry
}

// Open checks every rule of docs/spec/bundle.md, including the hash of every
// file. It keeps data and does not copy it. Errors are fault.Invalid and say
// which entry breaks which rule.
func Open(data []byte) (*Bundle, error) {
	list, err := readZip(data)
	if err != nil {
		return nil, err
	}
	raw, err := list[0].unpack(data)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(raw)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Manifest: m, Digest: digest(raw), data: data, manifest: raw, entries: map[string]entry{}}
	if list, err = b.takeSignatures(list); err != nil {
		return nil, err
	}
	for _, e := range list[1:] {
		b.entries[e.name] = e
	}
	if err := checkFiles(m.Files, b.entries); err != nil {
		return nil, err
	}
	for _, e := range list[1:] {
		if _, err := b.File(e.name); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// ManifestJSON is manifest.json as packed; its sha256 is the Digest. The caller
// must not change it.
func (b *Bundle) ManifestJSON() []byte { return b.manifest }

// Files lists the paths of all files but the manifest and signatures, sorted.
func (b *Bundle) Files() []string { return slices.Sorted(maps.Keys(b.entries)) }

// File unpacks one file and checks its size and sha256 against the manifest.
func (b *Bundle) File(path string) ([]byte, error) {
	e, ok := b.entries[path]
	if !ok {
		return nil, fault.New(fault.NotFound, "no file %q in bundle %s", path, b.Digest)
	}
	body, err := e.unpack(b.data)
	if err != nil {
		return nil, err
	}
	if want := b.Manifest.Files[path]; sum(body) != want.Sha256 {
		return nil, refuse("%q is not the file the manifest lists: its sha256 differs", path)
	}
	return body, nil
}

func checkFiles(listed map[string]File, packed map[string]entry) error {
	for _, path := range slices.Sorted(maps.Keys(packed)) {
		f, ok := listed[path]
		if !ok {
			return refuse("%q is packed but the manifest does not list it", path)
		}
		if f.Size != packed[path].size {
			return refuse("%q has %d bytes, the manifest says %d", path, packed[path].size, f.Size)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(listed)) {
		if _, ok := packed[path]; !ok {
			return refuse("the manifest lists %q, which is not packed", path)
		}
	}
	return nil
}

func digest(manifest []byte) Digest { return Digest("sha256:" + sum(manifest)) }

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// refuse is the one face of every complaint about a bundle.
func refuse(format string, args ...any) *fault.Error {
	e := fault.New(fault.Invalid, format, args...)
	e.Message = "not a valid bundle: " + e.Message
	return e.WithHint("build it again with arc build; nothing else may write or change a bundle")
}
