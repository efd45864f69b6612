package share

import (
	"bytes"
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Published is what came of publishing.
type Published struct {
	Place      Place         `json:"place"`
	Name       string        `json:"name"`
	Version    string        `json:"version"`
	Tag        string        `json:"tag"`
	OCI        string        `json:"oci"`    // digest of the OCI manifest
	Digest     bundle.Digest `json:"digest"` // of the bundle
	Signatures int           `json:"signatures"`
	Already    bool          `json:"already"` // the same was there
}

// Publish pushes a .aria file: blobs, the manifest by its digest, what refers to
// it, and the tag last, so that a version is never seen without its signatures.
// The same again changes nothing but to add signatures; other contents under the
// tag are fault.Conflict.
func (c *Client) Publish(ctx context.Context, p Place, b *bundle.Bundle) (Published, error) {
	plain, err := b.Unsigned()
	if err != nil {
		return Published{}, err
	}
	tag, err := oci.Tag(b.Manifest.Version)
	if err != nil {
		return Published{}, err
	}
	manifest := oci.BundleManifest(b, plain)
	self := oci.Describe(oci.ManifestType, manifest)
	out := Published{Place: p, Name: b.Manifest.Name, Version: b.Manifest.Version, Tag: tag, OCI: self.Digest,
		Digest: b.Digest, Signatures: len(b.Signatures)}
	repo, err := c.repository(p)
	if err != nil {
		return out, err
	}
	what := "publishing to " + string(p) + " failed"
	if out.Already, err = c.free(ctx, repo, p, tag, self.Digest, b); err != nil {
		return out, err
	}
	if !out.Already {
		for _, blob := range []struct {
			mediaType string
			body      []byte
		}{{oci.ConfigType, b.ManifestJSON()}, {oci.LayerType, plain}} {
			if err := push(ctx, repo, oci.Describe(blob.mediaType, blob.body), blob.body); err != nil {
				return out, toFault(err, p, what)
			}
		}
		if err := repo.Manifests().Push(ctx, descriptor(self), bytes.NewReader(manifest)); err != nil {
			return out, toFault(err, p, what)
		}
	}
	if err := c.attach(ctx, repo, self, b); err != nil {
		return out, toFault(err, p, what)
	}
	if !out.Already {
		err = repo.PushReference(ctx, descriptor(self), bytes.NewReader(manifest), tag)
	}
	return out, toFault(err, p, what)
}

// free says whether the tag has this very bundle already, and refuses if it has
// another.
func (c *Client) free(ctx context.Context, repo *remote.Repository, p Place, tag, digest string, b *bundle.Bundle) (already bool, err error) {
	there, err := repo.Resolve(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, toFault(err, p, "whether "+string(p)+" has that version cannot be told")
	}
	if there.Digest.String() == digest {
		return true, nil
	}
	return false, fault.New(fault.Conflict, "%s already has %s with other contents, and a tag is never overwritten", p, b.Manifest.Version).
		WithHint("raise the version in aria.toml and publish again")
}

// attach adds what refers to the bundle: its signatures and its SBOM.
func (c *Client) attach(ctx context.Context, repo *remote.Repository, self oci.Descriptor, b *bundle.Bundle) error {
	for _, env := range b.Signatures {
		blob := oci.Describe(oci.EnvelopeType, env.Bytes())
		if err := refer(ctx, repo, oci.Attach(self, oci.SignatureType, blob), blob, env.Bytes()); err != nil {
			return err
		}
	}
	sbom, err := b.File("sbom.cdx.json")
	if err != nil || len(sbom) > oci.MaxAttached {
		return nil // it stands in the bundle anyway
	}
	blob := oci.Describe(oci.SBOMType, sbom)
	return refer(ctx, repo, oci.Attach(self, oci.SBOMType, blob), blob, sbom)
}

// refer pushes a referrer with its blob.
func refer(ctx context.Context, repo *remote.Repository, manifest []byte, blob oci.Descriptor, body []byte) error {
	self := oci.Describe(oci.ManifestType, manifest)
	if ok, err := repo.Manifests().Exists(ctx, descriptor(self)); err == nil && ok {
		return nil
	}
	if err := push(ctx, repo, blob, body); err != nil {
		return err
	}
	if err := push(ctx, repo, oci.Describe(oci.EmptyType, oci.Empty), oci.Empty); err != nil {
		return err
	}
	return repo.Manifests().Push(ctx, descriptor(self), bytes.NewReader(manifest))
}

// push uploads a blob unless it is there.
func push(ctx context.Context, repo *remote.Repository, d oci.Descriptor, body []byte) error {
	ok, err := repo.Blobs().Exists(ctx, descriptor(d))
	if err != nil || ok {
		return err
	}
	return repo.Blobs().Push(ctx, descriptor(d), bytes.NewReader(body))
}

func descriptor(d oci.Descriptor) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: d.MediaType, Digest: digest.Digest(d.Digest), Size: d.Size}
}

func (c *Client) resolve(ctx context.Context, repo *remote.Repository, p Place, version string) (ocispec.Descriptor, error) {
	tag, err := oci.Tag(version)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := repo.Resolve(ctx, tag)
	return d, toFault(err, p, string(p)+" has no version "+version)
}
