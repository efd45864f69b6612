// Package execution runs one unit once: it checks and completes the input before
// anything starts, reads code, tokens and limits from the bundle, crosses to
// quiltd, checks the output, and turns what happened into events and into errors
// that name the author's files. It starts no container itself and keeps nothing
// but a small cache of what it read.
package execution

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// quilt is what this room needs of the other daemon.
type quilt interface {
	Execute(ctx context.Context, req tokenapi.Request, emit func(tokenapi.Event) error) (tokenapi.Ended, error)
	// Tokens is who holds which tokens now, and who waits.
	Tokens(ctx context.Context) ([]tokenapi.Holder, []tokenapi.Waiter, error)
}

// Executor is the task.Runner of tools. It is safe for use by many goroutines.
type Executor struct {
	reg   *registry.Registry
	quilt quilt
	log   *slog.Logger

	demand *demand

	mu    sync.Mutex
	plans map[string]*plan // by reference with digest
}

// New makes an Executor.
func New(reg *registry.Registry, q quilt, log *slog.Logger) *Executor {
	return &Executor{reg: reg, quilt: q, log: log, demand: &demand{quilt: q}, plans: map[string]*plan{}}
}

// Check fills in defaults and checks the input against the unit's schema. The
// error is Invalid and names the place: "input /cents: must be at least 0, got -5".
func (x *Executor) Check(u registry.Unit, input json.RawMessage, words string) (json.RawMessage, error) {
	if words != "" {
		return nil, fault.New(fault.Invalid, "%s is a %s and takes input, not words", u.Name, u.Kind).
			WithHint("give it a JSON object with --input, or give the words to an agent")
	}
	p, err := x.plan(u)
	if err != nil {
		return nil, err
	}
	return p.input.complete(input)
}

// Run does the work of one run, with the retries that the unit allows.
func (x *Executor) Run(ctx context.Context, job task.Job) (task.Outcome, error) {
	p, err := x.plan(job.Unit)
	if err != nil {
		return task.Outcome{}, err
	}
	req, err := p.request(job)
	if err != nil {
		return task.Outcome{}, err
	}
	return x.attempts(ctx, job, p, piece{name: mainPiece, output: p.output, retries: func(end tokenapi.Ended, err error, began bool) int {
		return allowed(job.Unit, end, err, began)
	}}, req)
}

// mainPiece is the piece of a unit that has only one.
const mainPiece = "main"

// piece is code of a unit that runs by itself: a tool, a pipeline's run method,
// a step.
type piece struct {
	name    string
	output  *shape
	retries func(end tokenapi.Ended, err error, began bool) int // for the way an attempt ended
}

// attempts runs a piece until it succeeds or may not be tried again.
func (x *Executor) attempts(ctx context.Context, job task.Job, p *plan, pc piece, req tokenapi.Request) (task.Outcome, error) {
	attempt, err := attemptOf(ctx, job, pc.name)
	if err != nil {
		return task.Outcome{}, err
	}
	for ; ; attempt++ {
		d := x.attempt(job, p, pc.name, attempt)
		end, err := d.run(ctx, req)
		usage := usage{end.Usage, attempt}
		if err == nil && end.Error == nil {
			out, err := pc.output.result(end.Result)
			return task.Outcome{Output: out, Usage: usage}, err
		}
		again := attempt <= pc.retries(end, err, d.began) && ctx.Err() == nil
		if err == nil {
			err = p.blame(end)
		}
		if !again {
			return task.Outcome{Usage: usage, Stopped: end.Stopped}, err
		}
		if err := pause(ctx, job, attempt, err); err != nil {
			return task.Outcome{Usage: usage}, err
		}
		job.Resumed = false // the next attempt has no past
		if err := job.Remember("attempt/"+pc.name, attempt+1); err != nil {
			return task.Outcome{Usage: usage}, err
		}
	}
}

type usage struct {
	tokenapi.Usage
	Attempts int `json:"attempts"`
}

// Retries where nobody asked for any: of units that say they may run twice, and
// of requests that were refused before anything ran.
const (
	idempotentRetries = 2
	deadlockRetries   = 3
)

// allowed is how many retries a unit has for the way an attempt ended.
func allowed(u registry.Unit, end tokenapi.Ended, err error, began bool) int {
	own := u.Retries
	if u.Idempotent {
		own = max(own, idempotentRetries)
	}
	if err != nil {
		if c := fault.CodeOf(err); c == fault.Unavailable || c == fault.Interrupted {
			return own
		}
		return 0
	}
	switch end.Reason {
	case "error":
		if end.Retryable {
			return u.Retries
		}
	case "timeout":
		return u.Retries
	case "crash":
		return own
	case "deadlock":
		if began { // what it did before the lock that it could not have stays done
			return own
		}
		return max(own, deadlockRetries)
	}
	return 0
}

// pause tells of the retry and waits: 100 ms, 200 ms … at most 5 s.
func pause(ctx context.Context, job task.Job, attempt int, why error) error {
	after := min(100*time.Millisecond<<min(attempt-1, 10), 5*time.Second)
	data := map[string]any{"attempt": attempt + 1, "after_ms": after.Milliseconds(), "error": fault.CodeOf(why)}
	if f, ok := fault.As(why); ok {
		data["message"] = f.Message
	}
	if err := job.Emit("retry", data); err != nil {
		return err
	}
	if job.Played() {
		return nil // what it would wait for has happened
	}
	select {
	case <-time.After(after):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// report turns what quiltd says into the run's events.
func (d *durable) report(ev tokenapi.Event) error {
	job := d.job
	switch e := ev.(type) {
	case tokenapi.Queued:
		return job.Emit("queued", map[string]any{"for": "tokens", "waits_for": e.WaitsFor, "held_by": e.HeldBy, "position": e.Position})
	case tokenapi.Started:
		return job.Emit("started", started{d.n, e.Start, e.Took.Microseconds(), e.Waited.Microseconds(),
			e.Lease, e.Fence, e.Isolation, e.Image})
	case tokenapi.Log:
		return job.Emit("log", logged{e.Level, e.Text, object(e.Fields)})
	case tokenapi.Spent:
		s := task.Spent{Model: e.Model}
		s.Usage.InputTokens, s.Usage.OutputTokens, s.Usage.USD, s.Usage.Estimated = e.InputTokens, e.OutputTokens, e.USD, e.Estimated
		if e.Call > 0 {
			s.Effect = task.EffectName(d.scope, e.Call)
		}
		return job.Emit(task.KindSpent, s)
	}
	return nil
}

type started struct {
	Attempt   int    `json:"attempt"`
	Start     string `json:"start"`
	TookUS    int64  `json:"took_us"`
	WaitedUS  int64  `json:"waited_us"`
	Lease     string `json:"lease,omitempty"`
	Fence     uint64 `json:"fence,omitempty"`
	Isolation string `json:"isolation"`
	Image     string `json:"image,omitempty"`
}

type logged struct {
	Level  string          `json:"level"`
	Text   string          `json:"text"`
	Fields json.RawMessage `json:"fields,omitempty"`
}

// object drops what is not a JSON object: it comes from user code.
func object(raw json.RawMessage) json.RawMessage {
	var m map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &m) != nil || len(m) == 0 {
		return nil
	}
	return raw
}
