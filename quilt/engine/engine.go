// Package engine runs one execution: it takes the lease, starts the container,
// serves its broker, holds it to its limits, and says how it ended. When the
// last event is out nothing of the execution is left: no process, no lease, no
// file.
//
// It does not decide who may have which token (quilt/scheduler), how a container
// is walled in (quilt/sandbox), or what a container may ask (quilt/broker).
package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// Machine starts containers.
type Machine interface {
	// Start returns when the container runs or nothing of it is left.
	Start(ctx context.Context, s Spec) (*Container, error)
	Isolation() string // "full (cgroup v1)"
	Image() string     // digest
}

// Spec is what the engine asks of a container.
type Spec struct {
	ID          string
	MemoryBytes int64
	Pids        int64
	CPUMillis   int64
	TmpBytes    int64
	Net         bool // with a gate
	Parked      bool // it is for nobody yet, and may take its time to boot
	Loads       bool // parked, and it loads code before anybody wants that run
	// The code of the execution, for a machine that may have loaded it already.
	Files []File
	Entry string
}

// Container is one running container. Wait returns when no process of it is
// left; Kill ends one by force, End one that has said its last word.
type Container struct {
	Control        io.ReadWriteCloser
	Stdout, Stderr io.ReadCloser
	Start          string       // how it came to be: "cold", "pooled" or "warm"
	Loaded         bool         // its code is there already
	Gate           net.Listener // on its own loopback; nil without Spec.Net
	Kill           func() error
	End            func() error
	Number         uint64       // names it for the next engine
	Leave          func() error // gives it to the next engine
	// Claim binds the limits of s to a container that was started for nobody. It
	// works once. An error leaves the container to be killed.
	Claim func(ctx context.Context, s Spec) error
	// Booted returns when a container has said its first word, which stays to be
	// read; an error: it ended before.
	Booted func(ctx context.Context) error
	Wait   func(ctx context.Context) (Exit, error)
}

// Exit is how the container's process ended and what it used.
type Exit struct {
	Code, Signal int
	OOM, PidsHit bool
	CPU          time.Duration
	PeakMemory   int64
}

// Config of an Engine.
type Config struct {
	Machine       Machine
	Services      []broker.Service // what stands behind the tokens
	Gate          Gate             // answers at the containers' gates; nil: no container has one
	Epoch         uint64           // of the store; the high part of every fence
	MaxExecutions int              // live at the same time, waiting ones included
	Startup       time.Duration
	Audit         *Audit // nil: none is kept
	Policy        Rules  // the zero Rules: none
	Ledger        string // file of what was spent today; "": it is forgotten at the end
	Log           *slog.Logger
}

// Engine runs executions. Its methods may be called concurrently.
type Engine struct {
	cfg    Config
	log    *slog.Logger
	ops    map[string]broker.Op
	alive  map[string]bool // operations that a replay makes again
	nature map[string]func(string, json.RawMessage) broker.Nature
	same   map[string]func(string, json.RawMessage) json.RawMessage
	again  map[string]bool // operations that can be asked again when they were cut
	leases *leases
	policy atomic.Pointer[held]
	ledger *ledger
	all    sync.WaitGroup

	mu      sync.Mutex
	live    map[string]*execution
	over    map[string]*execution // carried ones that ended, until their caller has asked
	closing bool
	moving  bool          // everything goes to another engine
	order   uint64        // of executions
	freeze  chan struct{} // closed when moving
}

// New makes an engine that holds nothing.
func New(cfg Config) *Engine {
	e := &Engine{cfg: cfg, log: cfg.Log, leases: newLeases(schedulerConfig(cfg.Policy.Policy, cfg.Epoch), cfg.Audit), live: map[string]*execution{},
		over: map[string]*execution{}, freeze: make(chan struct{}), ops: map[string]broker.Op{}, again: map[string]bool{},
		alive: map[string]bool{}, nature: map[string]func(string, json.RawMessage) broker.Nature{},
		same: map[string]func(string, json.RawMessage) json.RawMessage{}}
	e.leases.moved = e.freeze
	e.policy.Store(newHeld(cfg.Policy))
	e.ledger = openLedger(cfg.Ledger, cfg.Log)
	for _, s := range cfg.Services {
		maps.Copy(e.ops, s.Ops)
		for op := range s.Ops {
			e.again[op], e.nature[op], e.same[op] = s.Repeats, s.Nature, s.Essence
			e.alive[op] = slices.Contains(s.Live, op)
		}
	}
	return e
}

// repeats says whether an operation that was cut can be asked again.
func (e *Engine) repeats(op string) bool { return e.again[op] }

// errKilled is the cause of a context that somebody ended on purpose.
type errKilled struct{ why string }

func (e errKilled) Error() string { return e.why }

// RevokeGrace is how long a preempted execution or session may go on.
const RevokeGrace = 2 * time.Second

// preempt ends an execution a while after it was asked to go.
func preempt(cancel context.CancelCauseFunc) func(by string) {
	return func(by string) { time.AfterFunc(RevokeGrace, func() { cancel(errPreempted{by}) }) }
}

// errPreempted: a more urgent execution waits for what it holds.
type errPreempted struct{ by string }

func (e errPreempted) Error() string { return "preempted for " + e.by }

var errCallerGone = errKilled{"the caller went away"}

