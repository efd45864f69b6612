package agent

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/ariacomputecompany/firmware/aria/budget"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// known is what the provider said of the prompt's beginning: tokens, and how
// much of the request they stand for.
type known struct {
	tokens   int64
	messages int
	tools    int64 // bytes of tools and schema then
}

// Amount is the budget of an account with these limits; steps of one agent are
// its own and not shared.
func (l Limits) Amount() budget.Amount {
	return budget.Amount{Tokens: l.Tokens, MicroUSD: int64(l.USD * 1e6)}
}

func (l *loop) began() time.Time {
	if b := l.in.Limits.Began; !b.IsZero() {
		return b
	}
	return l.started
}

// reserve sets the worst case of one turn aside and bounds its answer.
func (l *loop) reserve(ctx context.Context, req *llm.Request) (*budget.Hold, error) {
	return l.set(ctx, req, cmp.Or(l.deps.MaxOutput, defaultOutput))
}

// set sets a call aside whose answer has at most so many tokens.
func (l *loop) set(ctx context.Context, req *llm.Request, most int64) (*budget.Hold, error) {
	ask := budget.Ask{Input: l.promptBound(req), Least: leastOutput, Want: most, Price: l.deps.Price, Free: l.deps.Free}
	hold, err := l.account.Reserve(ctx, ask)
	var full *budget.Exceeded
	var price *budget.NoPrice
	switch {
	case errors.As(err, &full):
		return nil, l.noRoom(full)
	case errors.As(err, &price):
		return nil, fault.New(fault.Invalid, "%s, but the price of the model of agent %q is not known", price.Error(), l.in.Agent).
			WithHint("add the model's price per million tokens to models.toml, or set a budget in tokens")
	case err != nil:
		return nil, err
	}
	l.capped = hold.Output > 0 && hold.Output < ask.Want
	req.MaxTokens = hold.Output
	return hold, nil
}

// settle books what a turn really used. Without a hold it was made before.
func (l *loop) settle(hold *budget.Hold, reply *llm.Reply) {
	l.book(hold, reply)
	if l.known = (known{}); !reply.Usage.Estimated && reply.Usage.InputTokens > 0 {
		// What is said next comes behind the answer, which is a part of the prompt then.
		l.known = known{reply.Usage.Tokens(), len(l.messages) + 1, l.toolBytes()}
	}
}

func (l *loop) book(hold *budget.Hold, reply *llm.Reply) {
	used := budget.Amount{Tokens: reply.Usage.Tokens(), Steps: 1}
	if p := l.deps.Price; p != nil {
		reply.Usage.USD = p.Of(reply.Usage)
		used.MicroUSD = p.Micros(reply.Usage)
	}
	if l.deps.Spent != nil {
		l.deps.Spent(used)
	}
	if hold != nil {
		hold.Settle(used)
	} else {
		l.account.Book(used)
	}
	l.result.Usage = l.result.Usage.Add(reply.Usage)
}

// perMessage are the tokens that a dialect puts around a message or a call.
const perMessage = 16

// promptBound is the most tokens that a request can have: a token for each byte,
// of which no tokenizer makes more, but for what the provider has counted.
func (l *loop) promptBound(req *llm.Request) int64 {
	n, from, tools := int64(0), 0, l.toolBytes()
	if k := l.known; k.messages > 0 && k.messages <= len(req.Messages) && k.tools <= tools {
		n, from, tools = k.tokens, k.messages, tools-k.tools
	}
	for _, m := range req.Messages[from:] {
		n += messageBytes(m)
	}
	return n + tools
}

func messageBytes(m llm.Message) int64 {
	n := perMessage + len(m.Text) + len(m.CallID)
	for _, c := range m.ToolCalls {
		n += perMessage + len(c.ID) + len(c.Name) + len(c.Arguments) + len(c.Signature)
	}
	return int64(n)
}

// toolBytes is how long tools and the schema of the answer are on the wire.
func (l *loop) toolBytes() int64 {
	n := len(l.output.schema)
	for _, t := range l.offered {
		n += 4*perMessage + len(t.Name) + len(t.Description) + len(t.Schema)
	}
	return int64(n)
}

// noRoom names the limit that ends the run, and whose it is.
func (l *loop) noRoom(full *budget.Exceeded) error {
	hint := "raise budget." + full.What
	if full.What == "usd" {
		hint += ", or choose a cheaper model"
	}
	if full.Account == l.account {
		return l.exhausted(full.What, full.Limit, hint)
	}
	return fault.New(fault.Exhausted, "agent %q reached the limit of %s (%s) that it shares with %s, without an answer; %s",
		l.in.Agent, full.What, full.Limit, full.Name, l.spent()).WithHint("%s of %s", hint, full.Name)
}

func (l *loop) cutByBudget() error {
	what, hint := "tokens", "raise budget.tokens"
	if l.in.Limits.Tokens == 0 && l.in.Limits.USD > 0 {
		what, hint = "usd", "raise budget.usd"
	}
	return l.exhausted(what, "the answer was cut", hint)
}
