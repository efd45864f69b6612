package agency

import (
	"context"
	"slices"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Lead runs a team of mode lead: the lead's own loop, with the team's input and
// output, and the other members among its tools.
func (a *Agents) Lead(ctx context.Context, job task.Job) (task.Outcome, error) {
	spec := job.Unit.Team
	lead, err := a.Registry.ResolveFrom(job.Unit.Digest, spec.Lead)
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
	if b := spec.Budget; b.USD > 0 {
		as.Budget.USD = b.USD
	}
	if b := spec.Budget; b.Tokens > 0 {
		as.Budget.Tokens = b.Tokens
	}
	if b := spec.Budget; b.TimeMS > 0 {
		as.Budget.TimeMS = b.TimeMS
	}
	if b := spec.Budget; b.Steps > 0 {
		as.Budget.Steps = b.Steps
	}
	u := *job.Unit.Unit
	u.Agent = &as
	job.Unit.Unit = &u
	emit, err := job.EmitOnce(ctx)
	if err != nil {
		return task.Outcome{}, err
	}
	if err := emit("handover", HandOver{From: job.Unit.Name, To: spec.Lead, Call: "lead"}); err != nil {
		return task.Outcome{}, err
	}
	return a.Run(ctx, job)
}
