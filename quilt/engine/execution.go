package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
)

const (
	// exitGrace is how long a harness may take to go after its last frame.
	exitGrace = time.Second
	// cleanLimit is how long removing a killed container may take before the
	// engine says that something is wrong with the machine.
	cleanLimit = 30 * time.Second
)

// execution is one request on its way.
type execution struct {
	engine *Engine
	req    checked
	cancel context.CancelCauseFunc
	tape   *tape
	began  time.Time
	order  uint64
	rest   chan struct{} // closed when perform is over

	from    *Carried                // it was in its container when another engine left it
	box     *Container              // of from; or that this engine leaves
	carried *Carried                // set when it is to go on in another engine
	said    time.Duration           // when its last word was in, since the grant
	nobody  *time.Timer             // ends a carried one that nobody listens to
	asked   time.Time               // for its tokens
	answer  <-chan scheduler.Effect // it waited for its tokens when another engine left it

	stopping stopping
}

func (x *execution) emit(e Event) { x.tape.put(e) }

func (x *execution) run(ctx context.Context) Ended {
	var grant Lease
	var granted time.Time
	if x.from != nil {
		grant, granted = x.from.Lease, x.from.Granted
	} else {
		var refused *Ended
		if grant, refused = x.acquire(ctx); refused != nil {
			return *refused
		}
		granted = time.Now()
	}
	ended := x.contain(ctx, grant, granted)
	if x.carried != nil {
		return ended
	}
	x.engine.endNested(x.req.Execution, x.req.Unit)
	x.engine.leases.release(x.req.Execution)
	x.engine.ledger.forget(x.req.Execution)
	ended.Usage.Wall = time.Since(granted)
	return ended
}

func (x *execution) acquire(ctx context.Context) (Lease, *Ended) {
	if x.req.Limits.Wait > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadlineCause(ctx, x.asked.Add(x.req.Limits.Wait),
			fault.New(fault.Timeout, "the tokens of %s were not free within %s", x.req.Unit, x.req.Limits.Wait).
				WithHint("the queued event names who holds them; wait longer, or ask for less"))
		defer stop()
	}
	var lease Lease
	var err error
	if x.answer != nil {
		lease, err = x.engine.leases.await(ctx, x.req, x.answer)
	} else {
		lease, err = x.engine.leases.acquire(ctx, x.req, func(q Queued) {
			x.emit(Event{Time: time.Now(), Queued: &q})
		})
	}
	if err == nil {
		return lease, nil
	}
	if err == errMoved {
		x.carried = &Carried{Request: x.req.Request, Began: x.began, Waits: true, Asked: x.asked}
		return lease, &Ended{}
	}
	if ctx.Err() != nil {
		reason, face := stopped(ctx)
		return lease, &Ended{Reason: reason, Fault: face}
	}
	reason := Denied
	if fault.CodeOf(err) == fault.Deadlock {
		reason = Deadlock
	}
	return lease, &Ended{Reason: reason, Fault: x.face(err)}
}

// contain runs the container from start to nothing left.
func (x *execution) contain(ctx context.Context, lease Lease, granted time.Time) Ended {
	wall := x.req.Limits.Wall
	ctx, stop := context.WithDeadlineCause(ctx, granted.Add(wall),
		fault.New(fault.Timeout, "%s did not end within %s", x.req.Unit, wall).WithHint("give it more time in its options, or make it do less"))
	defer stop()
	c, err := x.place(ctx)
	if err != nil {
		if ctx.Err() != nil {
			reason, face := stopped(ctx)
			return Ended{Reason: reason, Fault: face}
		}
		return Ended{Reason: Internal, Fault: x.face(fmt.Errorf("start container: %w", err))}
	}
	hard, over := x.grace(ctx)
	defer over()
	out, exit, err := x.serve(hard, c, lease, granted)
	if x.carried != nil {
		return Ended{}
	}
	ended := Ended{Reason: Internal}
	if err != nil {
		ended.Fault = x.face(fmt.Errorf("clean up container: %w", err))
	} else {
		ended = x.classify(ctx, out, exit)
	}
	ended.Usage = Usage{CPU: exit.CPU, PeakMemory: exit.PeakMemory, Calls: out.Calls, Read: out.Read, Written: out.Written, Result: x.said}
	return ended
}

// place is the container that x was left with, or a new one.
func (x *execution) place(ctx context.Context) (*Container, error) {
	if x.from != nil {
		return x.box, nil
	}
	return x.engine.cfg.Machine.Start(ctx, Spec{
		ID: x.req.Execution, MemoryBytes: x.req.Limits.MemoryBytes, Pids: x.req.Limits.Pids,
		CPUMillis: x.req.Limits.CPUMillis, TmpBytes: x.req.Limits.TmpBytes, Net: x.engine.hasGate(x.req.reach),
		Files: x.req.Files, Entry: x.req.Entry,
	})
}

// leave notes where x stands, for the engine that goes on with it.
func (x *execution) leave(c *Container, lease Lease, granted time.Time, session *broker.Carry, log broker.LogCarry) {
	x.box = c
	x.carried = &Carried{Request: x.req.Request, Began: x.began, Lease: lease, Granted: granted, Container: c.Number, Start: c.Start, Session: session, Log: log}
}

