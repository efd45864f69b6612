package daemon

import (
	"context"

	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// secrets are quiltd's, in the words of the public port.
type secrets struct{ quilt *tokenapi.Client }

func (s secrets) Set(ctx context.Context, name, value string) (*ariav1.Secret, error) {
	kept, err := s.quilt.SetSecret(ctx, name, value)
	return wireSecret(kept), err
}

func (s secrets) List(ctx context.Context) ([]*ariav1.Secret, error) {
	list, err := s.quilt.Secrets(ctx)
	var out []*ariav1.Secret
	for _, x := range list {
		out = append(out, wireSecret(x))
	}
	return out, err
}

func (s secrets) Remove(ctx context.Context, name string) error {
	return s.quilt.RemoveSecret(ctx, name)
}

func wireSecret(s tokenapi.Secret) *ariav1.Secret {
	return &ariav1.Secret{Name: s.Name, Version: s.Version, ChangedUnixMs: s.Changed.UnixMilli()}
}
