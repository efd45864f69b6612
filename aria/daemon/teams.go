package daemon

import (
	"context"
	"slices"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// lead runs a team of mode lead: the lead's own loop, with the team's input and
// output, and the other members among its tools.
func (a *agents) lead(ctx context.Context, job task.Job) (task.Outcome, error) {
	spec := job.Unit.Team
	lead, err := a.reg.ResolveFrom(job.Unit.Digest, spec.Lead)
	if err != nil {
		return task.Outcome{}, err
	}
	if lead.Agent == nil {
		return task.Outcome{}, fault.New(fault.Invalid, "%s leads team %s and is no agent", spec.Lead, job.Unit.Name)
	}
	as := *lead.Agent
	as.Tools = slices.Clone(as.Tools)
	for _, m := range spec.Members {
		if m != spec.Lead && !slices.Contains(as.Tools, m) {
			as.Tools = append(as.Tools, m)
		}
	}
	if spec.MaxTurns > 0 {
		as.MaxSteps = spec.MaxTurns
	}
	if spec.Budget.USD > 0 {
		as.Budget.USD = spec.Budget.USD
	}
	if spec.Budget.Tokens > 0 {
		as.Budget.Tokens = spec.Budget.Tokens
	}
	if spec.Budget.TimeMS > 0 {
		as.Budget.TimeMS = spec.Budget.TimeMS
	}
	u := *job.Unit.Unit
	u.Agent = &as
	job.Unit.Unit = &u
	if err := job.Emit("handover", map[string]string{"from": job.Unit.Name, "to": spec.Lead, "call": "lead"}); err != nil {
		return task.Outcome{}, err
	}
	return a.Run(ctx, job)
}
