package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/budget"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// loop is the state of one run. Only callTools has more than one goroutine,
// and they share nothing but emit.
type loop struct {
	in      Input
	deps    Deps
	started time.Time

	tools    map[string]*tool
	offered  []llm.Tool
	output   *output
	messages []llm.Message
	result   Result
	repaired bool // the model has had its second chance to answer in form
	seen     map[string]*repeat
	account  *budget.Account
	request  int // where what is asked stands in messages
	known    known
	capped   bool // a budget bounds the answer of this turn

	emitMu sync.Mutex // one event at a time
}

type tool struct {
	Tool
	check *checker
}

func newLoop(in Input, deps Deps) (*loop, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if in.Limits.Steps <= 0 {
		in.Limits.Steps = defaultSteps
	}
	if in.Limits.ResultBytes <= 0 {
		in.Limits.ResultBytes = defaultResultBytes
	}
	if in.Limits.USD > 0 && deps.Price == nil {
		return nil, fault.New(fault.Invalid, "agent %q has a budget in dollars, but the price of its model is not known", in.Agent).
			WithHint("add the model's price per million tokens to the provider's prices, or set a budget in tokens")
	}
	l := &loop{in: in, deps: deps, started: deps.Now(), tools: map[string]*tool{}, seen: map[string]*repeat{}, account: deps.Account}
	if l.account == nil {
		l.account = budget.Open(fmt.Sprintf("agent %q", in.Agent), nil, in.Limits.Amount(), budget.Amount{})
	}
	if err := l.offer(deps.Tools); err != nil {
		return nil, err
	}
	var err error
	if l.output, err = newOutput(in.OutputSchema); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the output schema of %q cannot be used", in.Agent)
	}
	l.messages, l.request = opening(in, l.output)
	return l, nil
}

// offer makes tools known and offers them in the next turn.
func (l *loop) offer(tools []Tool) error {
	l.offered = nil
	for _, t := range tools {
		if l.tools[t.Unit] == nil {
			c, err := newChecker(t.Schema)
			if err != nil {
				return fault.Wrap(err, fault.Invalid, "the input schema of %q cannot be used", t.Unit)
			}
			l.tools[t.Unit] = &tool{Tool: t, check: c}
		}
		l.offered = append(l.offered, llm.Tool{Name: t.Unit, Description: t.Description, Schema: t.Schema})
	}
	return nil
}

// turn asks the model once and books what it cost.
func (l *loop) turn(ctx context.Context) (llm.Reply, error) {
	began := l.deps.Now()
	reply, err := l.ask(ctx)
	if err != nil {
		return llm.Reply{}, err
	}
	l.result.Text = reply.Text
	distinct(reply.ToolCalls, l.step())
	l.messages = append(l.messages, llm.Message{Role: llm.Assistant, Text: reply.Text, ToolCalls: reply.ToolCalls})
	e := ReplyEvent{Step: l.step(), Text: reply.Text, Stop: reply.Stop, Usage: reply.Usage, TookMS: l.deps.Now().Sub(began).Milliseconds()}
	for _, c := range reply.ToolCalls {
		e.Calls = append(e.Calls, c.Name)
	}
	return reply, l.emit(KindReply, e)
}

// ask gets the answer of the next turn: from the record where it was given
// before, else from the model.
func (l *loop) ask(ctx context.Context) (reply llm.Reply, err error) {
	if err := l.compact(ctx, false); err != nil {
		return reply, err
	}
	name := fmt.Sprintf("turn/%d", l.step()+1)
	past, err := l.recall(ctx, name)
	if err != nil {
		return reply, err
	}
	if l.deps.More != nil {
		if err := l.offer(append(slices.Clip(l.deps.Tools), l.deps.More()...)); err != nil {
			return reply, err
		}
	}
	req := llm.Request{Messages: l.messages, Tools: l.offered, Output: l.output.schema}
	var hold *budget.Hold
	if past == nil {
		if hold, err = l.reserve(ctx, &req); err != nil {
			return reply, err
		}
	}
	l.result.Steps++
	if err := l.emit(KindTurn, TurnEvent{Step: l.step(), Messages: len(l.messages), Spent: l.result.Usage}); err != nil {
		if hold != nil {
			hold.Cancel()
		}
		return reply, err
	}
	if past != nil {
		l.settle(nil, past)
		return *past, nil
	}
	reply, err = l.deps.Model.Generate(ctx, req, l.deps.Live)
	if errors.Is(err, llm.ErrTooLong) {
		hold.Cancel()
		if err := l.compact(ctx, true); err != nil {
			return reply, err
		}
		req.Messages = l.messages
		if hold, err = l.reserve(ctx, &req); err != nil {
			return reply, err
		}
		reply, err = l.deps.Model.Generate(ctx, req, l.deps.Live)
	}
	if err != nil {
		hold.Keep()
		if l.deps.Failed != nil && ctx.Err() == nil {
			l.deps.Failed(ctx, name)
		}
		return reply, err
	}
	if err := l.record(name, reply); err != nil {
		hold.Keep()
		return reply, err
	}
	l.settle(hold, &reply)
	return reply, nil
}

func (l *loop) recall(ctx context.Context, name string) (*llm.Reply, error) {
	if l.deps.Recall == nil {
		return nil, nil
	}
	return l.deps.Recall(ctx, name)
}

func (l *loop) record(name string, r llm.Reply) error {
	if l.deps.Record == nil {
		return nil
	}
	return l.deps.Record(name, r)
}

// step is the number of the turn in its conversation.
func (l *loop) step() int { return l.in.StepsBefore + l.result.Steps }

// conversation is what was said, without the instructions.
func (l *loop) conversation() []llm.Message {
	if len(l.messages) > 0 && l.messages[0].Role == llm.System {
		return l.messages[1:]
	}
	return l.messages
}

// distinct gives calls of one turn ids that differ, which models forget to.
func distinct(calls []llm.ToolCall, step int) {
	ids := map[string]bool{}
	for i := range calls {
		if id := calls[i].ID; id == "" || ids[id] {
			calls[i].ID = fmt.Sprintf("call_%d_%d", step, i+1)
		}
		ids[calls[i].ID] = true
	}
}

func (l *loop) emit(kind string, data any) error {
	if l.deps.Emit == nil {
		return nil
	}
	l.emitMu.Lock()
	defer l.emitMu.Unlock()
	return l.deps.Emit(kind, data)
}
