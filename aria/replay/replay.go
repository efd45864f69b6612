// Package replay plays a recorded run again: the same code, or other code, with
// every answer from the recording and none from outside, and holds what happens
// against what was recorded, event by event. It says where the run first does
// something else. It stores nothing, and what it is given it does not change.
//
// The outermost run is played; what it called answers from the recording too,
// except code that another bundle replaces: that is played in turn.
package replay

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Player plays recordings with the runners of this instance.
type Player struct {
	reg   *registry.Registry
	tasks *task.Tasks
}

// New makes one.
func New(reg *registry.Registry, tasks *task.Tasks) *Player { return &Player{reg, tasks} }

// Request says what is played.
type Request struct {
	Recording *task.Recording
	Bundle    bundle.Digest // the code; "": what the run is pinned to
	From      uint64        // the last event whose answers are given; 0: all
}

// Report is what came of it.
type Report struct {
	Run       task.ID
	Unit      string
	Identical bool
	Events    uint64 // that were held against the recorded ones
	Effects   uint64 // answers that the recording gave
	Children  uint64 // calls of other units among them
	Took      time.Duration
	// Divergence is the first difference, unless Identical.
	Divergence *Divergence
	// Denied is what the code asked for first beyond From.
	Denied string
}

// Divergence is where the run first did something else.
type Divergence struct {
	Run      task.ID // the run, or one that it called
	Unit     string
	Seq      uint64 // of the recorded event that did not come again
	Kind     string // of it
	Expected string
	Got      string
}

// session is one replay.
type session struct {
	p     *Player
	rec   *task.Recording
	with  bundle.Digest      // "": none
	until int64              // Unix nanoseconds; 0: no bound
	last  task.RecordedEvent // at that moment
	stop  context.CancelCauseFunc

	mu       sync.Mutex
	diverged *Divergence
	denied   string
	events   uint64
	effects  uint64
	children uint64
}

// errOver ends what still goes on when the answer is known.
var errOver = fault.New(fault.Diverged, "the replay is over")

// Play plays a recording to its end or to the first difference. Faults: Invalid
// (the recording), NotFound (its code is not here), Conflict (the run goes on).
func (p *Player) Play(ctx context.Context, req Request) (Report, error) {
	began := time.Now()
	root, err := check(req)
	if err != nil {
		return Report{}, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s := &session{p: p, rec: req.Recording, with: req.Bundle, stop: stop}
	if req.From > 0 {
		i := slices.IndexFunc(root.Events, func(e task.RecordedEvent) bool { return e.Seq == req.From })
		if i < 0 {
			return Report{}, fault.New(fault.Invalid, "run %s has no event %d; its last is %d", root.ID, req.From, len(root.Events)).
				WithHint("arc logs %s --json shows their numbers", root.ID)
		}
		s.last, s.until = root.Events[i], root.Events[i].Time
	}
	digest := root.Bundle
	if req.Bundle != "" {
		digest = req.Bundle
	}
	u, err := p.reg.Resolve(string(digest) + "#" + root.Unit)
	if err != nil {
		return Report{}, err
	}
	if _, _, err := s.play(ctx, root, u); err != nil && s.diverged == nil && s.denied == "" {
		return Report{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return Report{Run: root.ID, Unit: root.Unit, Identical: s.diverged == nil, Events: s.events, Effects: s.effects, Children: s.children,
		Took: time.Since(began), Divergence: s.diverged, Denied: s.denied}, nil
}

func check(req Request) (*task.RecordedRun, error) {
	rec := req.Recording
	if rec == nil || len(rec.Runs) == 0 || rec.Runs[0].ID != rec.Run {
		return nil, fault.New(fault.Invalid, "this is not the recording of a run").WithHint("arc test --from-runs writes them")
	}
	if rec.Version != task.RecordingVersion {
		return nil, fault.New(fault.Invalid, "the recording has version %d, and this build reads %d", rec.Version, task.RecordingVersion).
			WithHint("record the run again")
	}
	root := &rec.Runs[0]
	if !root.State.Ended() {
		return nil, fault.New(fault.Conflict, "run %s goes on: it is %s", root.ID, root.State).WithHint("wait until it has ended, or: arc cancel %s", root.ID)
	}
	return root, nil
}

// play plays one run on a unit. The error is for what cannot be played; a
// difference is in the session.
func (s *session) play(ctx context.Context, run *task.RecordedRun, u registry.Unit) (json.RawMessage, *fault.Error, error) {
	runner, ok := s.p.tasks.RunnerFor(u.Kind)
	if !ok || u.Kind != run.Kind {
		return nil, nil, fault.New(fault.Invalid, "%s was a %s and is a %s", run.Unit, run.Kind, u.Kind).WithHint("play the run on code that has the same unit")
	}
	t := newTape(s, run, u)
	input, err := runner.Check(u, run.Input, "")
	if err != nil {
		f, _ := fault.As(err)
		t.differ(1, "accepted", "input "+clip(string(run.Input)), "refused: "+face(f, err))
		return nil, nil, errOver
	}
	if err := t.called(ctx); err != nil {
		return nil, nil, err
	}
	out, err := runner.Run(ctx, task.Job{Run: run.ID, Unit: u, Input: input, Child: run.Parent != "", Emit: t.emit, Invoke: t.invoke, Tape: t})
	return t.end(ctx, out.Output, err)
}

func (s *session) find(id task.ID) *task.RecordedRun {
	for i := range s.rec.Runs {
		if s.rec.Runs[i].ID == id {
			return &s.rec.Runs[i]
		}
	}
	return nil
}

// over says whether the answer is known already.
func (s *session) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.diverged != nil || s.denied != ""
}

// within says whether a moment belongs to what is played.
func (s *session) within(nano int64) bool { return s.until == 0 || nano <= s.until }

func (s *session) deny(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.diverged == nil && s.denied == "" {
		s.denied = clip(what)
		s.stop(errOver)
	}
	return errOver
}

func face(f *fault.Error, err error) string {
	if f == nil {
		return err.Error()
	}
	return string(f.Code) + ": " + f.Message
}
