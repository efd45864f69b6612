package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// fruitless is how often an execution is taken up after quiltd went away without
// having recorded anything new.
const fruitless = 20

// durable is one attempt of one piece of a run's code, over as many executions
// as crashes and long waits make of it.
type durable struct {
	x     *Executor
	job   task.Job
	p     *plan
	name  string // of the piece
	n     int    // attempt
	scope string // of its effects
	asks  *asks
	began bool            // a container ran
	self  caller          // as what others rest on
	until context.Context // of the run, for what outlives an execution

	current atomic.Value // string: the execution that goes on, or went on last
}

func (d *durable) ctx() context.Context { return d.until }

func (x *Executor) attempt(job task.Job, p *plan, name string, n int) *durable {
	d := &durable{x: x, job: job, p: p, name: name, n: n, scope: fmt.Sprintf("%s.%d", name, n)}
	d.asks = newAsks(d)
	return d
}

// run returns how the attempt ended. The error is for when that cannot be known.
func (d *durable) run(ctx context.Context, req tokenapi.Request) (tokenapi.Ended, error) {
	d.until, d.self.tokens = ctx, req.Tokens
	if d.job.Resumed {
		if err := d.asks.takeUp(ctx); err != nil {
			return tokenapi.Ended{}, err
		}
	}
	vain, seen := 0, d.job.Recorded()
	for again := d.job.Resumed || d.job.Played(); ; again = true {
		var err error
		if req.Journal, err = d.journal(ctx, again); err != nil {
			return tokenapi.Ended{}, err
		}
		req.Execution, req.Standing.Parent = d.execution(again), lender(ctx, req.Tokens)
		if d.job.Played() {
			req.Standing.Parent = "" // the record answers: nothing is held, and nobody lends
		}
		end, err := d.standing(ctx, req)
		if err == nil && lost(end) {
			err = end.Error
		}
		switch {
		case err == nil && end.Reason == tokenapi.Suspended:
			alone(ctx)
			if err := d.asks.suspend(ctx); err != nil {
				return end, err
			}
			vain = 0
		case err != nil && ctx.Err() == nil && d.mayGoOn(err, again):
			if now := d.job.Recorded(); now > seen {
				vain, seen = 0, now
			}
			if vain++; vain > fruitless {
				return end, err
			}
			if err := d.rest(ctx, vain); err != nil {
				return end, err
			}
		default:
			return d.played(end), err
		}
	}
}

// played gives an attempt that is played again the end that it had then, where
// something outside ended it.
func (d *durable) played(end tokenapi.Ended) tokenapi.Ended {
	if !d.job.Played() || end.Error == nil || end.Error.Code != fault.Diverged {
		return end
	}
	if then := d.job.Tape.Diverged(d.scope, end.Error.Message); then != nil {
		end.Error, end.Reason = then, "crash"
		if then.Code == fault.Timeout || then.Code == fault.Deadlock {
			end.Reason = string(then.Code)
		}
	}
	return end
}

// standing is one execution of the attempt, lent to or by itself.
func (d *durable) standing(ctx context.Context, req tokenapi.Request) (tokenapi.Ended, error) {
	if req.Standing.Parent != "" {
		end, err, unlent := d.execute(ctx, req)
		if !unlent {
			return end, err
		}
		alone(ctx)
		req.Standing.Parent = ""
		req.Execution += "-alone"
	}
	defer apart(ctx, req.Tokens)()
	end, err, _ := d.execute(ctx, req)
	return end, err
}

// execute is one execution. While its container is there it lends to what it calls.
func (d *durable) execute(ctx context.Context, req tokenapi.Request) (end tokenapi.Ended, err error, gone bool) {
	began := false
	d.current.Store(req.Execution)
	end, err = d.x.quilt.Execute(ctx, req, func(ev tokenapi.Event) error {
		if _, is := ev.(tokenapi.Started); is {
			d.began, began = true, true
			d.self.begins(req.Execution)
		}
		return d.report(ev)
	})
	d.self.ended()
	return end, err, unlent(req, end, err, began) && ctx.Err() == nil
}

// lost: it was quiltd or its launcher that ended, not the unit.
func lost(end tokenapi.Ended) bool {
	return end.Error != nil && (end.Reason == "internal" || end.Reason == "killed") &&
		(end.Error.Code == fault.Unavailable || end.Error.Code == fault.Interrupted)
}

// mayGoOn: quiltd went away. What was never begun is refused as before, unless
// others rest on it.
func (d *durable) mayGoOn(err error, again bool) bool {
	switch fault.CodeOf(err) {
	case fault.Interrupted:
		return true
	case fault.Unavailable:
		return again || d.began || d.job.Child || d.p.unit.Pipeline != nil
	}
	return false
}

func (d *durable) rest(ctx context.Context, vain int) error {
	after := min(20*time.Millisecond<<min(vain, 8), 2*time.Second)
	if err := d.job.Emit("resumed", map[string]any{"after_ms": after.Milliseconds(), "why": "quiltd went away"}); err != nil {
		return err
	}
	select {
	case <-time.After(after):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// execution names one execution; no two of a run have the same name.
func (d *durable) execution(again bool) string {
	id := fmt.Sprintf("%s.%d", d.job.Run, d.n)
	if d.name != mainPiece {
		id = fmt.Sprintf("%s.%s.%d", d.job.Run, d.name, d.n)
	}
	if again {
		id += "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	return id
}

func (d *durable) journal(ctx context.Context, again bool) (*tokenapi.Journal, error) {
	clock := d.job.Created()
	if d.scope != mainPiece+".1" {
		var err error
		if clock, err = d.job.Clock(ctx, d.scope); err != nil {
			return nil, err
		}
	}
	j := &tokenapi.Journal{Key: string(d.job.Run) + "/" + d.scope, Clock: clock, Seed: d.job.Seed(d.scope), Ask: d.asks.take,
		Record: func(e tokenapi.Effect, done func()) error { return d.job.Record(d.scope, task.Effect(e), done) }}
	j.Sealed = d.job.Played()
	if !again {
		return j, nil
	}
	past, err := d.job.Past(ctx, d.scope)
	for _, e := range past {
		j.Past = append(j.Past, tokenapi.Effect(e))
	}
	return j, err
}

// attemptOf is the attempt that a piece is at.
func attemptOf(ctx context.Context, job task.Job, name string) (int, error) {
	raw, err := job.Recall(ctx, "attempt/"+name)
	if err != nil || raw == nil {
		return 1, err
	}
	var n int
	if err := json.Unmarshal(raw, &n); err != nil {
		return 0, fmt.Errorf("attempt of %s: %w", job.Run, err)
	}
	return n, nil
}
