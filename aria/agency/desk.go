package agency

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/aria/budget"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// desk is what a run of an agent or a team has while it goes on.
type desk struct {
	job  task.Job
	emit func(kind string, data any) error
	pad  *pad // of the nearest team above that has one; or nil

	mu      sync.Mutex
	account *budget.Account // what pays for turns, its own and those of runs it calls
	spent   budget.Amount   // in turns of its own
}

func (d *desk) payer() *budget.Account {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.account
}

// pays lets another account pay from now on and gives the one that did.
func (d *desk) pays(a *budget.Account) *budget.Account {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.account
	d.account = a
	return old
}

// defaultTree is how many turns a run and all that it calls take together, unless
// its budget says steps: agents that call one another would multiply for ever.
const defaultTree = 1000

// desks finds those of the runs above. A lookup is by the run's id.
type desks struct {
	mu   sync.Mutex
	open map[task.ID]*desk
}

func (d *desks) above(job task.Job) *desk {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range job.Above() {
		if x := d.open[id]; x != nil {
			return x
		}
	}
	return nil
}

// circle: a run above is the same unit with the same input.
func (d *desks) circle(job task.Job) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(job.Above(), func(id task.ID) bool {
		x := d.open[id]
		return x != nil && x.job.Unit.Ref() == job.Unit.Ref() && bytes.Equal(x.job.Input, job.Input)
	})
}

// enter opens the desk of a run: its account below that of the nearest run above
// which has one, and its scratchpad.
func (a *Agents) enter(ctx context.Context, job task.Job) (*desk, func(), error) {
	if a.desks.circle(job) {
		return nil, nil, fault.New(fault.Conflict, "%s was called with the input that it is at work on already", title(job.Unit)).
			WithHint("it calls itself, by way of others perhaps: answer, or ask for something smaller")
	}
	emit, err := job.EmitOnce(ctx)
	if err != nil {
		return nil, nil, err
	}
	used, err := spentBelow(ctx, job)
	if err != nil {
		return nil, nil, err
	}
	d := &desk{job: job, emit: emit}
	var above *budget.Account
	if up := a.desks.above(job); up != nil {
		above, d.pad = up.payer(), up.pad
	}
	limit := amountOf(job.Unit.Unit)
	if above == nil && limit.Steps == 0 {
		limit.Steps = defaultTree
	}
	d.account = budget.Open(title(job.Unit), above, limit, used)
	if t := job.Unit.Team; t != nil && t.Scratchpad {
		if d.pad, err = openPad(ctx, job); err != nil {
			return nil, nil, err
		}
	}
	a.desks.mu.Lock()
	a.desks.open[job.Run] = d
	a.desks.mu.Unlock()
	return d, func() {
		a.desks.mu.Lock()
		delete(a.desks.open, job.Run)
		a.desks.mu.Unlock()
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.spent != (budget.Amount{}) {
			_ = job.Note("spent", d.spent) // a journal that cannot be written ends the run by itself
		}
	}, nil
}

// Enter is for teams whose members are runs of their own: they share its budget
// and its scratchpad until leave.
func (a *Agents) Enter(ctx context.Context, job task.Job) (leave func(), err error) {
	_, leave, err = a.enter(ctx, job)
	return leave, err
}

func amountOf(u *bundle.Unit) budget.Amount {
	var b bundle.Budget
	switch {
	case u.Agent != nil: // a lead has its team's
		b = u.Agent.Budget
	case u.Team != nil:
		b = u.Team.Budget
	}
	return accountOf(agent.Limits{Tokens: b.Tokens, USD: b.USD}, int64(b.Steps))
}

// spentBelow is what runs that this one called have used and that are over, when
// it is taken up again. What goes on books for itself.
func spentBelow(ctx context.Context, job task.Job) (budget.Amount, error) {
	var sum budget.Amount
	if !job.Resumed {
		return sum, nil
	}
	marks, err := job.EndedBelow(ctx, "spent")
	if err != nil {
		return sum, err
	}
	for _, m := range marks {
		var a budget.Amount
		if err := json.Unmarshal(m.Value, &a); err != nil {
			return sum, fmt.Errorf("spent below %s: %w", job.Run, err)
		}
		sum = sum.Plus(a)
	}
	return sum, nil
}

// recall gives an answer of the model that is on record.
func (d *desk) recall(ctx context.Context, name string) (*llm.Reply, error) {
	raw, err := d.job.Recall(ctx, name)
	if err == nil && raw == nil && d.job.Played() {
		return nil, d.job.Beyond(name)
	}
	if err != nil || raw == nil {
		return nil, err
	}
	var r llm.Reply
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("%s of %s: %w", name, d.job.Run, err)
	}
	return &r, nil
}

// recall gives an answer that is on record. Where there is none it is announced,
// durably, that the model is asked: what a crash takes is not lost from the bill.
func (s *stint) recall(ctx context.Context, name string) (*llm.Reply, error) {
	r, err := s.d.recall(ctx, name)
	if r != nil || err != nil || s.d.job.Played() {
		return r, err
	}
	a, err := s.asked(ctx, name)
	if err != nil {
		return nil, err
	}
	a.Times++
	return nil, s.d.job.Remember(task.AskedMark+name, a)
}

func (s *stint) asked(ctx context.Context, name string) (task.Asked, error) {
	a := task.Asked{Model: s.unit.Agent.Model}
	raw, err := s.d.job.Recall(ctx, task.AskedMark+name)
	if err != nil || raw == nil {
		return a, err
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, fmt.Errorf("%s of %s: %w", name, s.d.job.Run, err)
	}
	return a, nil
}

// failed takes an announcement back: the model said no.
func (s *stint) failed(ctx context.Context, name string) {
	a, err := s.asked(ctx, name)
	if err == nil && a.Times > 0 && !s.d.job.Played() {
		a.Times--
		_ = s.d.job.Note(task.AskedMark+name, a) // a journal that cannot be written ends the run by itself
	}
}

func (d *desk) record(name string, r llm.Reply) error { return d.job.Remember(name, r) }

// spend adds a turn to what the run has used itself.
func (d *desk) spend(u budget.Amount) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spent = d.spent.Plus(u)
}

// kept is the answer of a tool that is served here.
type kept struct {
	Output  json.RawMessage `json:"output,omitempty"`
	Code    fault.Code      `json:"code,omitempty"`
	Message string          `json:"message,omitempty"`
	Hint    string          `json:"hint,omitempty"`
}

// once does what a call asks for unless it is on record. What a replay must go
// through again, because it tells events on its way, is anew.
func (d *desk) once(ctx context.Context, callID string, anew bool, do func() (json.RawMessage, error)) (json.RawMessage, error) {
	name := "own/" + callID
	raw, err := d.job.Recall(ctx, name)
	if err != nil {
		return nil, err
	}
	if anew && d.job.Played() {
		raw = nil
	}
	var k kept
	if raw != nil {
		if err := json.Unmarshal(raw, &k); err != nil {
			return nil, fmt.Errorf("call %s of %s: %w", callID, d.job.Run, err)
		}
		return k.face()
	}
	k.Output, err = do()
	if err != nil {
		f, ok := fault.As(err)
		if !ok || ctx.Err() != nil {
			return nil, err
		}
		k = kept{Code: f.Code, Message: f.Message, Hint: f.Hint}
	}
	if err := d.job.Remember(name, k); err != nil {
		return nil, err
	}
	return k.face()
}

func (k kept) face() (json.RawMessage, error) {
	if k.Code != "" {
		return nil, fault.New(k.Code, "%s", k.Message).WithHint("%s", k.Hint)
	}
	return k.Output, nil
}
