package api

import (
	"context"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
	"github.com/ariacomputecompany/firmware/quilt/secret"
)

// Secrets keeps credentials.
type Secrets interface {
	Set(ctx context.Context, tenant, name, value string) (secret.Info, error)
	List(ctx context.Context, tenant string) ([]secret.Info, error)
	Remove(ctx context.Context, tenant, name string) error
	Verify(ctx context.Context, tenant, name string, message, mac []byte) (bool, error)
}

// secrets serves them. There is no call that gives a value back.
type secrets struct {
	quiltv1.UnimplementedSecretServiceServer
	keep Secrets
}

func (s secrets) Set(ctx context.Context, r *quiltv1.SetSecretRequest) (*quiltv1.SetSecretResponse, error) {
	i, err := s.keep.Set(ctx, r.Tenant, r.Name, r.Value)
	if err != nil {
		return nil, reply(err)
	}
	return &quiltv1.SetSecretResponse{Secret: known(i)}, nil
}

func (s secrets) List(ctx context.Context, r *quiltv1.ListSecretsRequest) (*quiltv1.ListSecretsResponse, error) {
	list, err := s.keep.List(ctx, r.Tenant)
	if err != nil {
		return nil, reply(err)
	}
	out := &quiltv1.ListSecretsResponse{}
	for _, i := range list {
		out.Secrets = append(out.Secrets, known(i))
	}
	return out, nil
}

func (s secrets) Remove(ctx context.Context, r *quiltv1.RemoveSecretRequest) (*quiltv1.RemoveSecretResponse, error) {
	if err := s.keep.Remove(ctx, r.Tenant, r.Name); err != nil {
		return nil, reply(err)
	}
	return &quiltv1.RemoveSecretResponse{}, nil
}

func (s secrets) Verify(ctx context.Context, r *quiltv1.VerifySecretRequest) (*quiltv1.VerifySecretResponse, error) {
	ok, err := s.keep.Verify(ctx, r.Tenant, r.Name, r.Message, r.Mac)
	if err != nil {
		return nil, reply(err)
	}
	return &quiltv1.VerifySecretResponse{Ok: ok}, nil
}

func known(i secret.Info) *quiltv1.Secret {
	return &quiltv1.Secret{Name: i.Name, Version: i.Version, ChangedUnixMs: i.Changed.UnixMilli()}
}
