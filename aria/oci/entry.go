package oci

import (
	"fmt"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/bundle/oci"
)

// sbomName is the file that is offered as a referrer, too.
const sbomName = "sbom.cdx.json"

// entry is a registered bundle in OCI's terms. Only small things are kept: the
// content is made from the stored file when somebody asks.
type entry struct {
	bundle   bundle.Digest
	version  string
	manifest []byte
	self     oci.Descriptor // of manifest
	size     int64          // of the stored file: it grows when a signature is added
	layer    string         // digests of the blobs
	sbom     string
	// attached are referrers that follow from the file itself: its signatures
	// and its SBOM. By digest, with the blob each carries.
	attached  []referrer
	envelopes map[string][]byte
}

// unpacked opens the stored file of a bundle.
func (h *Handler) unpacked(d bundle.Digest) (*bundle.Bundle, []byte, error) {
	file, err := h.reg.File(d)
	if err != nil {
		return nil, nil, err
	}
	b, err := bundle.Open(file)
	if err != nil || b.Digest != d {
		return nil, nil, fmt.Errorf("the stored file of bundle %s is damaged: %v", d, err)
	}
	plain, err := b.Unsigned()
	return b, plain, err
}

// entryOf looks a registered bundle up, making its entry at first sight.
func (h *Handler) entryOf(held registry.Bundle) (*entry, error) {
	h.mu.Lock()
	e := h.known[held.Digest]
	h.mu.Unlock()
	if e != nil && e.size == held.Size {
		return e, nil
	}
	b, plain, err := h.unpacked(held.Digest)
	if err != nil {
		return nil, err
	}
	e = &entry{bundle: held.Digest, version: held.Version, size: held.Size, manifest: oci.BundleManifest(b, plain),
		layer: oci.Digest(plain), envelopes: map[string][]byte{}}
	e.self = oci.Describe(oci.ManifestType, e.manifest)
	for _, env := range b.Signatures {
		blob := oci.Describe(oci.EnvelopeType, env.Bytes())
		e.envelopes[blob.Digest] = env.Bytes()
		e.attached = append(e.attached, newReferrer(e.self.Digest, oci.SignatureType, oci.Attach(e.self, oci.SignatureType, blob)))
	}
	if sbom, err := b.File(sbomName); err == nil && len(sbom) <= oci.MaxAttached {
		blob := oci.Describe(oci.SBOMType, sbom)
		e.sbom = blob.Digest
		e.attached = append(e.attached, newReferrer(e.self.Digest, oci.SBOMType, oci.Attach(e.self, oci.SBOMType, blob)))
	}
	h.mu.Lock()
	h.known[held.Digest] = e
	h.mu.Unlock()
	return e, nil
}

// entries of a repository, oldest version first.
func (h *Handler) entries(repo string) ([]*entry, error) {
	var out []*entry
	for _, held := range h.reg.Named(repo) {
		e, err := h.entryOf(held)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// blob is the content of a digest that an entry of the repository has.
func (h *Handler) blob(repo, digest string) ([]byte, bool, error) {
	entries, err := h.entries(repo)
	if err != nil {
		return nil, false, err
	}
	for _, e := range entries {
		if env, ok := e.envelopes[digest]; ok {
			return env, true, nil
		}
		if digest != e.layer && digest != e.sbom && digest != string(e.bundle) {
			continue
		}
		b, plain, err := h.unpacked(e.bundle)
		switch {
		case err != nil:
			return nil, false, err
		case digest == e.layer:
			return plain, true, nil
		case digest == e.sbom:
			sbom, err := b.File(sbomName)
			return sbom, err == nil, err
		}
		return b.ManifestJSON(), true, nil
	}
	return nil, false, nil
}
