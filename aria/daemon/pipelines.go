package daemon

import (
	"context"
	"encoding/json"

	"github.com/ariacomputecompany/firmware/aria/execution"
	"github.com/ariacomputecompany/firmware/aria/orchestrator"
	"github.com/ariacomputecompany/firmware/aria/task"
)

// pieces lends aria/execution to aria/orchestrator, which do not know each other.
type pieces struct{ *execution.Executor }

func (p pieces) Piece(ctx context.Context, job task.Job, pc orchestrator.Piece) (json.RawMessage, orchestrator.Usage, error) {
	r, err := p.Executor.Piece(ctx, job, execution.Piece(pc))
	return r.Output, orchestrator.Usage{CPUUS: r.Usage.CPUUS, PeakMemory: r.Usage.PeakMemory}, err
}

// code runs a program that an agent's model wrote.
func (p pieces) code(ctx context.Context, job task.Job, name, source string, calls map[string]string) (json.RawMessage, error) {
	return p.Executor.Code(ctx, job, execution.Code{Name: name, Source: source, Calls: calls})
}
