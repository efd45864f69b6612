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

	"github.com/ariacomputecompany/firmware/aria/budget"
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
	// Before is a conversation that this run goes on with, without instructions.
	Before []llm.Message
	// StepsBefore were taken by others for the same Input, which Before then holds.
	StepsBefore int
}

// Limits of one run; zero means the default or, for budgets, no bound. What is
// used is set aside before each turn, so that no budget is ever passed.
type Limits struct {
	Steps       int           // turns of the model; default 12
	Tokens      int64         // in and out, of all turns together
	USD         float64       // of all turns; needs a price
	Time        time.Duration // from Began
	Began       time.Time     // zero: the start of Run
	ResultBytes int           // of one tool result as the model sees it; default 32 KiB
}

const (
	defaultSteps       = 12
	defaultResultBytes = 32 << 10
	parallel           = 16 // tool calls that run at the same time

	// What an answer may have where a budget holds and the model says nothing of
	// itself, and the fewest tokens that are worth asking for.
	defaultOutput = 4096
	leastOutput   = 16
)

// Tool is a unit the agent may call.
type Tool struct {
	Unit        string
	Description string
	Schema      json.RawMessage // of its input object
	// Ends: a call that goes well is the last thing this agent does.
	Ends bool
}

// Deps is what the loop needs of the world.
type Deps struct {
	Model llm.Model
	Price *llm.Price // nil: not known; then a budget in dollars is refused
	// Account is what pays for the turns; nil: one of its own, with the Limits.
	Account *budget.Account
	// MaxOutput is how many tokens the model answers at most; 0: not known.
	MaxOutput int64
	// Context is how many tokens the model takes, in and out; 0: not known. A
	// conversation that nears it is made shorter.
	Context int64
	Free    bool // the model uses no tokens
	Tools   []Tool
	// More are tools that are offered beside Tools, asked for before each turn;
	// what was offered once may be called from then on. May be nil.
	More func() []Tool
	// Invoke runs a unit as a child and waits. callID is unique in this run and
	// the same in a replay ("3.1": third turn, first call). It may be called
	// from several goroutines and must return soon after ctx ends.
	Invoke func(ctx context.Context, unit string, input json.RawMessage, callID string) (json.RawMessage, error)
	Spent  func(budget.Amount) // is told of every turn; may be nil
	// Recall gives an answer that was recorded under that name before the run was
	// taken up again, or nil; Record keeps one. Both may be nil.
	Recall func(ctx context.Context, name string) (*llm.Reply, error)
	Record func(name string, r llm.Reply) error
	// Failed hears that the model refused what Recall had no answer for: nobody
	// needs to wonder what it cost. May be nil.
	Failed func(ctx context.Context, name string)
	// Pieces says that so many more calls go on beside each other, or fewer, the
	// loop itself counting as one; may be nil.
	Pieces func(ctx context.Context, more int) error
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
	// Left is the call that ended the run instead of an answer.
	Left *Left
	// Messages is the conversation without the instructions.
	Messages []llm.Message
}

// Left is a call of a tool that ends the run.
type Left struct {
	Tool          string
	Input, Output json.RawMessage
}

// Run works until the model answers. On error the Result still says what was
// spent. Errors are faults: Exhausted and Timeout for limits, Cancelled,
// Failed for a model that answers nonsense, and those of the model itself.
func Run(ctx context.Context, in Input, deps Deps) (Result, error) {
	l, err := newLoop(in, deps)
	if err != nil {
		return Result{}, err
	}
	err = l.run(ctx)
	l.result.Messages = l.conversation()
	return l.result, err
}

func (l *loop) run(ctx context.Context) error {
	in := l.in
	if in.Limits.Time > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, l.began().Add(in.Limits.Time), errTime)
		defer cancel()
	}
	for {
		if err := l.mayGoOn(ctx); err != nil {
			return err
		}
		reply, err := l.turn(ctx)
		if err != nil {
			return l.ended(ctx, err)
		}
		if len(reply.ToolCalls) > 0 {
			if err := l.callTools(ctx, reply.ToolCalls); err != nil {
				return l.ended(ctx, err)
			}
			if l.result.Left != nil {
				return nil
			}
			continue
		}
		done, err := l.answer(reply)
		if done || err != nil {
			return err
		}
	}
}
