// Package oci says how a bundle stands in an OCI registry: media types, tags,
// and the one manifest that a bundle has there. The form is specified in
// docs/spec/sharing.md. It holds no transport: arc pushes and pulls, ariad serves.
package oci

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Media and artifact types.
const (
	ManifestType = "application/vnd.oci.image.manifest.v1+json"
	IndexType    = "application/vnd.oci.image.index.v1+json"

	BundleType = "application/vnd.aria.bundle.v1"
	ConfigType = "application/vnd.aria.manifest.v1+json"
	LayerType  = "application/vnd.aria.bundle.v1+zip"

	SignatureType = "application/vnd.aria.signature.v1"
	EnvelopeType  = "application/vnd.dsse.envelope.v1+json"
	SBOMType      = "application/vnd.cyclonedx+json"
	YankType      = "application/vnd.aria.yank.v1"
	EmptyType     = "application/vnd.oci.empty.v1+json"
)

// Limits.
const (
	MaxManifest = 1 << 20  // bytes of an OCI manifest
	MaxLayer    = 64 << 20 // bytes of a .aria file, as for an upload
	MaxAttached = 4 << 20  // bytes of a blob that a referrer carries
)

// Annotations that we write or read. A yank's reason was one before yanks were
// signed; it is read as what somebody says.
const (
	AnnotationTitle   = "org.opencontainers.image.title"
	AnnotationVersion = "org.opencontainers.image.version"
	AnnotationCreated = "org.opencontainers.image.created"
	AnnotationReason  = "vnd.aria.yank.reason"

	// created is fixed: the same bundle is the same manifest wherever and
	// whenever it is published.
	created = "1970-01-01T00:00:00Z"
)

// Empty is the content of every blob of EmptyType.
var Empty = []byte("{}")

// Descriptor names a blob or manifest.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

// Manifest is an OCI image manifest.
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        Descriptor        `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Subject       *Descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Digest is the sha256 of content as OCI writes it.
func Digest(content []byte) string {
	h := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(h[:])
}

// Describe names content.
func Describe(mediaType string, content []byte) Descriptor {
	return Descriptor{MediaType: mediaType, Digest: Digest(content), Size: int64(len(content))}
}

// BundleManifest is the manifest of a bundle: config is its manifest.json, the
// only layer is the file. The same file gives the same bytes everywhere.
func BundleManifest(b *bundle.Bundle, file []byte) []byte {
	return encode(Manifest{
		ArtifactType: BundleType,
		Config:       Describe(ConfigType, b.ManifestJSON()),
		Layers:       []Descriptor{Describe(LayerType, file)},
		Annotations: map[string]string{AnnotationTitle: b.Manifest.Name,
			AnnotationVersion: b.Manifest.Version, AnnotationCreated: created},
	})
}

// Attach is the manifest of a referrer to subject that carries one blob.
func Attach(subject Descriptor, artifactType string, blob Descriptor) []byte {
	return encode(Manifest{ArtifactType: artifactType, Config: Describe(EmptyType, Empty),
		Layers: []Descriptor{blob}, Subject: plain(subject), Annotations: map[string]string{AnnotationCreated: created}})
}

func plain(d Descriptor) *Descriptor {
	return &Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

func encode(m Manifest) []byte {
	m.SchemaVersion, m.MediaType = 2, ManifestType
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(m) // strings, numbers and maps of strings: cannot fail
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// Parse reads a manifest and checks that its descriptors are such. Errors are
// fault.Invalid.
func Parse(raw []byte) (*Manifest, error) {
	if len(raw) > MaxManifest {
		return nil, fault.New(fault.Invalid, "the OCI manifest is larger than %d KiB", MaxManifest>>10)
	}
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the OCI manifest is not JSON of the expected form")
	}
	if m.SchemaVersion != 2 || m.MediaType != ManifestType {
		return nil, fault.New(fault.Invalid, "not an OCI image manifest (media type %.80q)", m.MediaType)
	}
	all := append([]Descriptor{m.Config}, m.Layers...)
	if m.Subject != nil {
		all = append(all, *m.Subject)
	}
	for _, d := range all {
		if !ValidDigest(d.Digest) || d.Size < 0 || d.MediaType == "" {
			return nil, fault.New(fault.Invalid, "the OCI manifest has a bad descriptor %.100q", d.Digest)
		}
	}
	return &m, nil
}

// CheckBundle says why m is not the manifest of a bundle; nil if it is.
func (m *Manifest) CheckBundle() error {
	switch {
	case m.ArtifactType != BundleType:
		return fault.New(fault.Invalid, "it is an artifact of type %.80q, not a bundle", first(m.ArtifactType, m.Config.MediaType))
	case m.Config.MediaType != ConfigType, len(m.Layers) != 1, m.Layers[0].MediaType != LayerType, m.Subject != nil:
		return fault.New(fault.Invalid, "its OCI manifest is not of the form that bundles have")
	case m.Config.Size > bundle.MaxManifest, m.Layers[0].Size > MaxLayer:
		return fault.New(fault.Invalid, "it is larger than a bundle may be")
	}
	return nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// ValidDigest: "sha256:" and 64 lower-case hex digits.
func ValidDigest(s string) bool {
	return bundle.Digest(s).Valid()
}

// maxTag is OCI's own limit.
const maxTag = 128

// Tag is the tag of a version: "+" becomes "_", which no version has.
func Tag(version string) (string, error) {
	tag := strings.ReplaceAll(version, "+", "_")
	if !bundle.ValidVersion(version) || len(tag) > maxTag {
		return "", fault.New(fault.Invalid, "version %.140q cannot be a tag", version).
			WithHint("write at most %d characters: 1.2.3, 1.2.3-beta.1, 1.2.3+build", maxTag)
	}
	return tag, nil
}

// Version is the version of a tag; false for tags that are none.
func Version(tag string) (string, bool) {
	v := strings.ReplaceAll(tag, "_", "+")
	return v, bundle.ValidVersion(v)
}