// serve speaks with the container until it ends or has to, and returns when
// nothing of it is left, or when it is to go on in another engine.
func (x *execution) serve(ctx context.Context, c *Container, lease Lease, granted time.Time) (broker.Outcome, Exit, error) {
	startup := x.engine.cfg.Startup
	if x.from != nil && x.from.Session.Ready {
		startup = x.req.Limits.Wall + cleanLimit
		x.stopping.runs.Store(true)
	}
	late := time.AfterFunc(startup, func() {
		x.cancel(fault.New(fault.Timeout, "the container of %s was not ready within %s", x.req.Unit, startup).
			WithHint("the machine may be overloaded; see the log of quiltd"))
	})
	defer late.Stop()
	kill := func() {
		if err := c.Kill(); err != nil {
			x.engine.log.Error("kill container", "execution", x.req.Execution, "err", err)
		}
	}
	unhook := context.AfterFunc(ctx, kill)
	defer unhook()
	log := broker.NewLog(x.req.Limits.LogBytes, x.engine.log.With("execution", x.req.Execution), func(e broker.Entry) {
		x.emit(Event{Time: time.Now(), Log: &e})
	})
	from := x.from
	if from == nil {
		from = &Carried{}
	} else {
		log.Resume(from.Log)
	}
	pumps := startPumps(log, c, from.Log.Begun)
	lingers := time.AfterFunc(24*time.Hour, kill)
	defer lingers.Stop()
	if j := x.req.Journal; j != nil {
		j.Effect = func(e broker.Effect) { x.emit(Event{Time: time.Now(), Effect: &e}) }
		j.Ask = func(a broker.Ask) { x.emit(Event{Time: time.Now(), Ask: &a}) }
	}
	grant := broker.Grant{Tenant: x.req.Tenant, Tokens: x.req.tokens, Fence: lease.Fence, Lent: lease.Lent,
		Take: x.engine.leases.taker(x.req.Execution), Retake: x.engine.leases.reuse(x.req.Execution), Ends: x.engine.leases.ends(x.req.Execution), Charge: x.engine.charger(x.req.Execution),
		Spent: func(s broker.Spent) { x.emit(Event{Time: time.Now(), Spent: &s}) }}
	closeGate := x.openGate(ctx, c, grant, log)
	out := broker.Serve(ctx, c.Control, broker.Config{
		Ops: x.engine.ops, Natures: x.engine.nature, Essence: x.engine.same, Journal: x.req.Journal, Execution: x.req.Execution, Unit: x.req.Unit,
		Grant: grant,
		Start: x.first(c), Log: log, ResultBytes: x.req.Limits.ResultBytes,
		Live: func(op string) bool { return x.engine.alive[op] }, Repeats: x.engine.repeats, Freeze: x.engine.freeze, Carry: from.Session, Enter: x.engine.enter(from.Open),
		Alone: func() bool { return x.engine.leases.alone(x.req.Execution) },
		Ready: func() {
			late.Stop()
			x.stopping.runs.Store(true)
			x.started(c, lease, granted)
		},
		Last: func() { x.stopping.ended(); lingers.Reset(exitGrace) },
		Stop: &x.stopping.Stop,
	})
	if ctx.Err() == nil {
		x.stopping.ended()
	}
	if out.Frozen != nil {
		closeGate() // the next engine opens it again
		x.leave(c, lease, granted, out.Frozen, log.Carry(pumps.cut()))
		return out, Exit{}, nil
	}
	if out.Result != nil || out.Thrown != nil {
		x.said = time.Since(granted)
	}
	x.told(out, c, kill)
	if denied := closeGate(); out.Denied == nil {
		out.Denied = denied
	}
	x.engine.ended(x.req.Execution)
	lingers.Reset(exitGrace)
	clean, done := context.WithTimeout(context.Background(), x.req.Limits.Wall+x.req.Limits.Grace+cleanLimit)
	defer done()
	exit, err := c.Wait(clean)
	pumps.wait()
	out.Written += log.Piped()
	return out, exit, err
}

// first is what the harness is told first.
func (x *execution) first(c *Container) []byte {
	if c.Loaded {
		short := x.req.opening
		short.Files = []File{}
		if frame, err := short.Frame(); err == nil {
			return frame
		}
	}
	return x.req.start
}

// told acts on what the container said: a result goes out at once, and whoever
// has said the last word is not waited for.
func (x *execution) told(out broker.Outcome, c *Container, kill func()) {
	switch {
	case out.Protocol != nil || out.Diverged != "" || out.Suspended:
		kill()
		return
	case out.Result != nil && !out.Stopped:
		x.emit(Event{Time: time.Now(), Result: out.Result})
	case out.Result == nil && out.Thrown == nil && out.Oversize == 0:
		return
	}
	if err := c.End(); err != nil {
		kill()
	}
}

func (x *execution) started(c *Container, lease Lease, granted time.Time) {
	x.emit(Event{Time: time.Now(), Started: &Started{
		Start: c.Start, Took: time.Since(granted), Waited: granted.Sub(x.began), Lease: lease.ID, Fence: lease.Fence,
		Isolation: x.engine.Isolation(), Image: x.engine.Image(),
	}})
}

// face is what people read of err; the log gets the rest.
func (x *execution) face(err error) *fault.Error {
	if f, ok := fault.As(err); ok {
		return f
	}
	x.engine.log.Error("execution", "execution", x.req.Execution, "unit", x.req.Unit, "err", err)
	return fault.New(fault.Internal, "internal error in quiltd").WithHint("the log of quiltd has the cause, under execution %s", x.req.Execution)
}
