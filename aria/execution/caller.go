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
// would see half of what the two do together.
type borrower struct {
	from *caller
	has  atomic.Bool
}

type borrowerKey struct{}

func (c *caller) in(ctx context.Context) (context.Context, *borrower) {
	b := &borrower{from: c}
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

// unlent says that an execution was refused because who lent to it had just gone,
// to wait without a container: it stands by itself then.
func unlent(req tokenapi.Request, end tokenapi.Ended, err error, began bool) bool {
	if req.Standing.Parent == "" || began {
		return false
	}
	return fault.CodeOf(err) == fault.Cancelled || err == nil && end.Error != nil && end.Error.Code == fault.Cancelled && end.Reason == "denied"
}
