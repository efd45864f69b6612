package orchestrator

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// failure is what is remembered of one, so that a pipeline that is taken up in
// the middle of undoing goes on with it.
type failure struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
	Stack   string     `json:"stack,omitempty"`
}

func (g *graph) failed(ctx context.Context) (why, err error) {
	raw, err := g.job.Recall(ctx, "failed")
	if err != nil || raw == nil {
		return nil, err
	}
	var f failure
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, err
	}
	return &fault.Error{Code: f.Code, Message: f.Message, Hint: f.Hint, Stack: f.Stack}, nil
}

func (g *graph) fail(ctx context.Context, why error) error {
	undoes := slices.ContainsFunc(g.steps, func(s bundle.Step) bool { return s.Undo != "" })
	if f, ok := fault.As(why); ok && undoes {
		if err := g.job.Remember("failed", failure{f.Code, f.Message, f.Hint, f.Stack}); err != nil {
			return err
		}
	}
	return g.undo(ctx, why)
}

// undo runs, after a failure, what undoes the steps that were done, the last one
// first, each with the step's result and the step's own arguments. What cannot
// be undone is said; the others still are.
func (g *graph) undo(ctx context.Context, why error) error {
	g.mu.Lock()
	order := slices.Clone(g.order)
	g.mu.Unlock()
	slices.Reverse(order)
	for _, name := range order {
		i := slices.IndexFunc(g.steps, func(s bundle.Step) bool { return s.Name == name })
		s := g.steps[i]
		if s.Undo == "" {
			continue
		}
		if raw, err := g.job.Recall(ctx, "undo/"+name); err != nil || raw != nil {
			continue
		}
		args, from := g.args(s)
		_, err := g.piece(ctx, Piece{Name: "undo-" + name, Method: s.Undo, Spec: bundle.Step{Retries: s.Retries, TimeoutMS: s.TimeoutMS},
			Args: slices.Insert(args, 0, g.results[name]), From: slices.Insert(from, 0, name)})
		data := map[string]any{"step": name, "by": s.Undo}
		if f, ok := fault.As(err); ok {
			data["error"], data["message"] = f.Code, f.Message
		} else if err != nil {
			data["error"] = fault.Internal
		}
		if err := g.job.Emit("step.undone", data); err != nil {
			return err
		}
		if err == nil {
			if err := g.job.Remember("undo/"+name, json.RawMessage("true")); err != nil {
				return err
			}
		}
	}
	return why
}