// Execute runs one unit once. An error means that the request was refused and
// nothing began: Invalid, Denied, Unimplemented (a token this build cannot
// serve), Conflict (the id is live), Exhausted, Unavailable. Otherwise emit gets
// every event in order, Ended last. emit may be slow; it holds up nobody. When
// emit fails or ctx ends, the execution is killed.
func (e *Engine) Execute(ctx context.Context, req Request, emit func(Event) error) error {
	checked, err := check(req, e.cfg.Services)
	if err != nil {
		return err
	}
	if err := e.stand(&checked); err != nil {
		return err
	}
	// Not ctx itself: when it ends because the caller is told to go to another
	// engine, the execution goes on.
	run, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	checked.revoke = preempt(cancel)
	x := e.newExecution(checked, time.Now())
	x.cancel, x.tape = cancel, newTape(nil)
	if err := e.admit(x); err != nil {
		cancel(nil)
		return err
	}
	go func() {
		defer cancel(nil)
		e.perform(run, x)
	}()
	return e.listen(ctx, x, 0, emit)
}

func (e *Engine) newExecution(req checked, began time.Time) *execution {
	return &execution{engine: e, req: req, began: began, asked: time.Now(), rest: make(chan struct{})}
}

// perform runs x until it has ended, or is to go on in another engine.
func (e *Engine) perform(ctx context.Context, x *execution) {
	defer close(x.rest)
	defer e.all.Done()
	ended := x.run(ctx)
	if x.carried != nil {
		return // Leave closes its tape
	}
	e.forget(x)
	e.log.Info("execution ended", "execution", x.req.Execution, "unit", x.req.Unit, "reason", ended.Reason, "took", time.Since(x.began))
	x.emit(Event{Time: time.Now(), Ended: &ended})
	x.tape.close(finished)
}

func (e *Engine) admit(x *execution) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.moving:
		return errAgain
	case e.closing:
		return fault.New(fault.Unavailable, "quiltd is stopping").WithHint("try again when it is up")
	case e.live[x.req.Execution] != nil:
		return fault.New(fault.Conflict, "execution %q is live already", x.req.Execution).WithHint("every execution needs an id of its own")
	case len(e.live) >= e.most():
		return fault.New(fault.Exhausted, "%d executions are live, which is the most this quiltd takes", len(e.live)).
			WithHint("try again when some have ended, or raise executions of [machine] in the policy")
	}
	e.order++
	x.order = e.order
	e.live[x.req.Execution] = x
	e.all.Add(1)
	return nil
}

// most executions that may be live.
func (e *Engine) most() int {
	if p := e.policy.Load().rules; p != nil && p.Executions > 0 {
		return p.Executions
	}
	return e.cfg.MaxExecutions
}

func (e *Engine) forget(x *execution) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.live, x.req.Execution)
	if x.nobody != nil { // carried: its caller may only be on the way
		e.over[x.req.Execution] = x
		time.AfterFunc(reattachTime, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			delete(e.over, x.req.Execution)
		})
	}
}

// Kill ends an execution and reports whether it was live. Gently: its unit is told
// and has its grace; once more and not gently ends that.
func (e *Engine) Kill(id, why string, gentle bool) bool {
	e.mu.Lock()
	x := e.live[id]
	e.mu.Unlock()
	if x == nil {
		return false
	}
	if why == "" {
		why = "it was killed"
	}
	if gentle {
		x.cancel(errStopped{why})
	} else {
		x.end(errKilled{why})
	}
	return true
}

// Live is the number of executions, waiting ones included.
func (e *Engine) Live() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.live)
}

// Leases shows who holds what and who waits for whom, or for a rate.
func (e *Engine) Leases() ([]Lease, []Wait) {
	held, waits := e.leases.snapshot()
	return held, append(waits, e.ledger.waits()...)
}

// Isolation and Image are the machine's.
func (e *Engine) Isolation() string { return e.cfg.Machine.Isolation() }
func (e *Engine) Image() string     { return e.cfg.Machine.Image() }

// Shutdown refuses new executions, lets live ones end for at most grace, then
// kills them, and returns when nothing of them is left. Their callers may still
// be reading.
func (e *Engine) Shutdown(grace time.Duration) {
	e.mu.Lock()
	e.closing = true
	e.mu.Unlock()
	done := make(chan struct{})
	go func() { e.all.Wait(); close(done) }()
	select {
	case <-done:
		return
	case <-time.After(grace):
	}
	e.mu.Lock()
	for _, x := range e.live {
		x.cancel(fault.New(fault.Interrupted, "quiltd is stopping"))
	}
	e.mu.Unlock()
	<-done
}

// stopped tells why ctx ended, as a reason and a face for people.
func stopped(ctx context.Context) (Reason, *fault.Error) {
	cause := context.Cause(ctx)
	var killed errKilled
	if f, ok := fault.As(cause); ok {
		if f.Code == fault.Interrupted {
			return Killed, f
		}
		return Timeout, f
	}
	var preempted errPreempted
	if errors.As(cause, &preempted) {
		return Killed, fault.New(fault.Interrupted, "it was ended for %s, which is more urgent and waits for its tokens", preempted.by).
			WithHint("start it again; it is preemptible")
	}
	var told errStopped
	switch {
	case errors.As(cause, &told):
		killed = errKilled{told.why}
	case !errors.As(cause, &killed):
		killed = errCallerGone
	}
	return Killed, fault.New(fault.Cancelled, "the execution was stopped: %s", killed.why)
}

// Request is one execution as the caller asks for it.
type Request struct {
	Execution, Tenant, Unit string

	Tokens []string
	Files  []File
	Entry  string
	Export string
	Method string          // "" when the export is a function
	Input  json.RawMessage // array of positional arguments
	Revive json.RawMessage
	Limits Limits
	// Journal makes it durable; nil: nothing is recorded. Its Effect and Ask are
	// the engine's to set.
	Journal *broker.Journal

	Standing Standing
}

// File is one module of the unit.
type File = broker.File
