package broker

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// Service is what stands behind one scheme of tokens.
type Service struct {
	Scheme string        // "kv"
	Ops    map[string]Op // by the name a container asks for: "kv.get"
	// Nature says what a call may do that is made again after a crash; nil: all
	// are Once. Natures.Of is one for services whose operations have fixed ones.
	Nature func(op string, args json.RawMessage) Nature
	// Essence is the part of the arguments that makes a call the same call when a
	// unit is run again; nil: all of them.
	Essence func(op string, args json.RawMessage) json.RawMessage
	// Ended is called once when an execution is over and no operation of it is
	// under way; nil where nothing is kept between operations.
	Ended func(execution string)
	// Live names the operations whose answer means nothing in another session (a
	// transaction begun, a lock taken): a replay asks them again.
	Live []string
	// Leave is what an execution that moves to another quiltd has open here, as
	// JSON; nil: nothing. Enter takes it up there, before the execution goes on:
	// ctx is the session's, and c.Reuse gives the locks back. Both may be nil.
	Leave func(execution string) any
	Enter func(ctx context.Context, c Call, left json.RawMessage) error
	// Repeats: an operation whose context ended with an error has done nothing, and
	// can be asked again. A planned restart does so.
	Repeats bool
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
	// Recorded: the execution's calls are recorded, and what passes beside them is
	// not.
	Recorded bool
	// Left is closed when the inside has gone: nobody waits for the answer then,
	// and an operation that only waits should end. nil: not known.
	Left <-chan struct{}
}

// Grant is what an execution may use.
type Grant struct {
	Tenant string
	Tokens token.Set
	Fence  uint64
	// Lent are the fences of tokens that the execution which waits for this one
	// holds and lends.
	Lent   map[token.Token]uint64
	Charge Charger     // nil: nothing is counted
	Spent  func(Spent) // hears of it before the operation ends; nil: nobody does
	Take   Take        // nil: nothing can be taken beside what the lease holds
	Retake Retake      // nil: nothing was taken in a quiltd before this one
	// Ends is when a token of Tokens ends by its ttl=, or by that of who waits for
	// this execution; zero: it does not. nil: none does.
	Ends func(token.Token) time.Time
}

// Take locks tokens for a while beside what the lease holds: all of want or
// nothing, waiting for them. The holds come in the order of want.
type Take func(ctx context.Context, want token.Set) ([]Hold, error)

// Retake is one use of a lock that was taken in the quiltd before this one, under
// the fence it had there. False if there is no such use.
type Retake func(locked token.Token, fence uint64) (Hold, bool)

// Hold is the use of a token by one operation, or by several: a transaction
// keeps it from its begin to its end.
type Hold struct {
	Token token.Token // what is locked; covers what was needed
	Fence uint64      // for the resource to check in the transaction of the write
	Done  func()      // to be called when the use is over; again does nothing
	Until time.Time   // the use is over by then: ttl= ends it; zero: no such end
}

// Lapsed says that ttl= has ended the use: others may hold what it locked.
func (h Hold) Lapsed() bool { return over(h.Until) }

func over(end time.Time) bool { return !end.IsZero() && !time.Now().Before(end) }

// Hold claims need. Where a token of the grant that the lease holds covers it
// (hold=exec), nothing is to be waited for; the strongest verb counts. Else a
// token with hold=tx gives the right to lock exactly need until Done, which may
// wait: other executions may hold what conflicts. An execution keeps no lock
// longer than it lives. Faults: Denied when no token covers need, Deadlock with
// the cycle when waiting would never end; else the cause of ctx.
func (c Call) Hold(ctx context.Context, need token.Token) (Hold, error) {
	holds, err := c.HoldAll(ctx, token.Set{need})
	if err != nil {
		return Hold{}, err
	}
	return holds[0], nil
}

// HoldAll claims all needs at once, or none: what is to be locked is asked for
// in one request, which cannot deadlock with another of its kind. The holds come
// in the order of needs.
func (c Call) HoldAll(ctx context.Context, needs token.Set) ([]Hold, error) {
	holds := make([]Hold, len(needs))
	var want token.Set
	var at []int
	var wait time.Duration
	for i, need := range needs {
		best, ok := c.covering(need)
		switch {
		case !ok:
			return nil, c.deny(need)
		case best.OnUse() && (need.Mode() != token.None || need.Units() > 0):
			want, at = append(want, need), append(at, i)
			if w := best.Params().Wait; w > 0 && (wait == 0 || w < wait) {
				wait = w
			}
		default:
			holds[i] = Hold{Token: best, Fence: c.Grant.fence(best), Done: func() {}, Until: c.Grant.ends(best)}
			if best.HoldsTx() {
				holds[i].Token = need
			}
		}
	}
	if len(want) == 0 {
		return holds, nil
	}
	if c.Grant.Take == nil {
		return nil, fault.New(fault.Unimplemented, "token %s cannot be locked here", want[0]).WithHint("leave hold=tx out")
	}
	if wait > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, wait, fault.New(fault.Timeout, "%s was not free within %s", want[0], wait).
			WithHint("its token says wait=%s; arc tokens shows who holds it", wait))
		defer stop()
	}
	taken, err := c.Grant.Take(ctx, want)
	if err != nil {
		return nil, err
	}
	for i, h := range taken {
		holds[at[i]] = h
	}
	return holds, nil
}

func (g Grant) ends(t token.Token) time.Time {
	if g.Ends == nil {
		return time.Time{}
	}
	return g.Ends(t)
}

func (g Grant) fence(t token.Token) uint64 {
	if f, ok := g.Lent[t]; ok {
		return f
	}
	return g.Fence
}

// covering is the token of the grant that allows need: one that the lease holds
// before one that is locked on use, then the strongest verb.
func (c Call) covering(need token.Token) (best token.Token, found bool) {
	for _, t := range c.Grant.Tokens {
		if !allows(t, need) {
			continue
		}
		if over(c.Grant.ends(t)) {
			continue
		}
		if !found || best.HoldsTx() && !t.HoldsTx() || best.HoldsTx() == t.HoldsTx() && t.Mode() > best.Mode() {
			best, found = t, true
		}
	}
	return best, found
}

// allows: verb u reads, and only announces that a write may follow.
func allows(t, need token.Token) bool {
	reads := need.Verb() == token.Snapshot || need.Verb() == token.Read
	return t.Covers(need) && (t.Verb() != token.Update || reads)
}

func (c Call) deny(need token.Token) error {
	for _, t := range c.Grant.Tokens {
		if allows(t, need) { // it ended, or it would have been found
			return fault.New(fault.Timeout, "%s has ended: this unit, or who called it, had it for a time", t).
				WithHint("its token, or that of its caller, says ttl=; do the work within it, or give it more")
		}
	}
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
