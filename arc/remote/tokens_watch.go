package remote

import (
	"context"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// TokenEvent is one thing that happened to tokens: queued, granted, refused,
// released, raised, revoke; or a snapshot, where events before it are gone.
type TokenEvent struct {
	Seq       uint64    `json:"seq"`
	Time      time.Time `json:"time"`
	Kind      string    `json:"kind"`
	Run       string    `json:"run,omitempty"`
	Execution string    `json:"execution,omitempty"`
	Unit      string    `json:"unit,omitempty"`
	Tenant    string    `json:"tenant,omitempty"`
	Tokens    []string  `json:"tokens,omitempty"`
	HeldBy    []string  `json:"heldBy,omitempty"`
	Fence     uint64    `json:"fence,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Snapshot  *Tokens   `json:"snapshot,omitempty"`
}

// WatchTokens hands every event after a sequence number to emit, in order; 0 is
// from now on. A connection that breaks is taken up again where it broke off.
// It ends with ctx or an error of emit.
func (c *Client) WatchTokens(ctx context.Context, after uint64, emit func(TokenEvent) error) error {
	alive, pause := time.Now(), firstPause
	for {
		done, err := c.watchTokensOnce(ctx, &after, &alive, emit)
		if done || ctx.Err() != nil || time.Since(alive) > patience {
			return c.toFault(ctx, err)
		}
		sleep(ctx, pause)
		pause = min(2*pause, time.Second)
	}
}

func (c *Client) watchTokensOnce(ctx context.Context, after *uint64, alive *time.Time, emit func(TokenEvent) error) (done bool, err error) {
	stream, err := c.system.WatchTokens(ctx, connect.NewRequest(&ariav1.WatchTokensRequest{After: *after}))
	if err != nil {
		return isFinal(err), err
	}
	defer stream.Close()
	for stream.Receive() {
		m := stream.Msg()
		*alive, *after = time.Now(), m.GetSeq()
		e := TokenEvent{
			Seq: m.GetSeq(), Time: millis(m.GetTimeUnixMs()), Kind: m.GetKind(), Run: m.GetRun(), Execution: m.GetExecution(), Unit: m.GetUnit(),
			Tenant: m.GetTenant(), Tokens: m.GetTokens(), HeldBy: m.GetHeldBy(), Fence: m.GetFence(), Reason: m.GetReason(),
		}
		if m.GetSnapshot() != nil {
			t := toTokens(m.GetSnapshot())
			e.Snapshot = &t
		}
		if err := emit(e); err != nil {
			return true, err
		}
	}
	return stream.Err() != nil && isFinal(stream.Err()), stream.Err()
}

// Policy is the policy that holds on the server.
type Policy struct {
	File    string    `json:"file"` // "": there is none
	Text    string    `json:"text"`
	Since   time.Time `json:"since"`
	Problem string    `json:"problem,omitempty"` // why a newer text does not hold
}

// Policy asks for the policy that holds.
func (c *Client) Policy(ctx context.Context) (Policy, error) {
	r, err := retry(ctx, c, c.system.Policy, &ariav1.PolicyRequest{})
	return Policy{File: r.GetFile(), Text: r.GetText(), Since: millis(r.GetSinceUnixMs()), Problem: r.GetProblem()}, err
}
