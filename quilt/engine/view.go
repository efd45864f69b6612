package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
)

func (l *leases) snapshot() (held []Lease, waits []Wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view()
}

func (l *leases) view() (held []Lease, waits []Wait) {
	for _, h := range l.table.Leases() {
		held = append(held, Lease{
			ID: fmt.Sprintf("l%x", h.Fence), Execution: h.Session, Unit: l.unit(h.Session),
			Tokens: h.Tokens, Fence: h.Fence, Since: h.Since, Tenant: h.Tenant, Class: h.Class,
		})
	}
	for _, w := range l.table.Waits() {
		waits = append(waits, Wait{
			Execution: w.Session, Unit: l.unit(w.Session), Tokens: w.Tokens, Blocked: w.WaitsFor,
			HeldBy: w.HeldBy, Behind: w.Behind, Position: w.Position, Since: w.Since, Tenant: w.Tenant, Class: w.Class,
		})
	}
	return held, waits
}

func (l *leases) unit(execution string) string {
	if x := l.live[execution]; x != nil {
		return x.req.Unit
	}
	return ""
}

// shortened leaves the middle of a long ring out.
func shortened(steps []string) []string {
	const first = 16
	if len(steps) <= first+1 {
		return steps
	}
	return append(steps[:first:first], fmt.Sprintf("%d more", len(steps)-first-1), steps[len(steps)-1])
}

// unrecorded: a grant was taken back because the audit could not be written.
const unrecorded scheduler.Reason = "unrecorded"

// refusal says for people why the scheduler refused.
func refusal(r scheduler.Refused, unit string) error {
	switch r.Reason {
	case scheduler.Never:
		return fault.New(fault.Exhausted, "%s can never have %s: it is more than there is", unit, r.Token).
			WithHint("ask for fewer units")
	case scheduler.Deadlock:
		var steps []string
		for _, e := range r.Cycle {
			if e.Token == "" {
				steps = append(steps, fmt.Sprintf("%s waits for its call %s", e.Session, e.HeldBy))
				continue
			}
			steps = append(steps, fmt.Sprintf("%s waits for %s, held by %s", e.Session, e.Token, e.HeldBy))
		}
		return fault.New(fault.Deadlock, "waiting would never end, it is a ring of %d: %s", len(steps), strings.Join(shortened(steps), "; ")).
			WithHint("take both tokens at once, or in the same order everywhere; or run it again")
	case scheduler.Timeout:
		return fault.New(fault.Timeout, "the tokens of %s were not free within the wait= they name", unit).
			WithHint("arc tokens shows who holds them; wait longer, or ask for less")
	case scheduler.Full:
		return fault.New(fault.Exhausted, "too many executions of this tenant wait for tokens").
			WithHint("try again in about %s", r.RetryAfter.Round(100*time.Millisecond))
	case scheduler.Quota:
		return fault.New(fault.Exhausted, "this tenant would hold too many tokens").
			WithHint("try again in about %s", r.RetryAfter.Round(100*time.Millisecond))
	case scheduler.Orphan, scheduler.Closed:
		return fault.New(fault.Cancelled, "who called %s has ended", unit)
	case unrecorded:
		return fault.New(fault.Unavailable, "no token is granted: the audit cannot be written").
			WithHint("is the disk full? the log of quiltd has the cause")
	case scheduler.TooMany:
		return fault.New(fault.Invalid, "%s asks for too many tokens", unit).WithHint("ask for a token above them")
	}
	return fmt.Errorf("scheduler refused: %s", r.Reason)
}
