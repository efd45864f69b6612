package remote

import (
	"context"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Manifest is manifest.json of a held bundle, byte for byte as packed.
func (c *Client) Manifest(ctx context.Context, digest string) ([]byte, error) {
	res, err := retry(ctx, c, c.bundles.Get, &ariav1.GetBundleRequest{Digest: digest})
	return res.GetManifest(), err
}
