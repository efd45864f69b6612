package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

// sampler asks why of every open run, all the time. A run that has no container,
// and of which nobody can say what it waits for, may be just between two things:
// only one that stays so, without an event, has an unexplained wait.
type sampler struct {
	inst        *system.Instance
	asked       int
	reasons     map[string]int
	quiet       map[string]quiet
	unexplained int
}

// quiet is a run without an explanation, and since when nothing happened to it.
type quiet struct {
	seq   uint64
	since time.Time
	told  bool
}

// still is how long something may be between two things, on a machine with more
// to do than it can.
const still = 5 * time.Second

func newSampler(inst *system.Instance) *sampler {
	return &sampler{inst: inst, reasons: map[string]int{}, quiet: map[string]quiet{}}
}

func (s *sampler) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.round(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
	return nil
}

func (s *sampler) round(ctx context.Context) error {
	t, err := s.inst.System.Tokens(ctx, connect.NewRequest(&ariav1.TokensRequest{}))
	if err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	runs := map[string]bool{} // that have a container
	for _, h := range t.Msg.Holders {
		runs[h.Run] = true
	}
	open := map[string]bool{}
	for _, state := range []string{"pending", "waiting", "running"} {
		list, err := s.inst.Tasks.List(ctx, connect.NewRequest(&ariav1.ListRunsRequest{State: state, Limit: 1000}))
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		for _, r := range list.Msg.Runs {
			open[r.Id] = true
			if err := s.ask(ctx, r, runs[r.Id]); err != nil {
				return err
			}
		}
	}
	for id := range s.quiet {
		if !open[id] {
			delete(s.quiet, id)
		}
	}
	return nil
}

func (s *sampler) ask(ctx context.Context, r *ariav1.Run, container bool) error {
	w, err := s.inst.Tasks.Why(ctx, connect.NewRequest(&ariav1.WhyRequest{Run: r.Id}))
	if err != nil {
		return fmt.Errorf("why %s: %w", r.Id, err)
	}
	s.asked++
	ended := w.Msg.State != "pending" && w.Msg.State != "running" && w.Msg.State != "waiting"
	switch {
	case w.Msg.Waits:
		s.reasons[w.Msg.For]++
	case container && w.Msg.State == "running":
		s.reasons["runs"]++
	case ended:
	default:
		s.suspect(r, w.Msg)
		return nil
	}
	delete(s.quiet, r.Id)
	return nil
}

func (s *sampler) suspect(r *ariav1.Run, w *ariav1.WhyResponse) {
	q, known := s.quiet[r.Id]
	if !known || q.seq != r.LastSeq {
		s.quiet[r.Id] = quiet{seq: r.LastSeq, since: time.Now()}
		return
	}
	if !q.told && time.Since(q.since) > still {
		q.told = true
		s.unexplained++
		s.quiet[r.Id] = q
		fmt.Printf("unexplained: %s (%s, %s) for %s: %s\n", r.Id, r.Unit, r.State, time.Since(q.since).Round(time.Millisecond), w.Sentence)
	}
}

func (s *sampler) String() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(s.reasons)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, s.reasons[k]))
	}
	return fmt.Sprintf("asked why %d times: %s", s.asked, strings.Join(parts, ", "))
}
