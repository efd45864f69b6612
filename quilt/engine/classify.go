package engine

import (
	"context"
	"syscall"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// classify turns what was seen into one reason. Of a unit that was told to end it is
// why; else a result that arrived counts,
// whatever came after it; then why we stopped it; then what the kernel says; and
// only then what the container said, because it may say anything.
func (x *execution) classify(ctx context.Context, out broker.Outcome, exit Exit) Ended {
	unit, l := x.req.Unit, x.req.Limits
	switch {
	case out.Stopped && ctx.Err() != nil: // whatever it then said
		reason, face := stopped(ctx)
		return Ended{Reason: reason, Fault: face, Stopped: x.stopping.how()}
	case out.Diverged != "":
		return Ended{Reason: Diverged, Fault: fault.New(fault.Diverged, "%s was taken up again and did not do what it had done: %s", unit, out.Diverged).
			WithHint("a unit must do the same when it is told the same: let it read clocks and chance only through Date, Math.random and crypto")}
	case out.Result != nil && out.Protocol == nil:
		return Ended{Reason: Done}
	case out.Thrown != nil && out.Protocol == nil:
		return x.thrown(out, exit)
	case out.Oversize > 0 && out.Protocol == nil:
		return Ended{Reason: Output, Fault: fault.New(fault.Exhausted, "the result of %s has %d bytes; the limit is %d", unit, out.Oversize, l.ResultBytes).
			WithHint("return less, or put it into kv and return the key")}
	case out.Suspended:
		return Ended{Reason: Suspended, Fault: fault.New(fault.Interrupted, "%s waits", unit)}
	case ctx.Err() != nil:
		reason, face := stopped(ctx)
		return Ended{Reason: reason, Fault: face}
	case exit.OOM:
		return Ended{Reason: OOM, Fault: fault.New(fault.Exhausted, "%s needed more than its %d MiB of memory", unit, l.MemoryBytes/mib).
			WithHint("raise its memory limit, or make it hold less at once")}
	case exit.PidsHit:
		return Ended{Reason: Pids, Fault: pidsFault(unit, l)}
	case exit.Signal == int(syscall.SIGXCPU):
		return Ended{Reason: CPU, Fault: fault.New(fault.Exhausted, "%s used up its processor time", unit)}
	case out.Protocol != nil:
		return Ended{Reason: Protocol, Fault: fault.Wrap(out.Protocol, fault.Failed, "%s broke the %v", unit, out.Protocol).
			WithHint("user code must leave descriptor 3 alone")}
	case exit.Signal != 0:
		return Ended{Reason: Crash, Fault: fault.New(fault.Failed, "%s was ended by signal %d (%s) before it returned", unit, exit.Signal, syscall.Signal(exit.Signal)).
			WithHint("its last log lines may say why")}
	}
	return Ended{Reason: Crash, Fault: fault.New(fault.Failed, "%s exited with code %d before it returned", unit, exit.Code).
		WithHint("its last log lines may say why; user code must not call process.exit")}
}

// thrown: the reason is denied only if the broker did deny something, deadlock
// only if it did find one, and pids only if the kernel did.
func (x *execution) thrown(out broker.Outcome, exit Exit) Ended {
	t := out.Thrown
	f := fault.New(fault.Failed, "%s", t.Message).WithHint("%s", t.Hint)
	f.Stack = t.Stack
	ended := Ended{Reason: Error, Fault: f, Thrown: t}
	switch {
	case out.Denied != nil && t.Code == string(fault.Denied):
		ended.Reason = Denied
		f.Code = fault.Denied
	case out.Deadlock != nil && t.Code == string(fault.Deadlock):
		ended.Reason = Deadlock
		f.Code = fault.Deadlock
	case exit.PidsHit:
		ended.Reason = Pids
		f.Code = fault.Exhausted
	case t.Code == string(fault.Conflict) || t.Code == string(fault.Exhausted) || t.Code == string(fault.Invalid) || t.Code == string(fault.Uncertain):
		f.Code = fault.Code(t.Code)
	}
	return ended
}

func pidsFault(unit string, l Limits) *fault.Error {
	return fault.New(fault.Exhausted, "%s needed more than its %d processes and threads", unit, l.Pids).
		WithHint("raise its pids limit, or start fewer at once")
}
