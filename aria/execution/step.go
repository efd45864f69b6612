package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/bundle"
)

// Piece is one method of a pipeline that runs by itself: a step, one of the many
// of a step that maps, or what undoes a step.
type Piece struct {
	Name   string // unique in the run: "pay", "pay#3"
	Method string
	Args   []json.RawMessage
	From   []string // whose result each argument is: a step's name, "name[]" for an element of it, "" for the pipeline's input
	Output string   // the step whose output schema the result has; "": any
	Spec   bundle.Step
}

// Result of a piece.
type Result struct {
	Output json.RawMessage
	Usage  tokenapi.Usage
}

// Piece runs one piece to its end, with the retries of its step.
func (x *Executor) Piece(ctx context.Context, job task.Job, pc Piece) (Result, error) {
	p, err := x.plan(job.Unit)
	if err != nil {
		return Result{}, err
	}
	args, rich, err := p.pieceArgs(pc)
	if err != nil {
		return Result{}, err
	}
	req, err := p.call(pc.Method, args, rich, time.Duration(pc.Spec.TimeoutMS)*time.Millisecond)
	if err != nil {
		return Result{}, err
	}
	req.Unit = job.Unit.Name + "." + pc.Method
	out, err := p.shapeOf(pc.Output)
	if err != nil {
		return Result{}, err
	}
	u := *job.Unit.Unit
	u.Retries = pc.Spec.Retries
	tried := job.Unit
	tried.Unit = &u
	res, err := x.attempts(ctx, job, p, piece{name: pc.Name, output: out, retries: func(end tokenapi.Ended, err error, began bool) int {
		return allowed(tried, end, err, began)
	}}, req)
	used, _ := res.Usage.(usage)
	return Result{res.Output, used.Usage}, err
}

func (p *plan) pieceArgs(pc Piece) (args []any, rich []place, err error) {
	for i, raw := range pc.Args {
		v, err := decode(raw)
		if err != nil {
			return nil, nil, fmt.Errorf("argument %d of %s: %w", i, pc.Name, err)
		}
		args = append(args, v)
		from := pc.From[i]
		shape := p.input
		if from != "" {
			if shape, err = p.shapeOf(from); err != nil {
				return nil, nil, err
			}
		}
		rich = append(rich, shape.whole(i, v)...)
	}
	if args == nil {
		args = []any{}
	}
	return args, rich, nil
}

// shapeOf is the shape of a step's result, or of one element of it.
func (p *plan) shapeOf(step string) (*shape, error) {
	name, element := step, false
	if n := len(step); n > 2 && step[n-2:] == "[]" {
		name, element = step[:n-2], true
	}
	schema := json.RawMessage("{}")
	for _, s := range p.unit.Pipeline.Steps {
		if s.Name == name && len(s.Output) > 0 {
			schema = s.Output
		}
	}
	if element {
		var list struct {
			Items json.RawMessage `json:"items"`
		}
		if json.Unmarshal(schema, &list) == nil && len(list.Items) > 0 {
			schema = list.Items
		} else {
			schema = json.RawMessage("{}")
		}
	}
	return newShape(p.unit, "output of "+name, schema)
}

// Finish checks what a pipeline gives against its own schema.
func (x *Executor) Finish(u task.Job, value json.RawMessage) (json.RawMessage, error) {
	p, err := x.plan(u.Unit)
	if err != nil {
		return nil, err
	}
	return p.output.result(value)
}
