package execution

import (
	"context"
	"sync/atomic"

	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// caller is the execution that waits for what runs under a context: a pipeline's
// code that called another unit with use(). It lends what it holds to what it
// waits for, as long as its container is there.
type caller struct {
	tokens []string
	live   atomic.Pointer[string] // its execution in quiltd; nil: it has none now
}

// borrower is one call of a caller. Once it has borrowed, its caller keeps what it
// holds, and so its container, until the call has its answer: whoever got in between
// would see half of what the two do together. Two things come first: a call that goes
// to wait without a container has given back what it borrowed, and what cannot borrow
// below it may wait for the very tokens that the caller keeps.
type borrower struct {
	from  *caller
	up    *borrower // the call in which the caller runs itself; nil: none
	has   atomic.Bool
	apart atomic.Int32 // executions below the call that stand by themselves
}

// keeps says that the caller keeps its container for this call.
func (b *borrower) keeps() bool { return b.has.Load() && b.apart.Load() == 0 }

type borrowerKey struct{}

func (c *caller) in(ctx context.Context) (context.Context, *borrower) {
	up, _ := ctx.Value(borrowerKey{}).(*borrower)
	b := &borrower{from: c, up: up}
	return context.WithValue(ctx, borrowerKey{}, b), b
}

// begins and ended say when a container of the caller is there.
func (c *caller) begins(execution string) { c.live.Store(&execution) }
func (c *caller) ended()                  { c.live.Store(nil) }

// lender is the execution that lends to one with these tokens, "" for none. Only
// who has all of them lends: what is nested in an execution may use no more than
// it may itself. A unit that has others than its caller stands by itself.
func lender(ctx context.Context, tokens []string) string {
	b, _ := ctx.Value(borrowerKey{}).(*borrower)
	if b == nil || len(tokens) == 0 {
		return ""
	}
	execution := b.from.live.Load()
	if execution == nil {
		return ""
	}
	own, err := token.ParseSet(b.from.tokens)
	if err != nil {
		return ""
	}
	asked, err := token.ParseSet(tokens)
	if err != nil || !asked.Sub(own) {
		return ""
	}
	b.has.Store(true)
	return *execution
}

// alone notes that what runs under ctx borrows nothing any more.
func alone(ctx context.Context) {
	if b, _ := ctx.Value(borrowerKey{}).(*borrower); b != nil {
		b.has.Store(false)
	}
}

// apart notes that an execution with these tokens stands by itself, until the result
// is called.
func apart(ctx context.Context, tokens []string) (over func()) {
	if !holdsAny(tokens) {
		return func() {}
	}
	nearest, _ := ctx.Value(borrowerKey{}).(*borrower)
	for b := nearest; b != nil; b = b.up {
		b.apart.Add(1)
	}
	return func() {
		for b := nearest; b != nil; b = b.up {
			b.apart.Add(-1)
		}
	}
}

// unlent says that an execution was refused because who lent to it had just gone,
// to wait without a container: it stands by itself then.
func unlent(req tokenapi.Request, end tokenapi.Ended, err error, began bool) bool {
	if req.Standing.Parent == "" || began {
		return false
	}
	return fault.CodeOf(err) == fault.Cancelled || err == nil && end.Error != nil && end.Error.Code == fault.Cancelled && end.Reason == "denied"
}
