package share

import (
	"context"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

// Yank is somebody's word that a version was taken back.
type Yank struct {
	Reason string
	// By is the public key that has signed it and may speak for the bundle. ""
	// is a claim: a registry, or whoever may push to it, can make one up.
	By string
}

// Proven: somebody who may has taken the version back.
func (y *Yank) Proven() bool { return y != nil && y.By != "" }

// words are the reason, as a fact or as what somebody claims.
func (y *Yank) words() (yanked, claimed string) {
	switch {
	case y == nil:
		return "", ""
	case y.By != "":
		return y.Reason, ""
	}
	return "", y.Reason
}

// claim is a yank as a registry has it.
type claim struct {
	reason string
	signed *sign.Yank // nil: it is not signed
}

// same: key has said it already, with those words.
func (s claim) same(about sign.Statement, reason string, key sign.PublicKey) bool {
	return s.signed != nil && s.signed.Verify(key) && s.signed.Statement.About() == about && s.reason == reason
}

// claims lists what says that a version was taken back.
func claims(ctx context.Context, repo *remote.Repository, subject ocispec.Descriptor) ([]claim, error) {
	var out []claim
	err := each(ctx, repo, subject, oci.YankType, func(m *oci.Manifest) error {
		said := claim{reason: m.Annotations[oci.AnnotationReason]}
		if small(m) && m.Layers[0].MediaType == oci.EnvelopeType {
			raw, err := fetch(ctx, repo.Blobs(), descriptor(m.Layers[0]), sign.MaxEnvelope)
			if err != nil {
				return err
			}
			if y, err := sign.ParseYank(raw); err == nil {
				said = claim{y.Statement.Reason, &y}
			}
		}
		out = append(out, said)
		return nil
	})
	return out, err
}

// judge gives the yank of a bundle that is proven, or else one that is claimed;
// nil if there is neither.
func (c *Client) judge(said []claim, about sign.Statement) *Yank {
	var out *Yank
	for _, s := range said {
		y := &Yank{Reason: first(s.reason, "no reason given")}
		if s.signed != nil && s.signed.Statement.About() == about && c.opts.Vouch != nil {
			if key, ok := c.opts.Vouch(about.Name, s.signed.Verify); ok {
				y.By = key.String()
				return y
			}
		}
		if out == nil {
			out = y
		}
	}
	return out
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Yanked says whether a version of the bundle of that name was taken back; nil
// if nobody says so.
func (c *Client) Yanked(ctx context.Context, p Place, name, version string) (*Yank, error) {
	what := "whether " + string(p) + " " + version + " was taken back cannot be told"
	repo, err := c.repository(p)
	if err != nil {
		return nil, err
	}
	d, err := c.resolve(ctx, repo, p, version)
	if err != nil {
		return nil, err
	}
	said, err := claims(ctx, repo, d)
	if err != nil || len(said) == 0 {
		return nil, toFault(err, p, what)
	}
	m, err := c.manifest(ctx, p, d, what)
	if err != nil {
		return nil, err
	}
	return c.judge(said, sign.Statement{Name: name, Version: version, Digest: m.Config.Digest}), nil
}

// Taken is what came of taking a version back.
type Taken struct {
	Place   Place  `json:"place"`
	Name    string `json:"name"`
	Version string `json:"version"`
	OCI     string `json:"oci"`    // digest of the OCI manifest
	Digest  string `json:"digest"` // of the bundle
	KeyID   string `json:"keyid"`
	Already bool   `json:"already"` // the same key had said so before, for the same reason
}

// Yank takes a version back: nobody who trusts key for that name installs it any
// more, unless they insist.
func (c *Client) Yank(ctx context.Context, p Place, name, version, reason string, key sign.SecretKey) (Taken, error) {
	out := Taken{Place: p, Name: name, Version: version, KeyID: key.Public.ID.String()}
	what := "taking " + version + " back at " + string(p) + " failed"
	repo, err := c.repository(p)
	if err != nil {
		return out, err
	}
	d, err := c.resolve(ctx, repo, p, version)
	if err != nil {
		return out, err
	}
	about, err := c.about(ctx, repo, p, d, name, version)
	if err != nil {
		return out, err
	}
	y, err := key.Yank(about, reason, time.Now())
	if err != nil {
		return out, err
	}
	out.OCI, out.Digest = d.Digest.String(), about.Digest
	said, err := claims(ctx, repo, d)
	if err != nil {
		return out, toFault(err, p, what)
	}
	for _, s := range said {
		if s.same(about, reason, key.Public) {
			out.Already = true
			return out, nil
		}
	}
	self := oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest.String(), Size: d.Size}
	blob := oci.Describe(oci.EnvelopeType, y.Bytes())
	err = refer(ctx, repo, oci.Attach(self, oci.YankType, blob), blob, y.Bytes())
	return out, toFault(err, p, what)
}

// about is what a signature of the version at a place states. It is what really
// stands there, not what its address says.
func (c *Client) about(ctx context.Context, repo *remote.Repository, p Place, d ocispec.Descriptor, name, version string) (sign.Statement, error) {
	what := string(p) + " " + version + " cannot be fetched"
	m, err := c.manifest(ctx, p, d, what)
	if err != nil {
		return sign.Statement{}, err
	}
	layer, err := fetch(ctx, repo.Blobs(), descriptor(m.Layers[0]), oci.MaxLayer)
	if err != nil {
		return sign.Statement{}, toFault(err, p, what)
	}
	b, err := bundle.Open(layer)
	if err != nil {
		return sign.Statement{}, from(err, p, version)
	}
	if st := b.Statement(); st == (sign.Statement{Name: name, Version: version, Digest: m.Config.Digest}) {
		return st, nil
	}
	return sign.Statement{}, fault.New(fault.Denied, "%s %s holds another bundle: %s %s", p, version, b.Manifest.Name, b.Manifest.Version).
		WithHint("nothing was signed; name the place of the right one with --from")
}
