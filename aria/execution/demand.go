package execution

import (
	"context"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/token"
)

const (
	// soon is when a unit that waits for another is first asked whether somebody
	// wants what it holds, and fresh how old the answer may be.
	soon  = 100 * time.Millisecond
	fresh = 200 * time.Millisecond
)

// demand knows whose tokens others wait for. Many ask, and share one look.
type demand struct {
	quilt quilt

	mu     sync.Mutex
	at     time.Time
	wanted map[string]bool // executions
}

// on says whether somebody waits for what an execution holds. Where that cannot be
// known it is false: the unit then waits as long as it would anyway.
func (d *demand) on(ctx context.Context, execution string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.at) > fresh {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, waiters, err := d.quilt.Tokens(ctx)
		d.at, d.wanted = time.Now(), map[string]bool{}
		if err != nil {
			return false
		}
		for _, w := range waiters {
			for _, h := range w.HeldBy {
				d.wanted[h] = true
			}
		}
	}
	return d.wanted[execution]
}

// give parks a call of another unit once it has gone on for long, or as soon as
// somebody waits for a token of the unit that made it: a container that only waits
// is in nobody's way, and least of all in that of what it waits for. While the call
// keeps what it borrowed from the unit, it keeps both. It ends with ctx.
func (d *durable) give(ctx context.Context, lent *borrower, park func()) {
	end := time.Now().Add(long)
	holds := holdsAny(d.p.unit.Tokens)
	for wait := soon; ; wait = fresh {
		if !holds {
			wait = long
		}
		select {
		case <-time.After(min(wait, time.Until(end))):
		case <-ctx.Done():
			return
		}
		if lent.keeps() {
			end = time.Now().Add(long)
			continue
		}
		if name, _ := d.current.Load().(string); time.Until(end) <= 0 || holds && d.x.demand.on(ctx, name) {
			park()
			return
		}
	}
}

// holdsAny: some token of these can be in somebody's way.
func holdsAny(tokens []string) bool {
	for _, t := range tokens {
		if k, err := token.Parse(t); err != nil || k.Verb() != "" && !k.HoldsTx() || k.Units() > 0 {
			return true
		}
	}
	return false
}
