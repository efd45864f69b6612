package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// errTime is the cause of a context that the agent's own limit of time ended.
var errTime = errors.New("limit of time")

// mayGoOn is asked before every turn of the model.
func (l *loop) mayGoOn(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return l.ended(ctx, ctx.Err())
	case l.result.Steps >= l.in.Limits.Steps:
		return l.exhausted("steps", fmt.Sprint(l.in.Limits.Steps), "raise maxSteps, or give the agent a tool that does more at once")
	}
	return nil
}

func (l *loop) exhausted(limit, bound, hint string) error {
	return fault.New(fault.Exhausted, "agent %q reached its limit of %s (%s) without an answer; %s", l.in.Agent, limit, bound, l.spent()).WithHint("%s", hint)
}

// ended names the reason where the context ended; other errors stay as they are.
func (l *loop) ended(ctx context.Context, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		bound := "its deadline"
		if context.Cause(ctx) == errTime {
			bound = fmt.Sprintf("its limit of time (%s)", l.in.Limits.Time)
		}
		return fault.Wrap(err, fault.Timeout, "agent %q reached %s without an answer; %s", l.in.Agent, bound, l.spent()).
			WithHint("raise budget.timeMs or the run's deadline")
	}
	return fault.Wrap(err, fault.Cancelled, "agent %q was cancelled; %s", l.in.Agent, l.spent())
}

// spent is what a run has used, for people.
func (l *loop) spent() string {
	s := fmt.Sprintf("spent %d turns, %d tool calls, %d tokens", l.result.Steps, l.result.Calls, l.result.Usage.Tokens())
	if l.deps.Price != nil {
		s += fmt.Sprintf(", $%.4f", l.result.Usage.USD)
	}
	return s + ", " + l.deps.Now().Sub(l.started).Round(time.Millisecond).String()
}
