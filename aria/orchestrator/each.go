package orchestrator

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// atOnce bounds the pieces of one mapping step that run at the same time.
const atOnce = 16

// each runs a step once for every element of the list that another step gave.
// What is done is remembered by element.
func (g *graph) each(ctx context.Context, s bundle.Step, args []json.RawMessage, from []string) (json.RawMessage, error) {
	g.mu.Lock()
	raw := g.results[s.Each]
	g.mu.Unlock()
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fault.New(fault.Failed, "step %s runs for each element of %s, which gave no list", s.Name, s.Each).
			WithHint("return an array from it")
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	out := make([]json.RawMessage, len(list))
	errs := make([]error, len(list))
	room := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, item := range list {
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			if ctx.Err() != nil {
				return
			}
			if out[i], errs[i] = g.element(ctx, s, i, item, args, from); errs[i] != nil {
				stop()
			}
		})
	}
	all.Wait()
	for i, err := range errs {
		if err != nil && (ctx.Err() == nil || fault.CodeOf(err) != fault.Internal) {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return nil, errs[i]
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return json.Marshal(out)
}

func (g *graph) element(ctx context.Context, s bundle.Step, i int, item json.RawMessage, args []json.RawMessage, from []string) (json.RawMessage, error) {
	name := fmt.Sprintf("%s.%d", s.Name, i)
	if raw, err := g.job.Recall(ctx, "step/"+name); err != nil || raw != nil {
		return raw, err
	}
	args, from = slices.Clone(args), slices.Clone(from)
	if at := slices.Index(s.After, s.Each); at >= 0 {
		args[at], from[at] = item, s.Each+"[]"
	} else {
		args, from = slices.Insert(args, 0, item), slices.Insert(from, 0, s.Each+"[]")
	}
	out, err := g.piece(ctx, Piece{Name: name, Method: s.Name, Args: args, From: from, Output: s.Name, Spec: s})
	if err != nil {
		return nil, err
	}
	return out, g.job.Remember("step/"+name, out)
}
