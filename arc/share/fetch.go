package share

import (
	"context"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Fetched is a bundle as a registry gave it: sound in itself, with every
// signature that stands beside it. Whether to trust it is for others to say.
type Fetched struct {
	Place  Place
	OCI    string // digest of the OCI manifest
	Bundle *bundle.Bundle
	File   []byte // the .aria file, signatures inside
	Yank   *Yank  // nil: nobody says that it was taken back
}

// Fetch gets one version. Its tag must lead to pinned, the digest that a lock
// file remembers, unless that is "".
func (c *Client) Fetch(ctx context.Context, p Place, version, pinned string) (*Fetched, error) {
	repo, err := c.repository(p)
	if err != nil {
		return nil, err
	}
	d, err := c.resolve(ctx, repo, p, version)
	if err != nil {
		return nil, err
	}
	if pinned != "" && d.Digest.String() != pinned {
		return nil, fault.New(fault.Denied, "the tag %s of %s was overwritten: it is %s, and aria.lock has %s", version, p, d.Digest, pinned).
			WithHint("a tag never changes honestly: ask its author; to take what is there now, remove its entry from aria.lock and install it anew")
	}
	what := string(p) + " " + version + " cannot be fetched"
	m, err := c.manifest(ctx, p, d, what)
	if err != nil {
		return nil, err
	}
	config, err := fetch(ctx, repo.Blobs(), descriptor(m.Config), bundle.MaxManifest)
	if err != nil {
		return nil, toFault(err, p, what)
	}
	layer, err := fetch(ctx, repo.Blobs(), descriptor(m.Layers[0]), oci.MaxLayer)
	if err != nil {
		return nil, toFault(err, p, what)
	}
	b, err := bundle.Open(layer)
	if err != nil {
		return nil, from(err, p, version)
	}
	if string(b.Digest) != oci.Digest(config) || b.Manifest.Version != version {
		return nil, fault.New(fault.Denied, "%s %s holds another bundle: %s %s", p, version, b.Manifest.Name, b.Manifest.Version).
			WithHint("the registry or whoever published it is not honest; nothing was kept")
	}
	out := &Fetched{Place: p, OCI: d.Digest.String()}
	list, err := envelopes(ctx, repo, d, b)
	if err != nil {
		return nil, toFault(err, p, "the signatures of "+string(p)+" "+version+" cannot be read")
	}
	if out.File, err = b.WithSignatures(list...); err != nil {
		return nil, from(err, p, version)
	}
	if out.Bundle, err = bundle.Open(out.File); err != nil {
		return nil, from(err, p, version)
	}
	said, err := claims(ctx, repo, d)
	out.Yank = c.judge(said, b.Statement())
	return out, toFault(err, p, "whether "+string(p)+" "+version+" was taken back cannot be told")
}

// manifest fetches and checks the OCI manifest of a bundle.
func (c *Client) manifest(ctx context.Context, p Place, d ocispec.Descriptor, what string) (*oci.Manifest, error) {
	repo, err := c.repository(p)
	if err != nil {
		return nil, err
	}
	raw, err := fetch(ctx, repo.Manifests(), d, oci.MaxManifest)
	if err != nil {
		return nil, toFault(err, p, what)
	}
	m, err := oci.Parse(raw)
	if err == nil {
		err = m.CheckBundle()
	}
	if f, ok := fault.As(err); ok {
		return nil, fault.Wrap(err, f.Code, "%s: %s", p, f.Message).WithHint(`"arc publish" puts bundles there`)
	}
	return m, err
}

// from says where a bundle that is none came from.
func from(err error, p Place, version string) error {
	if f, ok := fault.As(err); ok {
		return fault.Wrap(err, f.Code, "%s %s: %s", p, version, f.Message).WithHint("ask its author to publish it again")
	}
	return err
}
