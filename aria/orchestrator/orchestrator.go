// Package orchestrator runs pipelines: those with steps as a graph, each step in
// a container of its own as soon as those before it are done, and those with a
// run method as one piece of code whose every call is journaled.
//
// It starts no container and keeps no journal: what a step gives is remembered
// through the job before the next step begins, so that a pipeline that is taken
// up after a crash goes on where it was.
package orchestrator

import (
	"context"
	"encoding/json"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
)

// Piece is one method of a pipeline that runs by itself.
type Piece struct {
	Name   string // unique in the run
	Method string
	Args   []json.RawMessage
	From   []string // whose result each argument is; "" is the pipeline's input, "name[]" an element of a result
	Output string   // the step whose output schema the result has; "": any
	Spec   bundle.Step
}

// Executor is what this room needs of aria/execution.
type Executor interface {
	Check(u registry.Unit, input json.RawMessage, words string) (json.RawMessage, error)
	// Run does the work of a pipeline with a run method.
	Run(ctx context.Context, job task.Job) (task.Outcome, error)
	// Piece runs one piece to its end, with its retries.
	Piece(ctx context.Context, job task.Job, p Piece) (json.RawMessage, Usage, error)
	// Finish checks what the pipeline gives.
	Finish(job task.Job, value json.RawMessage) (json.RawMessage, error)
}

// Usage of one or more pieces.
type Usage struct {
	Steps      int   `json:"steps"`
	CPUUS      int64 `json:"cpu_us"`
	PeakMemory int64 `json:"peak_memory_bytes"`
}

// Pipelines is the task.Runner of pipelines.
type Pipelines struct{ exec Executor }

// New makes one.
func New(exec Executor) *Pipelines { return &Pipelines{exec} }

// Check completes and checks an input.
func (p *Pipelines) Check(u registry.Unit, input json.RawMessage, words string) (json.RawMessage, error) {
	return p.exec.Check(u, input, words)
}

// Run takes a pipeline to its end.
func (p *Pipelines) Run(ctx context.Context, job task.Job) (task.Outcome, error) {
	if len(job.Unit.Pipeline.Steps) == 0 {
		return p.exec.Run(ctx, job)
	}
	g := newGraph(p.exec, job)
	out, err := g.run(ctx)
	if err == nil {
		out, err = p.exec.Finish(job, out)
	}
	return task.Outcome{Output: out, Usage: g.usage}, err
}
