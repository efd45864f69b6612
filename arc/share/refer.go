package share

import (
	"context"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

// fetch reads a blob or manifest that has at most limit bytes and checks its
// digest.
func fetch(ctx context.Context, from content.Fetcher, d ocispec.Descriptor, limit int64) ([]byte, error) {
	if d.Size < 0 || d.Size > limit {
		return nil, fault.New(fault.Invalid, "the registry offers %d bytes where at most %d may be", d.Size, limit)
	}
	body, err := from.Fetch(ctx, d)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return content.ReadAll(io.LimitReader(body, d.Size+1), d)
}

// envelopes of a bundle that are attached to it in the registry. What is not a
// signature of this very bundle proves nothing and is passed over.
func envelopes(ctx context.Context, repo *remote.Repository, subject ocispec.Descriptor, b *bundle.Bundle) ([]sign.Envelope, error) {
	var out []sign.Envelope
	err := each(ctx, repo, subject, oci.SignatureType, func(m *oci.Manifest) error {
		if !small(m) || len(out) == bundle.MaxSignatures {
			return nil
		}
		raw, err := fetch(ctx, repo.Blobs(), descriptor(m.Layers[0]), sign.MaxEnvelope)
		if err != nil {
			return err
		}
		if env, err := sign.ParseEnvelope(raw); err == nil && env.Statement == b.Statement() {
			out = append(out, env)
		}
		return nil
	})
	return out, err
}

// small: m carries one blob that an envelope may be.
func small(m *oci.Manifest) bool {
	return len(m.Layers) == 1 && m.Layers[0].Size <= sign.MaxEnvelope
}

// maxReferrers is how many of one type are looked at.
const maxReferrers = 256

// each calls fn with the referrers of a type that really refer to subject.
func each(ctx context.Context, repo *remote.Repository, subject ocispec.Descriptor, artifactType string, fn func(*oci.Manifest) error) error {
	var list []ocispec.Descriptor
	// Not every registry says the type of a referrer as OCI wants it: some take
	// the config's for it. So the list is not filtered there, and the manifest
	// itself says what it is.
	err := repo.Referrers(ctx, subject, "", func(page []ocispec.Descriptor) error {
		for _, d := range page {
			if d.ArtifactType == artifactType || d.ArtifactType == oci.EmptyType || d.ArtifactType == "" {
				list = append(list, d)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(list) > maxReferrers {
		return fault.New(fault.Exhausted, "more than %d manifests refer to %s", maxReferrers, subject.Digest)
	}
	for _, d := range list {
		raw, err := fetch(ctx, repo.Manifests(), d, oci.MaxManifest)
		if err != nil {
			return err
		}
		m, err := oci.Parse(raw)
		if err != nil || m.ArtifactType != artifactType || m.Subject == nil || m.Subject.Digest != subject.Digest.String() {
			continue
		}
		if err := fn(m); err != nil {
			return err
		}
	}
	return nil
}
