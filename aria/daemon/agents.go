package daemon

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// agents is the task.Runner of agents: it finds the model and the tools that an
// agent names, and lets the loop of aria/agent work with them.
type agents struct {
	reg    *registry.Registry
	check  func(u registry.Unit, input json.RawMessage, words string) (json.RawMessage, error)
	models models
	log    *slog.Logger
}

// Check makes words into an input and checks it.
func (a *agents) Check(u registry.Unit, input json.RawMessage, words string) (json.RawMessage, error) {
	if u.Agent == nil {
		return nil, fault.New(fault.Invalid, "the bundle says nothing about agent %s", u.Name).WithHint("build it again")
	}
	if words != "" {
		schema, err := u.Schema(u.Input)
		if err != nil {
			return nil, err
		}
		if input, err = agent.WordsToInput(schema, words); err != nil {
			return nil, err
		}
	}
	return a.check(u, input, "")
}

// Run works until the agent answers.
func (a *agents) Run(ctx context.Context, job task.Job) (task.Outcome, error) {
	in, err := a.input(job)
	if err != nil {
		return task.Outcome{}, err
	}
	model, price, err := a.models.model(job.Unit.Agent.Model)
	if err != nil {
		return task.Outcome{}, err
	}
	tools, refs, err := a.tools(job.Unit)
	if err != nil {
		return task.Outcome{}, err
	}
	emit, err := once(ctx, job)
	if err != nil {
		return task.Outcome{}, err
	}
	if err := emit("started", map[string]any{"attempt": 1, "model": job.Unit.Agent.Model, "tools": len(tools)}); err != nil {
		return task.Outcome{}, err
	}
	res, err := agent.Run(ctx, in, agent.Deps{Model: &remembering{model: model, job: job}, Price: price, Tools: tools, Emit: emit, Live: told(job),
		Invoke: func(ctx context.Context, unit string, input json.RawMessage, callID string) (json.RawMessage, error) {
			return job.Invoke(ctx, refs[unit], input, callID)
		}})
	return task.Outcome{Output: res.Output, Usage: agentUsage{res.Usage, res.Steps, res.Calls}}, err
}

// told makes events of what happens to a turn at its provider.
func told(job task.Job) func(llm.Event) error {
	return func(e llm.Event) error {
		if e.Kind != llm.EventRetry && e.Kind != llm.EventFallback {
			return nil
		}
		return job.Emit("model."+e.Kind, map[string]any{"text": e.Text})
	}
}

type agentUsage struct {
	llm.Usage
	Steps int `json:"steps"`
	Calls int `json:"calls"`
}

func (a *agents) input(job task.Job) (agent.Input, error) {
	u, spec := job.Unit, job.Unit.Agent
	in, err := u.Schema(u.Input)
	if err != nil {
		return agent.Input{}, err
	}
	out, err := u.Schema(u.Output)
	if err != nil {
		return agent.Input{}, err
	}
	return agent.Input{Agent: u.Name, Instructions: spec.Instructions, Input: job.Input, InputSchema: in, OutputSchema: out,
		Limits: agent.Limits{Steps: spec.MaxSteps, Tokens: spec.Budget.Tokens, USD: spec.Budget.USD,
			Time: time.Duration(spec.Budget.TimeMS) * time.Millisecond}}, nil
}

// tools finds what the agent may call. refs pins each name to a digest for the
// length of the run.
func (a *agents) tools(u registry.Unit) (tools []agent.Tool, refs map[string]string, err error) {
	refs = map[string]string{}
	for _, ref := range u.Agent.Tools {
		t, err := a.reg.ResolveFrom(u.Digest, ref)
		if err != nil {
			return nil, nil, err
		}
		if other, ok := refs[t.Name]; ok && other != t.Ref() {
			return nil, nil, fault.New(fault.Invalid, "agent %s names two different tools %q", u.Name, t.Name).
				WithHint("give one of them another name")
		}
		refs[t.Name] = t.Ref()
		schema, err := t.Schema(t.Input)
		if err != nil {
			return nil, nil, err
		}
		tools = append(tools, agent.Tool{Unit: t.Name, Description: t.Description, Schema: schema})
	}
	return tools, refs, nil
}
