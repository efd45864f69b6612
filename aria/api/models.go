package api

import (
	"context"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

type providers struct{ s *server }

// List asks every provider what it has, each at most as long as the caller says.
func (p providers) List(ctx context.Context, req *connect.Request[ariav1.ListModelsRequest]) (*connect.Response[ariav1.ListModelsResponse], error) {
	timeout := time.Duration(req.Msg.TimeoutMs) * time.Millisecond
	if timeout == 0 {
		timeout = 5 * time.Second
	}
	if timeout < 0 || timeout > time.Minute {
		return nil, fault.New(fault.Invalid, "timeout_ms %d is not in 0 to 60000", req.Msg.TimeoutMs)
	}
	return connect.NewResponse(p.s.Models(ctx, timeout)), nil
}
