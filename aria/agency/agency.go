// Package agency runs agents, and the teams whose members share one conversation.
// It finds the model and the tools that an agent names, gives the loop of
// aria/agent what the run remembers, keeps the budgets of runs that call one
// another, and serves the tools that need no container: handing over, the
// scratchpad of a team.
//
// Whatever a model has said and whatever such a tool has answered is remembered
// with the run before it counts, so that a run that is taken up after a crash
// says and does nothing twice.
package agency

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/aria/budget"
	"github.com/ariacomputecompany/firmware/aria/memory"
	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/find"
)

// Model is what an agent thinks with.
type Model struct {
	llm.Model
	Ref       string     // "openai:gpt-4o-mini"
	Price     *llm.Price // nil: not known
	Context   int64      // tokens in and out that it takes; 0: not known
	MaxOutput int64      // tokens that it answers; 0: not known
	Free      bool       // uses no tokens
}

// Config is what this room needs of the others.
type Config struct {
	Registry *registry.Registry
	// Check completes and checks an input against a unit's schema.
	Check    func(u registry.Unit, input json.RawMessage, words string) (json.RawMessage, error)
	Model    func(ref string) (Model, error)
	Find     *find.Index // for agents with more tools than a prompt should hold
	Memory   *memory.Store
	Leases   Leases
	Resident Resident
	Keep     Keep
	// Program is the file of a unit that runs a program, which may call names.
	Program func(source string, names []string) ([]byte, error)
	RunCode RunCode
	Log     *slog.Logger
}

// Agents is the task.Runner of agents.
type Agents struct {
	Config
	desks desks
}

// New makes one.
func New(cfg Config) *Agents { return &Agents{Config: cfg, desks: desks{open: map[task.ID]*desk{}}} }

// Check makes words into an input and checks it.
func (a *Agents) Check(u registry.Unit, input json.RawMessage, words string) (json.RawMessage, error) {
	if u.Agent == nil {
		return nil, fault.New(fault.Invalid, "the bundle says nothing about agent %s", u.Name).WithHint("build it again")
	}
	input, err := a.Words(u, input, words)
	if err != nil {
		return nil, err
	}
	return a.Config.Check(u, input, "")
}

// Words makes a request in words into the input of an agent or a team.
func (a *Agents) Words(u registry.Unit, input json.RawMessage, words string) (json.RawMessage, error) {
	if words == "" {
		return input, nil
	}
	schema, err := u.Schema(u.Input)
	if err != nil {
		return nil, err
	}
	return agent.WordsToInput(schema, words)
}

// Run works until the agent answers.
func (a *Agents) Run(ctx context.Context, job task.Job) (task.Outcome, error) {
	d, leave, err := a.enter(ctx, job)
	if err != nil {
		return task.Outcome{}, err
	}
	defer leave()
	s, err := a.stint(ctx, d, job.Unit)
	if err != nil {
		return task.Outcome{}, err
	}
	res, err := s.run(ctx)
	return task.Outcome{Output: res.Output, Usage: agentUsage{res.Usage, res.Steps, res.Calls}}, err
}

type agentUsage struct {
	llm.Usage
	Steps int `json:"steps"`
	Calls int `json:"calls"`
}

// stint is one agent at work in a run: the run's own, or a member of its team.
type stint struct {
	a     *Agents
	d     *desk
	unit  registry.Unit // the agent
	model Model
	tools *toolbox
	find  *finder // nil: all tools are offered
	in    agent.Input
}

