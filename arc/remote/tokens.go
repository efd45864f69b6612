package remote

import (
	"context"
	"time"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Tokens is who holds which tokens now, and who waits for whom.
type Tokens struct {
	Holders []TokenHolder `json:"holders"`
	Waiters []TokenWaiter `json:"waiters"`
}

// TokenHolder is one execution that holds tokens.
type TokenHolder struct {
	Run       string    `json:"run"`
	Execution string    `json:"execution"`
	Unit      string    `json:"unit"`
	Tokens    []string  `json:"tokens"`
	Fence     uint64    `json:"fence"`
	Since     time.Time `json:"since"`
	Tenant    string    `json:"tenant,omitempty"`
	Class     string    `json:"class"`
}

// TokenWaiter is one execution that waits. Blocked are those of its tokens that
// cannot be had now; HeldBy and Behind name executions.
type TokenWaiter struct {
	Run       string    `json:"run"`
	Execution string    `json:"execution"`
	Unit      string    `json:"unit"`
	Tokens    []string  `json:"tokens"`
	Blocked   []string  `json:"blocked"`
	HeldBy    []string  `json:"heldBy"`
	Behind    []string  `json:"behind"`
	Position  int64     `json:"position"`
	Since     time.Time `json:"since"`
	Tenant    string    `json:"tenant,omitempty"`
	Class     string    `json:"class"`
	// It waits for a rate, whose is in Limit, which lets it through at Opens; nobody
	// holds anything. Zero: it waits for who holds.
	Opens time.Time `json:"opens,omitzero"`
	Limit string    `json:"limit,omitempty"`
}

// Tokens asks for the table.
func (c *Client) Tokens(ctx context.Context) (Tokens, error) {
	res, err := retry(ctx, c, c.system.Tokens, &ariav1.TokensRequest{})
	return toTokens(res), err
}

func toTokens(res *ariav1.TokensResponse) Tokens {
	out := Tokens{Holders: []TokenHolder{}, Waiters: []TokenWaiter{}}
	for _, h := range res.GetHolders() {
		out.Holders = append(out.Holders, TokenHolder{
			Run: h.GetRun(), Execution: h.GetExecution(), Unit: h.GetUnit(), Tokens: list(h.GetTokens()), Fence: h.GetFence(),
			Since: millis(h.GetSinceUnixMs()), Tenant: h.GetTenant(), Class: h.GetClass(),
		})
	}
	for _, w := range res.GetWaiters() {
		x := TokenWaiter{
			Run: w.GetRun(), Execution: w.GetExecution(), Unit: w.GetUnit(), Tokens: list(w.GetTokens()), Blocked: list(w.GetBlocked()),
			HeldBy: list(w.GetHeldBy()), Behind: list(w.GetBehind()), Position: w.GetPosition(),
			Since: millis(w.GetSinceUnixMs()), Tenant: w.GetTenant(), Class: w.GetClass(), Limit: w.GetLimit(),
		}
		if ms := w.GetOpensUnixMs(); ms > 0 {
			x.Opens = millis(ms)
		}
		out.Waiters = append(out.Waiters, x)
	}
	return out
}
