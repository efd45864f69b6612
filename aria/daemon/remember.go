package daemon

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/llm"
)

// remembering is a model whose answers are kept with the run: an agent that is
// taken up after a crash is told the same again, and asks nobody.
type remembering struct {
	model llm.Model
	job   task.Job
	turn  int // the loop asks one turn at a time
}

// Generate answers from the record, or asks and records.
func (r *remembering) Generate(ctx context.Context, req llm.Request, emit func(llm.Event) error) (llm.Reply, error) {
	r.turn++
	name := fmt.Sprintf("turn/%d", r.turn)
	var reply llm.Reply
	raw, err := r.job.Recall(ctx, name)
	if err != nil {
		return reply, err
	}
	if raw != nil {
		if err := json.Unmarshal(raw, &reply); err != nil {
			return reply, fmt.Errorf("turn %d of %s: %w", r.turn, r.job.Run, err)
		}
		return reply, nil
	}
	if r.job.Played() {
		return reply, r.job.Beyond(name)
	}
	if reply, err = r.model.Generate(ctx, req, emit); err != nil {
		return reply, err
	}
	return reply, r.job.Remember(name, reply)
}

// once is how a run that is taken up tells its events: those that it told before
// are not told again.
func once(ctx context.Context, job task.Job) (func(kind string, data any) error, error) {
	if !job.Resumed {
		return job.Emit, nil
	}
	told := map[string]bool{}
	past, err := job.Events(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range past {
		told[eventName(e.Kind, e.Data)] = true
	}
	return func(kind string, data any) error {
		raw, err := json.Marshal(data)
		if err != nil {
			return fmt.Errorf("event %s: %w", kind, err)
		}
		if told[eventName(kind, raw)] {
			return nil
		}
		return job.Emit(kind, data)
	}, nil
}

// eventName tells events of one agent run apart: by turn, or by call.
func eventName(kind string, data json.RawMessage) string {
	var at struct {
		Step int    `json:"step"`
		Call string `json:"call"`
	}
	_ = json.Unmarshal(data, &at) // what has neither happens once
	return fmt.Sprintf("%s %d %s", kind, at.Step, at.Call)
}
