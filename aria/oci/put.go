package oci

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

// putManifest takes in a bundle or a referrer. A bundle that is pushed by its
// digest only waits: pushed by its tag it is registered, with the signatures
// that came in between.
func (h *Handler) putManifest(q request) error {
	body, err := io.ReadAll(io.LimitReader(q.Body, oci.MaxManifest+1))
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the manifest broke off")
	}
	m, err := oci.Parse(body)
	if err != nil {
		return err
	}
	self := oci.Describe(oci.ManifestType, body)
	byDigest := oci.ValidDigest(q.id)
	if byDigest && q.id != self.Digest {
		return known("DIGEST_INVALID", fault.New(fault.Invalid, "the manifest has the digest %s, not %s", self.Digest, q.id))
	}
	h.pushing.Lock()
	defer h.pushing.Unlock()
	switch {
	case m.Subject != nil && byDigest:
		err = h.putReferrer(q, m, body)
	case m.Subject != nil:
		err = fault.New(fault.Invalid, "a referrer has no tag").WithHint("push it by its digest")
	default:
		err = h.putBundle(q, m, self, body, byDigest)
	}
	if err != nil {
		return err
	}
	header := q.w.Header()
	if m.Subject != nil {
		header.Set("OCI-Subject", m.Subject.Digest)
	}
	header.Set("Location", Prefix+q.repo+"/manifests/"+self.Digest)
	header.Set("Docker-Content-Digest", self.Digest)
	q.w.WriteHeader(http.StatusCreated)
	return nil
}

func (h *Handler) putBundle(q request, m *oci.Manifest, self oci.Descriptor, body []byte, byDigest bool) error {
	if err := m.CheckBundle(); err != nil {
		return err
	}
	layer, ok, err := h.find(q, m.Layers[0].Digest)
	if err != nil {
		return err
	}
	if !ok {
		return known("MANIFEST_BLOB_UNKNOWN", fault.New(fault.NotFound, "the layer %s was not pushed", m.Layers[0].Digest).WithHint("push it first"))
	}
	b, err := bundle.Open(layer)
	if err != nil {
		return err
	}
	if err := h.matches(q, b, layer, body, byDigest); err != nil {
		return err
	}
	if byDigest {
		return h.stage.put(body)
	}
	list, err := h.signatures(q.Context(), q.repo, self.Digest, b)
	if err != nil {
		return err
	}
	file, err := b.WithSignatures(list...)
	if err != nil {
		return err
	}
	if _, _, err := h.reg.Add(q.Context(), file, registry.Register); err != nil {
		return h.overwrites(err, b)
	}
	for _, d := range []string{self.Digest, m.Config.Digest, m.Layers[0].Digest} {
		h.stage.drop(d)
	}
	return nil
}

// matches: the bundle belongs in this repository, under this tag, in the one
// form that it has.
func (h *Handler) matches(q request, b *bundle.Bundle, layer, body []byte, byDigest bool) error {
	tag, err := oci.Tag(b.Manifest.Version)
	switch {
	case err != nil:
		return err
	case b.Manifest.Name != q.repo:
		return known("NAME_INVALID", fault.New(fault.Invalid, "the bundle is named %s, not %s", b.Manifest.Name, q.repo).
			WithHint("here a repository is a bundle's name: push it to %s", b.Manifest.Name))
	case !byDigest && q.id != tag:
		return known("TAG_INVALID", fault.New(fault.Invalid, "the bundle is version %s, so its tag is %s, not %.140q", b.Manifest.Version, tag, q.id))
	case len(b.Signatures) > 0 || !bytes.Equal(oci.BundleManifest(b, layer), body):
		return fault.New(fault.Invalid, "the manifest is not in the one form that docs/spec/sharing.md gives").
			WithHint("push it with arc publish, or copy it whole from where arc published it")
	}
	return nil
}

