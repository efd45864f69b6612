package api

import (
	"context"
	"strings"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Tokens passes on quiltd's table; an execution's run is what its id begins with.
func (y system) Tokens(ctx context.Context, _ *connect.Request[ariav1.TokensRequest]) (*connect.Response[ariav1.TokensResponse], error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := y.s.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	for _, h := range out.Holders {
		h.Run = runOf(h.Execution)
	}
	for _, w := range out.Waiters {
		w.Run = runOf(w.Execution)
	}
	return connect.NewResponse(out), nil
}

// runOf cuts the attempt from "run.attempt".
func runOf(execution string) string {
	if i := strings.LastIndexByte(execution, '.'); i > 0 {
		return execution[:i]
	}
	return execution
}
