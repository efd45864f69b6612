package remote

import (
	"context"
	"time"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Secret is what may be told of one.
type Secret struct {
	Name    string    `json:"name"`
	Version int64     `json:"version"`
	Changed time.Time `json:"changed"`
}

// SetSecret gives a secret a value: a new secret, or the next version of one. The
// same value again changes nothing.
func (c *Client) SetSecret(ctx context.Context, name, value string) (Secret, error) {
	res, err := retry(ctx, c, c.secrets.Set, &ariav1.SetSecretRequest{Name: name, Value: value})
	return oneSecret(res.GetSecret()), err
}

// Secrets lists them in the order of their names.
func (c *Client) Secrets(ctx context.Context) ([]Secret, error) {
	res, err := retry(ctx, c, c.secrets.List, &ariav1.ListSecretsRequest{})
	out := []Secret{}
	for _, s := range res.GetSecrets() {
		out = append(out, oneSecret(s))
	}
	return out, err
}

// RemoveSecret takes one away.
func (c *Client) RemoveSecret(ctx context.Context, name string) error {
	_, err := retry(ctx, c, c.secrets.Remove, &ariav1.RemoveSecretRequest{Name: name})
	return err
}

func oneSecret(s *ariav1.Secret) Secret {
	return Secret{Name: s.GetName(), Version: s.GetVersion(), Changed: millis(s.GetChangedUnixMs())}
}