// overwrites says what a conflict means to somebody who pushes.
func (h *Handler) overwrites(err error, b *bundle.Bundle) error {
	if fault.CodeOf(err) != fault.Conflict {
		return err
	}
	return fault.Wrap(err, fault.Conflict, "%s %s is here already with other contents, and a tag is never overwritten", b.Manifest.Name, b.Manifest.Version).
		WithHint("raise the version in aria.toml and publish again")
}

// signatures that were pushed for a manifest and are about b.
func (h *Handler) signatures(ctx context.Context, repo, subject string, b *bundle.Bundle) ([]sign.Envelope, error) {
	all, err := h.refs.of(ctx, repo, subject)
	if err != nil {
		return nil, err
	}
	var out []sign.Envelope
	for _, r := range all {
		if r.artifact != oci.SignatureType || len(out) == bundle.MaxSignatures {
			continue
		}
		m, err := oci.Parse(r.body)
		if err != nil {
			return nil, err
		}
		raw, ok, err := h.refs.blob(ctx, repo, m.Layers[0].Digest)
		if err != nil || !ok {
			return nil, errors.Join(err, fault.New(fault.Internal, "a signature of %s is gone", repo))
		}
		env, err := sign.ParseEnvelope(raw)
		if err != nil {
			return nil, err
		}
		if env.Statement == b.Statement() {
			out = append(out, env)
		}
	}
	return out, nil
}

// putReferrer keeps a signature, an SBOM or a yank of a bundle that is here or
// on its way.
func (h *Handler) putReferrer(q request, m *oci.Manifest, body []byte) error {
	subject, err := h.subject(q, m.Subject.Digest)
	if err != nil {
		return err
	}
	if len(m.Layers) != 1 || m.Layers[0].Size > oci.MaxAttached {
		return fault.New(fault.Invalid, "a referrer carries one blob of at most %d MiB", oci.MaxAttached>>20)
	}
	content, ok, err := h.find(q, m.Layers[0].Digest)
	if err != nil {
		return err
	}
	if !ok {
		return known("MANIFEST_BLOB_UNKNOWN", fault.New(fault.NotFound, "the blob %s was not pushed", m.Layers[0].Digest).WithHint("push it first"))
	}
	switch m.ArtifactType {
	case oci.SBOMType:
	case oci.YankType:
		y, err := sign.ParseYank(content)
		if err != nil {
			return err
		}
		if y.Statement.About() != about(q.repo, subject) {
			return fault.New(fault.Invalid, "the yank is of %.130s %.70s, another bundle", y.Statement.Name, y.Statement.Version)
		}
	case oci.SignatureType:
		env, err := sign.ParseEnvelope(content)
		if err != nil {
			return err
		}
		if env.Statement != about(q.repo, subject) {
			return fault.New(fault.Invalid, "the signature is for %.130s %.70s, another bundle", env.Statement.Name, env.Statement.Version)
		}
	default:
		return known("UNSUPPORTED", fault.New(fault.Invalid, "referrers of type %.100q are not kept here", m.ArtifactType).
			WithHint("signatures, SBOMs and yanks are"))
	}
	err = h.refs.add(q.Context(), q.repo, newReferrer(m.Subject.Digest, m.ArtifactType, body), m.Layers[0].Digest, content)
	if err == nil {
		h.stage.drop(m.Layers[0].Digest)
	}
	return err
}

// about is what is stated about the bundle of a manifest that matches let pass.
func about(repo string, m *oci.Manifest) sign.Statement {
	return sign.Statement{Name: repo, Version: m.Annotations[oci.AnnotationVersion], Digest: m.Config.Digest}
}

// subject finds the bundle manifest that a referrer is about.
func (h *Handler) subject(q request, digest string) (*oci.Manifest, error) {
	entries, err := h.entries(q.repo)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.self.Digest == digest {
			return oci.Parse(e.manifest)
		}
	}
	if body, ok := h.stage.get(digest); ok {
		if m, err := oci.Parse(body); err == nil && m.CheckBundle() == nil {
			return m, nil
		}
	}
	return nil, known("MANIFEST_UNKNOWN", fault.New(fault.NotFound, "%s has no bundle %s to refer to", q.repo, digest))
}
