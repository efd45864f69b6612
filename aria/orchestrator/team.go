package orchestrator

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Crew is what this room needs of aria/agency.
type Crew interface {
	// Words makes a request in words into an input.
	Words(u registry.Unit, input json.RawMessage, words string) (json.RawMessage, error)
	// Enter opens the budget and the scratchpad that the members share.
	Enter(ctx context.Context, job task.Job) (leave func(), err error)
	// Lead and Handoff run teams whose members have one conversation.
	Lead(ctx context.Context, job task.Job) (task.Outcome, error)
	Handoff(ctx context.Context, job task.Job) (task.Outcome, error)
}

// Teams is the task.Runner of teams. Members are child runs, called by names that
// a team that is taken up again calls them by too.
type Teams struct {
	exec Executor
	crew Crew
}

// NewTeams makes one.
func NewTeams(exec Executor, crew Crew) *Teams { return &Teams{exec, crew} }

// Check completes and checks an input.
func (t *Teams) Check(u registry.Unit, input json.RawMessage, words string) (json.RawMessage, error) {
	if u.Team == nil {
		return nil, fault.New(fault.Invalid, "the bundle says nothing about team %s", u.Name).WithHint("build it again")
	}
	input, err := t.crew.Words(u, input, words)
	if err != nil {
		return nil, err
	}
	return t.exec.Check(u, input, "")
}

// Run takes a team to its end.
func (t *Teams) Run(ctx context.Context, job task.Job) (task.Outcome, error) {
	spec := job.Unit.Team
	if spec.Budget.TimeMS > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadlineCause(ctx, deadline(job, spec.Budget.TimeMS),
			fault.New(fault.Timeout, "team %s did not end within its time", job.Unit.Name).WithHint("raise budget.time"))
		defer stop()
	}
	switch spec.Mode {
	case "lead":
		return t.crew.Lead(ctx, job)
	case "handoff":
		return t.crew.Handoff(ctx, job)
	}
	leave, err := t.crew.Enter(ctx, job)
	if err != nil {
		return task.Outcome{}, err
	}
	defer leave()
	w := &work{Job: job}
	if w.emit, err = job.EmitOnce(ctx); err != nil {
		return task.Outcome{}, err
	}
	var out json.RawMessage
	switch spec.Mode {
	case "sequence":
		out, err = t.sequence(ctx, w)
	case "parallel":
		out, err = t.parallel(ctx, w)
	case "vote":
		out, err = t.vote(ctx, w)
	default:
		err = fault.New(fault.Unimplemented, "%q is no mode of a team that this build runs", spec.Mode)
	}
	if err == nil {
		out, err = t.exec.Finish(job, out)
	}
	return task.Outcome{Output: out, Usage: map[string]int{"members": len(spec.Members)}}, err
}

// work is a job that tells nothing twice.
type work struct {
	task.Job
	emit func(kind string, data any) error
}

// handOver is the event before a member begins.
type handOver struct {
	From string `json:"from"` // a member, or the team
	To   string `json:"to"`
	Call string `json:"call"`
}

func (t *Teams) call(ctx context.Context, job *work, from string, i int, input json.RawMessage) (json.RawMessage, error) {
	to, call := job.Unit.Team.Members[i], fmt.Sprintf("member/%d", i)
	if err := job.emit("handover", handOver{from, to, call}); err != nil {
		return nil, err
	}
	out, err := job.Invoke(ctx, to, input, call)
	if f, ok := fault.As(err); ok && ctx.Err() == nil {
		c := *f
		c.Message = fmt.Sprintf("member %s: %s", to, f.Message)
		return nil, &c
	}
	return out, err
}

// sequence gives each member what the one before it answered.
func (t *Teams) sequence(ctx context.Context, job *work) (json.RawMessage, error) {
	value, from := job.Input, job.Unit.Name
	for i, m := range job.Unit.Team.Members {
		var err error
		if value, err = t.call(ctx, job, from, i, value); err != nil {
			return nil, err
		}
		from = m
	}
	return value, nil
}

// together asks every member the same at the same time. The first failure ends
// the others.
func (t *Teams) together(ctx context.Context, job *work) ([]json.RawMessage, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	out := make([]json.RawMessage, len(job.Unit.Team.Members))
	if err := job.Pieces(ctx, len(out)-1); err != nil { // the team waits when all members do
		return nil, err
	}
	var mu sync.Mutex
	var first error
	var all sync.WaitGroup
	left := len(out)
	for i := range out {
		all.Go(func() {
			var err error
			out[i], err = t.call(ctx, job, job.Unit.Name, i, job.Input)
			mu.Lock()
			defer mu.Unlock()
			if left--; left > 0 {
				err = cmp.Or(err, job.Pieces(context.WithoutCancel(ctx), -1))
			}
			if err != nil && first == nil {
				first = err
				stop()
			}
		})
	}
	all.Wait()
	return out, first
}

// parallel gives the answers in the order of the members where the team's output
// is a list, else by member.
func (t *Teams) parallel(ctx context.Context, job *work) (json.RawMessage, error) {
	out, err := t.together(ctx, job)
	if err != nil {
		return nil, err
	}
	var schema struct{ Type string }
	if json.Unmarshal(job.Unit.Output, &schema) == nil && schema.Type == "array" {
		return json.Marshal(out)
	}
	by := map[string]json.RawMessage{}
	for i, m := range job.Unit.Team.Members {
		by[m] = out[i]
	}
	return json.Marshal(by)
}

// vote gives the answer that most members gave; of several, the one that a member
// named earlier gave.
func (t *Teams) vote(ctx context.Context, job *work) (json.RawMessage, error) {
	out, err := t.together(ctx, job)
	if err != nil {
		return nil, err
	}
	best, votes := 0, map[string]int{}
	keys := make([]string, len(out))
	for i, o := range out {
		keys[i] = canonical(o)
		votes[keys[i]]++
	}
	for i := range out {
		if votes[keys[i]] > votes[keys[best]] {
			best = i
		}
	}
	if err := job.emit("vote", map[string]any{"answer": json.RawMessage(out[best]), "votes": votes[keys[best]], "of": len(out)}); err != nil {
		return nil, err
	}
	return out[best], nil
}

// canonical is the same for values that are equal.
func canonical(raw json.RawMessage) string {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(raw)
	}
	out, err := json.Marshal(v) // sorts the keys
	if err != nil {
		return string(raw)
	}
	return string(out)
}

// deadline counts from the run's beginning, also when it is taken up again.
func deadline(job task.Job, ms int64) time.Time {
	return job.Began().Add(time.Duration(ms) * time.Millisecond)
}
