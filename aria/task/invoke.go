package task

import (
	"context"
	"encoding/json"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// invoke is how a run calls another unit: a child run that ends with it, has at
// most its remaining time, and holds its own lease.
func (t *Tasks) invoke(parent *live) Invoke {
	return func(ctx context.Context, ref string, input json.RawMessage, callID string) (json.RawMessage, error) {
		if parent.depth+1 > maxDepth {
			return nil, fault.New(fault.Exhausted, "runs call one another more than %d deep", maxDepth).
				WithHint("two agents may be calling each other")
		}
		u, err := t.reg.ResolveFrom(parent.unit.Digest, ref)
		if err != nil {
			return nil, err
		}
		if u.Approve {
			return nil, fault.New(fault.Denied, "%s needs a person's approval, and this build cannot ask for it", u.Name).
				WithHint("start it directly, or take approve out")
		}
		l, err := t.prepare(u, input, "")
		if err != nil {
			return nil, err
		}
		l.parent, l.root, l.depth, l.callID = parent, parent.root, parent.depth+1, callID
		l.run.Parent = parent.run.ID
		l.deadline = parent.deadline
		if d, ok := ctx.Deadline(); ok && (l.deadline.IsZero() || d.Before(l.deadline)) {
			l.deadline = d
		}
		if err := t.accept(ctx, l, "", nil); err != nil {
			return nil, err
		}
		<-l.done // its context is ours: it ends when we must
		r := l.snapshot()
		if r.Error != nil {
			return nil, r.Error
		}
		return r.Output, nil
	}
}
