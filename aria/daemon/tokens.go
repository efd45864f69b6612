package daemon

import (
	"context"

	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// tokenTable is quiltd's table in the words of the public port.
func tokenTable(quilt *tokenapi.Client) func(context.Context) (*ariav1.TokensResponse, error) {
	return func(ctx context.Context) (*ariav1.TokensResponse, error) {
		holders, waiters, err := quilt.Tokens(ctx)
		if err != nil {
			return nil, err
		}
		out := &ariav1.TokensResponse{}
		for _, h := range holders {
			out.Holders = append(out.Holders, &ariav1.TokenHolder{
				Execution: h.Execution, Unit: h.Unit, Tokens: h.Tokens, Fence: h.Fence, SinceUnixMs: h.Since.UnixMilli(),
				Tenant: h.Tenant, Class: h.Class,
			})
		}
		for _, w := range waiters {
			out.Waiters = append(out.Waiters, &ariav1.TokenWaiter{
				Execution: w.Execution, Unit: w.Unit, Tokens: w.Tokens, Blocked: w.Blocked, HeldBy: w.HeldBy, Behind: w.Behind,
				Position: w.Position, SinceUnixMs: w.Since.UnixMilli(), Tenant: w.Tenant, Class: w.Class,
			})
		}
		return out, nil
	}
}
