// Package agent is the agent loop: a turn of a model, the tool calls it asks
// for, their results back to the model, until it answers or a limit ends it.
// Every tool call goes through Invoke and so is a child run with its own lease.
//
// It stores nothing, opens nothing and knows no provider: what happens is told
// through Emit, and whoever calls Run journals it. A limit always ends the run
// with a fault that names the limit and what was spent.
package agent

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ariacomputecompany/firmware/llm"
)

// Input is what is asked of which agent.
type Input struct {
	Agent        string // unit name, for messages
	Instructions string
	Input        json.RawMessage // satisfies InputSchema
	InputSchema  json.RawMessage
	OutputSchema json.RawMessage // nil or {}: free text
	Limits       Limits
}

// Limits of one run; zero means the default or, for budgets, no bound.
type Limits struct {
	Steps       int           // turns of the model; default 12
	Tokens      int64         // in and out, of all turns together
	USD         float64       // of all turns; needs a price
	Time        time.Duration // from the start of Run
	ResultBytes int           // of one tool result as the model sees it; default 32 KiB
}

const (
	defaultSteps       = 12
	defaultResultBytes = 32 << 10
	parallel           = 16 // tool calls that run at the same time
)

// Tool is a unit the agent may call.
type Tool struct {
	Unit        string
	Description string
	Schema      json.RawMessage // of its input object
}

// Deps is what the loop needs of the world.
type Deps struct {
	Model llm.Model
	Price *llm.Price // nil: not known; then a budget in dollars is refused
	Tools []Tool
	// Invoke runs a unit as a child and waits. callID is unique in this run and
	// the same in a replay ("3.1": third turn, first call). It may be called
	// from several goroutines and must return soon after ctx ends.
	Invoke func(ctx context.Context, unit string, input json.RawMessage, callID string) (json.RawMessage, error)
	// Emit takes an event (see events.go), one at a time. Its error ends the run.
	Emit func(kind string, data any) error
	// Live takes the pieces of an answer as they arrive; may be nil.
	Live func(llm.Event) error
	Now  func() time.Time // nil: time.Now
}

// Result of a run that reached an answer.
type Result struct {
	Output json.RawMessage // satisfies OutputSchema; a JSON string for free text
	Text   string          // the last answer as the model wrote it
	Usage  llm.Usage
	Steps  int // turns
	Calls  int // tool calls that were started
}

// Run works until the model answers. On error the Result still says what was
// spent. Errors are faults: Exhausted and Timeout for limits, Cancelled,
// Failed for a model that answers nonsense, and those of the model itself.
func Run(ctx context.Context, in Input, deps Deps) (Result, error) {
	l, err := newLoop(in, deps)
	if err != nil {
		return Result{}, err
	}
	if in.Limits.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, in.Limits.Time, errTime)
		defer cancel()
	}
	for {
		if err := l.mayGoOn(ctx); err != nil {
			return l.result, err
		}
		reply, err := l.turn(ctx)
		if err != nil {
			return l.result, l.ended(ctx, err)
		}
		if len(reply.ToolCalls) > 0 {
			if err := l.callTools(ctx, reply.ToolCalls); err != nil {
				return l.result, l.ended(ctx, err)
			}
			continue
		}
		done, err := l.answer(reply)
		if done || err != nil {
			return l.result, err
		}
	}
}
