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
	Opens           time.Time // it waits for a rate, which lets it through then; zero: it does not
	Limit           string    // whose rate that is, for people
}

// Tokens says who holds what and who waits for whom. It asks at once and does
// not wait for quiltd to come up.
func (c *Client) Tokens(ctx context.Context) ([]Holder, []Waiter, error) {
	c.conn.Connect()
	r, err := c.quilt.Leases(ctx, &quiltv1.LeasesRequest{})
	if err != nil {
		return nil, nil, c.lost(ctx, err, asked)
	}
	holders, waiters := table(r)
	return holders, waiters, nil
}

func table(r *quiltv1.LeasesResponse) (holders []Holder, waiters []Waiter) {
	for _, l := range r.GetLeases() {
		holders = append(holders, Holder{
			Execution: l.Execution, Unit: l.Unit, Tokens: l.Tokens, Fence: l.Fence, Since: time.UnixMilli(l.SinceUnixMs),
			Tenant: l.Tenant, Class: l.Class,
		})
	}
	for _, w := range r.GetWaits() {
		x := Waiter{
			Execution: w.Execution, Unit: w.Unit, Tokens: w.Tokens, Blocked: w.Blocked, HeldBy: w.HeldBy, Behind: w.Behind,
			Position: w.Position, Since: time.UnixMilli(w.SinceUnixMs), Tenant: w.Tenant, Class: w.Class, Limit: w.Limit,
		}
		if w.OpensUnixMs > 0 {
			x.Opens = time.UnixMilli(w.OpensUnixMs)
		}
		waiters = append(waiters, x)
	}
	return holders, waiters
}

// TokenEvent is one thing that happened to tokens; kinds are in quilt.proto.
type TokenEvent struct {
	Seq                     uint64
	Time                    time.Time
	Kind                    string
	Execution, Unit, Tenant string
	Tokens, HeldBy          []string
	Fence                   uint64
	Reason                  string
	Holders                 []Holder // of a snapshot
	Waiters                 []Waiter
}

// WatchTokens hands on every event after a sequence number, in order, until ctx
// ends or emit fails; 0 is from now on. Where older ones are gone a snapshot
// comes first.
func (c *Client) WatchTokens(ctx context.Context, after uint64, emit func(TokenEvent) error) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.quilt.Watch(ctx, &quiltv1.WatchRequest{After: after})
	if err != nil {
		return c.lost(ctx, err, asked)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return c.lost(ctx, err, asked)
		}
		e := TokenEvent{Seq: m.Seq, Time: time.UnixMilli(m.TimeUnixMs), Kind: m.Kind, Execution: m.Execution, Unit: m.Unit,
			Tenant: m.Tenant, Tokens: m.Tokens, HeldBy: m.HeldBy, Fence: m.Fence, Reason: m.Reason}
		e.Holders, e.Waiters = table(m.Snapshot)
		if err := emit(e); err != nil {
			return err
		}
	}
}

// Policy that holds in quiltd.
type Policy struct {
	File, Text, Problem string
	Since               time.Time
}

// Policy asks at once and does not wait for quiltd to come up.
func (c *Client) Policy(ctx context.Context) (Policy, error) {
	c.conn.Connect()
	r, err := c.quilt.Policy(ctx, &quiltv1.PolicyRequest{})
	if err != nil {
		return Policy{}, c.lost(ctx, err, asked)
	}
	p := Policy{File: r.File, Text: r.Text, Problem: r.Problem}
	if r.SinceUnixMs > 0 {
		p.Since = time.UnixMilli(r.SinceUnixMs)
	}
	return p, nil
}

// Counts are quiltd's counters of tokens since its start, and what holds now.
type Counts struct {
	Sessions, Waiting                           int64
	Granted, Queued, Released, Revoked, LastSeq uint64
	Refused                                     map[string]uint64
	Waited                                      time.Duration
	Pools                                       []Pool
}

// Pool is how much of a counted resource is in use.
type Pool struct {
	Name, Tenant            string
	Capacity, Used, Waiting int64
}

func counts(w *quiltv1.TokenCounts) Counts {
	c := Counts{
		Sessions: w.GetSessions(), Waiting: w.GetWaiting(), Granted: w.GetGranted(), Queued: w.GetQueued(), Released: w.GetReleased(),
		Revoked: w.GetRevoked(), LastSeq: w.GetLastSeq(), Refused: w.GetRefused(), Waited: time.Duration(w.GetWaitUs()) * time.Microsecond,
	}
	for _, p := range w.GetPools() {
		c.Pools = append(c.Pools, Pool{p.Name, p.Tenant, p.Capacity, p.Used, p.Waiting})
	}
	return c
}
