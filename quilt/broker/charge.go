package broker

import (
	"context"

	"github.com/ariacomputecompany/firmware/token"
)

// Spend is what one operation uses up beside its place: tokens of a model and
// millionths of a dollar. Both may be 0.
type Spend struct{ Tokens, MicroUSD int64 }

// Charge is a reservation. Settle ends it with what was really used and may be
// called once; more than the estimate is charged in full. Slow lowers what is
// left of the rates to what a provider reported; below zero is not known.
type Charge struct {
	Settle func(actual Spend)
	Slow   func(requests, tokens int64)
}

// Spent is what one call of a model was charged with that a client in the unit's
// code made through the gateway.
type Spent struct {
	Model                     string // "openai:gpt-4o-mini"
	InputTokens, OutputTokens int64
	USD                       float64 // 0: the price is not known
	Estimated                 bool    // the provider did not say: the most that it can have been
	Call                      int64   // that asked; 0: it came to the gate by itself
}

// Spent tells the caller of the execution what a model was asked for by c.
func (c Call) Spent(s Spent) {
	if c.Grant.Spent != nil {
		s.Call = c.ID
		c.Grant.Spent(s)
	}
}

// Charger reserves what an operation under need uses up.
type Charger func(ctx context.Context, need token.Token, estimate Spend) (Charge, error)

// Charge counts one operation under need and sets the estimate aside: in the
// rate= and budget= of the token that covers need, in those of all who wait for
// this execution, and in the limits of the policy. It waits for rates, standing
// in no queue. Faults: Denied when no token covers need; Exhausted when a budget
// has too little left, naming whose; else the cause of ctx.
func (c Call) Charge(ctx context.Context, need token.Token, estimate Spend) (Charge, error) {
	if _, ok := c.covering(need); !ok {
		return Charge{}, c.deny(need)
	}
	if c.Grant.Charge == nil {
		return Charge{Settle: func(Spend) {}, Slow: func(int64, int64) {}}, nil
	}
	return c.Grant.Charge(ctx, need, estimate)
}