// stint makes an agent ready. Input and answer are those of the run's unit.
func (a *Agents) stint(ctx context.Context, d *desk, u registry.Unit) (*stint, error) {
	s := &stint{a: a, d: d, unit: u}
	var err error
	if s.model, err = a.Model(u.Agent.Model); err != nil {
		return nil, err
	}
	if s.tools, err = a.tools(u); err != nil {
		return nil, err
	}
	if s.find, err = a.searched(d, s.tools, u); err != nil {
		return nil, err
	}
	if u.Agent.Memory {
		list, err := s.memoryTools(ctx)
		if err != nil {
			return nil, err
		}
		if err := s.tools.offer(list...); err != nil {
			return nil, err
		}
	}
	if d.pad != nil {
		if err := s.tools.offer(d.pad.tools(u.Name)...); err != nil {
			return nil, err
		}
	}
	of := d.job.Unit
	in, err := of.Schema(of.Input)
	if err != nil {
		return nil, err
	}
	out, err := of.Schema(of.Output)
	if err != nil {
		return nil, err
	}
	before, err := d.history(ctx, a.Memory)
	if err != nil {
		return nil, err
	}
	b := u.Agent.Budget
	s.in = agent.Input{Agent: u.Name, Before: before, Instructions: u.Agent.Instructions, Input: d.job.Input, InputSchema: in, OutputSchema: out,
		Limits: agent.Limits{Steps: u.Agent.MaxSteps, Tokens: b.Tokens, USD: b.USD,
			Time: time.Duration(b.TimeMS) * time.Millisecond, Began: d.job.Began()}}
	return s, nil
}

// run lets the agent work until it answers or hands over.
func (s *stint) run(ctx context.Context) (agent.Result, error) {
	began := map[string]any{"attempt": 1, "model": s.unit.Agent.Model, "tools": len(s.tools.list)}
	if n := s.in.StepsBefore; n > 0 { // another stint of a team that hands over
		began["call"] = fmt.Sprintf("stint/%d", n)
	}
	if err := s.d.emit("started", began); err != nil {
		return agent.Result{}, err
	}
	var more func() []agent.Tool
	if s.find != nil {
		if err := s.find.begin(ctx, agent.Words(s.in), fmt.Sprint(s.in.StepsBefore)); err != nil {
			return agent.Result{}, err
		}
		more = s.find.offered
	}
	if s.unit.Agent.Code {
		if err := s.codeMode(); err != nil {
			return agent.Result{}, err
		}
	}
	model := s.leased()
	defer model.close()
	res, err := agent.Run(ctx, s.in, agent.Deps{
		Model: model, Price: s.model.Price, MaxOutput: s.model.MaxOutput, Context: s.model.Context, Free: s.model.Free,
		Account: s.d.payer(), Spent: s.d.spend, Tools: s.tools.list, More: more, Emit: s.d.emit, Live: pieces(s.d.job),
		Recall: s.recall, Record: s.d.record, Failed: s.failed, Invoke: s.invoke, Pieces: s.d.job.Pieces,
	})
	if err == nil && res.Left == nil {
		err = s.d.said(ctx, s.a.Memory, agent.Words(s.in), res)
	}
	return res, err
}

// invoke is a call of a tool: one that is served here, or a run of its own.
func (s *stint) invoke(ctx context.Context, name string, input json.RawMessage, callID string) (json.RawMessage, error) {
	if o, ok := s.tools.own[name]; ok {
		out, err := s.d.once(ctx, callID, name == codeTool, func() (json.RawMessage, error) { return o.do(ctx, input, callID) })
		if err == nil && s.find != nil && (name == searchTool || name == "make_tool") {
			err = s.find.take(ctx, callID)
		}
		return out, err
	}
	if s.tools.members[name] {
		if err := s.d.emit("handover", HandOver{From: s.unit.Name, To: name, Call: callID}); err != nil {
			return nil, err
		}
	}
	return s.d.job.Invoke(ctx, s.tools.ref(name), input, callID)
}

// HandOver is the event before another member of a team begins.
type HandOver struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Call   string `json:"call"`
	Reason string `json:"reason,omitempty"`
}

func accountOf(b agent.Limits, steps int64) budget.Amount {
	amount := b.Amount()
	amount.Steps = steps
	return amount
}

func title(u registry.Unit) string { return fmt.Sprintf("%s %s", u.Kind, u.Name) }
