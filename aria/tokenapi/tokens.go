package tokenapi

import (
	"context"
	"time"

	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// Holder is one execution that holds tokens.
type Holder struct {
	Execution, Unit string
	Tokens          []string
	Fence           uint64
	Since           time.Time
	Tenant, Class   string
}

// Waiter is one execution that waits for tokens.
type Waiter struct {
	Execution, Unit string
	Tokens          []string // asked for
	Blocked         []string // of these, those that cannot be had now
	HeldBy          []string // executions
	Behind          []string // executions whose turn is earlier
	Position        int64
	Since           time.Time
	Tenant, Class   string
}

// Tokens says who holds what and who waits for whom. It asks at once and does
// not wait for quiltd to come up.
func (c *Client) Tokens(ctx context.Context) ([]Holder, []Waiter, error) {
	c.conn.Connect()
	r, err := c.quilt.Leases(ctx, &quiltv1.LeasesRequest{})
	if err != nil {
		return nil, nil, c.lost(ctx, err, asked)
	}
	var holders []Holder
	for _, l := range r.Leases {
		holders = append(holders, Holder{
			Execution: l.Execution, Unit: l.Unit, Tokens: l.Tokens, Fence: l.Fence, Since: time.UnixMilli(l.SinceUnixMs),
			Tenant: l.Tenant, Class: l.Class,
		})
	}
	var waiters []Waiter
	for _, w := range r.Waits {
		waiters = append(waiters, Waiter{
			Execution: w.Execution, Unit: w.Unit, Tokens: w.Tokens, Blocked: w.Blocked, HeldBy: w.HeldBy, Behind: w.Behind,
			Position: w.Position, Since: time.UnixMilli(w.SinceUnixMs), Tenant: w.Tenant, Class: w.Class,
		})
	}
	return holders, waiters, nil
}
