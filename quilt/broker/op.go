package broker

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// Service is what stands behind one scheme of tokens.
type Service struct {
	Scheme string        // "kv"
	Ops    map[string]Op // by the name a container asks for: "kv.get"
	// Ended is called once when an execution is over and no operation of it is
	// under way; nil where nothing is kept between operations.
	Ended func(execution string)
}

// Op is one operation that a container may ask for. What it returns is the
// answer as JSON. A fault is told to the container as it is; any other error is
// logged and told as an internal one.
type Op func(ctx context.Context, c Call) (any, error)

// Call is one question from inside.
type Call struct {
	Execution, Unit string
	ID              int64 // rises within an execution
	// Key is the same whenever the same run asks the same again after a crash: a
	// service that changes something does it once per key. "": no such promise.
	Key   string
	Grant Grant
	Args  json.RawMessage
}

// Grant is what an execution may use.
type Grant struct {
	Tenant string
	Tokens token.Set
	Fence  uint64
}

// Hold is one operation's use of a token.
type Hold struct {
	Token token.Token // of the grant; covers what was needed
	Fence uint64      // for the resource to check in the transaction of the write
	Done  func()      // to be called once, when the operation is over
}

// Hold claims need for one operation. Where several tokens of the grant cover
// it, the strongest verb counts. Fault: Denied when none does.
func (c Call) Hold(ctx context.Context, need token.Token) (Hold, error) {
	best, found := token.Token{}, false
	for _, t := range c.Grant.Tokens {
		if allows(t, need) && (!found || t.Mode() > best.Mode()) {
			best, found = t, true
		}
	}
	if !found {
		return Hold{}, c.deny(need)
	}
	return Hold{Token: best, Fence: c.Grant.Fence, Done: func() {}}, nil
}

// allows: verb u reads, and only announces that a write may follow.
func allows(t, need token.Token) bool {
	reads := need.Verb() == token.Snapshot || need.Verb() == token.Read
	return t.Covers(need) && (t.Verb() != token.Update || reads)
}

func (c Call) deny(need token.Token) error {
	held := "no tokens"
	if len(c.Grant.Tokens) > 0 {
		held = strings.Join(c.Grant.Tokens.Strings(), ", ")
	}
	return fault.New(fault.Denied, "this unit holds no %s", asked(need)).
		WithHint("declare a handle for it in the class; it holds %s", Clip(held, 400))
}

// asked is need as an author would declare it: what is needed at least is the
// weakest verb, which is rarely the one that is meant.
func asked(need token.Token) string {
	text := need.String()
	switch need.Verb() {
	case token.Snapshot:
		return strings.TrimSuffix(text, ":s") + ":r"
	case token.Atomic:
		return strings.TrimSuffix(text, ":a") + ":rw"
	}
	return text
}
