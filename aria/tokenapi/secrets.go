package tokenapi

import (
	"context"
	"time"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// Secret is what quiltd tells of one; never its value.
type Secret struct {
	Name    string
	Version int64
	Changed time.Time
}

// SetSecret gives a secret a value. It is handed on and kept nowhere here.
func (c *Client) SetSecret(ctx context.Context, name, value string) (Secret, error) {
	r, err := c.secrets.Set(ctx, &quiltv1.SetSecretRequest{Name: name, Value: value})
	if err != nil {
		return Secret{}, c.lost(ctx, err, asked)
	}
	return secret(r.Secret), nil
}

// Secrets lists them in the order of their names.
func (c *Client) Secrets(ctx context.Context) ([]Secret, error) {
	r, err := c.secrets.List(ctx, &quiltv1.ListSecretsRequest{})
	if err != nil {
		return nil, c.lost(ctx, err, asked)
	}
	var out []Secret
	for _, s := range r.Secrets {
		out = append(out, secret(s))
	}
	return out, nil
}

// RemoveSecret takes one away.
func (c *Client) RemoveSecret(ctx context.Context, name string) error {
	if _, err := c.secrets.Remove(ctx, &quiltv1.RemoveSecretRequest{Name: name}); err != nil {
		return c.lost(ctx, err, asked)
	}
	return nil
}

// VerifySecret says whether mac is the HMAC-SHA256 of message under a secret.
func (c *Client) VerifySecret(ctx context.Context, name string, message, mac []byte) (bool, error) {
	r, err := c.secrets.Verify(ctx, &quiltv1.VerifySecretRequest{Name: name, Message: message, Mac: mac})
	if err != nil {
		return false, c.lost(ctx, err, asked)
	}
	return r.Ok, nil
}

func secret(s *quiltv1.Secret) Secret {
	return Secret{Name: s.GetName(), Version: s.GetVersion(), Changed: time.UnixMilli(s.GetChangedUnixMs())}
}
