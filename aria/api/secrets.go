package api

import (
	"context"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Secrets is the other daemon's store of credentials. Values pass through here
// and are written nowhere: not to the journal, not to the log, not into errors.
type Secrets interface {
	Set(ctx context.Context, name, value string) (*ariav1.Secret, error)
	List(ctx context.Context) ([]*ariav1.Secret, error)
	Remove(ctx context.Context, name string) error
}

type secrets struct{ s *server }

func (x secrets) Set(ctx context.Context, r *connect.Request[ariav1.SetSecretRequest]) (*connect.Response[ariav1.SetSecretResponse], error) {
	kept, err := x.s.Secrets.Set(ctx, r.Msg.Name, r.Msg.Value)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&ariav1.SetSecretResponse{Secret: kept}), nil
}

func (x secrets) List(ctx context.Context, _ *connect.Request[ariav1.ListSecretsRequest]) (*connect.Response[ariav1.ListSecretsResponse], error) {
	list, err := x.s.Secrets.List(ctx)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&ariav1.ListSecretsResponse{Secrets: list}), nil
}

func (x secrets) Remove(ctx context.Context, r *connect.Request[ariav1.RemoveSecretRequest]) (*connect.Response[ariav1.RemoveSecretResponse], error) {
	if err := x.s.Secrets.Remove(ctx, r.Msg.Name); err != nil {
		return nil, err
	}
	return connect.NewResponse(&ariav1.RemoveSecretResponse{}), nil
}
