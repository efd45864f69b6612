package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// pending is one call of a turn on its way to a result.
type pending struct {
	id       string
	name     string
	input    json.RawMessage
	repaired bool
	key      string // unit and input; "" if it was refused before that was known

	output json.RawMessage
	err    error
	cut    bool
	took   int64 // ms
}

// callTools checks, runs and answers the calls of one turn: at the same time,
// with the results in the order of the calls. A call that fails is a result
// the model reads; only Emit, the context and a model that repeats itself end
// the run.
func (l *loop) callTools(ctx context.Context, calls []llm.ToolCall) error {
	list := make([]*pending, len(calls))
	for i, c := range calls {
		list[i] = l.prepare(c, fmt.Sprintf("%d.%d", l.step(), i+1))
		if list[i].err != nil {
			continue
		}
		l.result.Calls++
		e := CallEvent{Call: list[i].id, Unit: list[i].name, Input: list[i].input, Repaired: list[i].repaired}
		if err := l.emit(KindCall, e); err != nil {
			return err
		}
	}
	if err := l.invokeAll(ctx, list); err != nil {
		return err
	}
	for i, p := range list {
		l.remember(p)
		text := l.textOf(p)
		l.messages = append(l.messages, llm.Message{Role: llm.ToolRole, CallID: calls[i].ID, Tool: p.name, Text: text, Failed: p.err != nil})
		if t := l.tools[p.name]; t != nil && t.Ends && p.err == nil && l.result.Left == nil {
			l.result.Left = &Left{Tool: p.name, Input: p.input, Output: p.output}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return l.stuck()
}

// prepare finds the tool and makes its input fit, or sets why it cannot run.
func (l *loop) prepare(c llm.ToolCall, id string) *pending {
	p := &pending{id: id, name: c.Name}
	t, ok := l.tools[c.Name]
	if !ok {
		p.err = fault.New(fault.NotFound, "there is no tool %q", c.Name).WithHint("%s", l.candidates(c.Name))
		return p
	}
	p.input, p.repaired, p.err = t.check.fit(c.Arguments)
	if p.err == nil {
		p.key = p.name + " " + string(p.input)
		p.err = l.refuseRepeat(p)
	}
	return p
}

func (l *loop) invokeAll(ctx context.Context, list []*pending) error {
	var wg sync.WaitGroup
	room := make(chan struct{}, parallel)
	errs := make([]error, len(list))
	if err := l.pieces(ctx, len(list)-1); err != nil {
		return err
	}
	var over atomic.Int64
	for i, p := range list {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			if p.err == nil {
				l.invoke(ctx, p)
			}
			errs[i] = l.emit(KindResult, l.resultEvent(p))
			if over.Add(1) < int64(len(list)) { // the last one is the run again
				errs[i] = cmp.Or(errs[i], l.pieces(context.WithoutCancel(ctx), -1))
			}
		})
	}
	wg.Wait()
	return firstError(errs)
}

// pieces tells how many calls go on beside each other: a run whose calls all wait
// for a person waits too.
func (l *loop) pieces(ctx context.Context, more int) error {
	if l.deps.Pieces == nil || more == 0 {
		return nil
	}
	return l.deps.Pieces(ctx, more)
}

func (l *loop) invoke(ctx context.Context, p *pending) {
	if p.err = ctx.Err(); p.err != nil {
		return
	}
	began := l.deps.Now()
	p.output, p.err = l.deps.Invoke(ctx, p.name, p.input, p.id)
	p.took = l.deps.Now().Sub(began).Milliseconds()
	if p.err == nil && len(p.output) == 0 {
		p.output = json.RawMessage("null")
	}
	p.cut = len(p.output) > l.in.Limits.ResultBytes
}

func firstError(errs []error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

func (l *loop) resultEvent(p *pending) ResultEvent {
	e := ResultEvent{Call: p.id, Unit: p.name, TookMS: p.took}
	if p.err != nil {
		e.Error = callError(p.err)
	} else {
		e.Output, e.Cut = p.output, p.cut
	}
	return e
}

// textOf is what the model reads of a result.
func (l *loop) textOf(p *pending) string {
	b := p.output
	if p.err != nil {
		b, _ = json.Marshal(map[string]any{"error": callError(p.err)})
	}
	limit := l.in.Limits.ResultBytes
	if len(b) <= limit {
		return string(b)
	}
	return strings.ToValidUTF8(string(b[:limit]), "") +
		fmt.Sprintf("\n… [cut: %d of %d bytes shown; ask for less]", limit, len(b))
}

// candidates names the tools closest to what the model wrote.
func (l *loop) candidates(name string) string {
	var all []string
	for _, t := range l.offered {
		all = append(all, t.Name)
	}
	if len(all) == 0 {
		return "this agent has no tools; answer without"
	}
	slices.SortStableFunc(all, func(a, b string) int { return fault.Distance(name, a) - fault.Distance(name, b) })
	if len(all) > 8 {
		all = all[:8]
	}
	return "there is: " + strings.Join(all, ", ")
}
