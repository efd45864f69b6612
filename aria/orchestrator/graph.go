package orchestrator

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// graph is one run of a pipeline with steps.
type graph struct {
	exec  Executor
	job   task.Job
	steps []bundle.Step

	mu      sync.Mutex
	results map[string]json.RawMessage // of steps that are done
	skipped map[string]bool
	order   []string // in which they were done, for undoing
	usage   Usage
}

func newGraph(exec Executor, job task.Job) *graph {
	return &graph{exec: exec, job: job, steps: job.Unit.Pipeline.Steps, results: map[string]json.RawMessage{}, skipped: map[string]bool{}}
}

// done is what is remembered of a step.
type done struct {
	Output  json.RawMessage `json:"output,omitempty"`
	Skipped bool            `json:"skipped,omitempty"`
}

// run starts every step as soon as those it comes after are done, and gives the
// result of the last one.
func (g *graph) run(ctx context.Context) (json.RawMessage, error) {
	if err := g.recall(ctx); err != nil {
		return nil, err
	}
	if why, err := g.failed(ctx); err != nil || why != nil {
		if err != nil {
			return nil, err
		}
		return nil, g.undo(ctx, why)
	}
	if err := g.job.Pieces(ctx, -1); err != nil { // waiting for steps is no work
		return nil, err
	}
	err := g.walk(ctx)
	if back := g.job.Pieces(context.WithoutCancel(ctx), 1); err == nil {
		err = back
	}
	if err != nil {
		if _, ok := fault.As(context.Cause(ctx)); ok || ctx.Err() == nil {
			return nil, g.fail(context.WithoutCancel(ctx), err)
		}
		return nil, err
	}
	return g.output(), nil
}

// recall reads what was done before a crash.
func (g *graph) recall(ctx context.Context) error {
	for _, s := range g.steps {
		raw, err := g.job.Recall(ctx, "step/"+s.Name)
		if err != nil {
			return err
		}
		if raw == nil {
			continue
		}
		var d done
		if err := json.Unmarshal(raw, &d); err != nil {
			return fmt.Errorf("step %s of %s: %w", s.Name, g.job.Run, err)
		}
		g.settle(s, d)
	}
	return nil
}

func (g *graph) settle(s bundle.Step, d done) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.results[s.Name] = d.Output
	if d.Skipped {
		g.skipped[s.Name] = true
		return
	}
	g.order = append(g.order, s.Name)
}

// walk returns when every step is done, or at the first failure when all that
// was going on has stopped.
func (g *graph) walk(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error)
	started := map[string]bool{}
	going := 0
	var first error
	for {
		if first == nil {
			for _, s := range g.ready(started) {
				started[s.Name] = true
				going++
				go func() { ended <- g.step(ctx, s) }()
			}
		}
		if going == 0 {
			return first
		}
		if err := <-ended; err != nil && first == nil {
			first = err
			stop()
		}
		going--
	}
}

// ready are the steps that can begin and have not.
func (g *graph) ready(started map[string]bool) []bundle.Step {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []bundle.Step
	for _, s := range g.steps {
		_, over := g.results[s.Name]
		waits := slices.ContainsFunc(s.Needs(), func(n string) bool { _, ok := g.results[n]; return !ok })
		if !over && !started[s.Name] && !waits {
			out = append(out, s)
		}
	}
	return out
}

// step runs one step and remembers what it gave.
func (g *graph) step(ctx context.Context, s bundle.Step) error {
	if err := g.job.Pieces(ctx, 1); err != nil {
		return err
	}
	defer func() { _ = g.job.Pieces(context.WithoutCancel(ctx), -1) }()
	if g.skips(s) {
		if err := g.job.Remember("step/"+s.Name, done{Skipped: true}); err != nil {
			return err
		}
		g.settle(s, done{Skipped: true})
		return g.job.Emit("step.skipped", map[string]any{"step": s.Name})
	}
	if err := g.job.Emit("step.started", map[string]any{"step": s.Name}); err != nil {
		return err
	}
	out, err := g.work(ctx, s)
	if err != nil {
		return g.blame(ctx, s, err)
	}
	if err := g.job.Remember("step/"+s.Name, done{Output: out}); err != nil {
		return err
	}
	g.settle(s, done{Output: out})
	return g.job.Emit("step.done", map[string]any{"step": s.Name})
}

// skips: its condition does not hold, or one it comes after was skipped.
func (g *graph) skips(s bundle.Step) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.ContainsFunc(s.Needs(), func(n string) bool { return g.skipped[n] }) {
		return !s.Join
	}
	return s.When != "" && !truthy(g.results[s.When])
}

// truthy is JavaScript's.
func truthy(raw json.RawMessage) bool {
	switch string(raw) {
	case "", "null", "false", "0", `""`, "-0", "0.0":
		return false
	}
	return true
}

func (g *graph) work(ctx context.Context, s bundle.Step) (json.RawMessage, error) {
	args, from := g.args(s)
	if s.Each != "" {
		return g.each(ctx, s, args, from)
	}
	return g.piece(ctx, Piece{Name: s.Name, Method: s.Name, Args: args, From: from, Output: s.Name, Spec: s})
}

// args are the results a step comes after, in its order, or the pipeline's input.
func (g *graph) args(s bundle.Step) (args []json.RawMessage, from []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(s.After) == 0 {
		return []json.RawMessage{g.job.Input}, []string{""}
	}
	for _, n := range s.After {
		v := g.results[n]
		if v == nil {
			v = json.RawMessage("null") // it was skipped
		}
		args, from = append(args, v), append(from, n)
	}
	return args, from
}

func (g *graph) piece(ctx context.Context, p Piece) (json.RawMessage, error) {
	out, used, err := g.exec.Piece(ctx, g.job, p)
	g.mu.Lock()
	g.usage.Steps++
	g.usage.CPUUS += used.CPUUS
	g.usage.PeakMemory = max(g.usage.PeakMemory, used.PeakMemory)
	g.mu.Unlock()
	return out, err
}

// blame says in which step it was.
func (g *graph) blame(ctx context.Context, s bundle.Step, err error) error {
	f, ok := fault.As(err)
	if !ok || ctx.Err() != nil {
		return err
	}
	c := *f
	c.Message = fmt.Sprintf("step %s: %s", s.Name, f.Message)
	_ = g.job.Emit("step.failed", map[string]any{"step": s.Name, "error": c.Code, "message": f.Message})
	return &c
}

// output is the result of the step that none comes after; of several, an object
// with the result of each.
func (g *graph) output() json.RawMessage {
	var last []string
	for _, s := range g.steps {
		followed := slices.ContainsFunc(g.steps, func(o bundle.Step) bool { return slices.Contains(o.Needs(), s.Name) })
		if !followed && !g.skipped[s.Name] {
			last = append(last, s.Name)
		}
	}
	switch len(last) {
	case 0:
		return json.RawMessage("null")
	case 1:
		return g.results[last[0]]
	}
	all := map[string]json.RawMessage{}
	for _, n := range last {
		all[n] = g.results[n]
	}
	out, err := json.Marshal(all)
	if err != nil {
		return json.RawMessage("null")
	}
	return out
}
