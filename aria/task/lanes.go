package task

import (
	"context"
	"slices"
	"sync"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// lanes hold runs of units that bound how many of them go on at once, by unit and
// the value of their key. Who holds a place and who waits follows from the runs
// that are open, so a restart loses nothing.
type lanes struct {
	mu  sync.Mutex
	all map[string]*lane
}

type lane struct {
	name string
	of   string // for people: `orders#refund with "A-17"`
	max  int
	in   []*live // that hold a place, oldest first
	line []*live // that wait for one
}

// place is a run's in a lane; ready is closed when it has it.
type place struct {
	lane  *lane
	ready chan struct{}
	had   bool
}

func newLanes() *lanes { return &lanes{all: map[string]*lane{}} }

// lane of a run, or nil. mu is held.
func (s *lanes) lane(l *live) *lane {
	c := l.unit.Concurrency
	if c == nil {
		return nil
	}
	value := c.Of(l.run.Input)
	of := l.unit.Bundle + "#" + l.unit.Name
	name := of + "\x00" + value
	if value != "" {
		of += " with " + clip(value, 60)
	}
	x := s.all[name]
	if x == nil {
		x = &lane{name: name, of: of}
		s.all[name] = x
	}
	x.max = c.Max // the newest version's word holds
	return x
}

// enter gives a run its place, or one in the line; or it is refused. Faults:
// Conflict, Deadlock.
func (s *lanes) enter(l *live) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.lane(l)
	if x == nil {
		return nil
	}
	over := len(x.in) + len(x.line) + 1 - x.max
	if over > 0 {
		if l.unit.Concurrency.Then == bundle.ThenRefuse {
			return fault.New(fault.Conflict, "%s runs already: %s", x.of, x.in[0].run.ID).
				WithHint("wait for it, or: arc cancel %s", x.in[0].run.ID)
		}
		if via := s.circle(l, x); via != "" {
			return fault.New(fault.Deadlock, "%s cannot get its turn: it would wait for %s, which waits for it", x.of, via).
				WithHint("a unit with a concurrency of %d cannot be called from within its own run", x.max)
		}
		if l.unit.Concurrency.Then == bundle.ThenOld {
			old := slices.Concat(x.in, x.line)
			for _, v := range old[:over] {
				v.cancel(fault.New(fault.Cancelled, "%s took its place", l.run.ID).WithHint("the unit says: concurrency, then cancel-old"))
			}
		}
	}
	l.place = &place{lane: x, ready: make(chan struct{})}
	x.line = append(x.line, l)
	x.serve()
	return nil
}

// rejoin gives a run that another process left open the place it had.
func (s *lanes) rejoin(l *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.lane(l)
	if x == nil || l.place != nil {
		return
	}
	l.place = &place{lane: x, ready: make(chan struct{})}
	if l.run.State == Pending {
		x.line = append(x.line, l)
		x.serve()
		return
	}
	x.in = append(x.in, l)
	l.place.had = true
	close(l.place.ready)
}

func (x *lane) serve() {
	for len(x.in) < x.max && len(x.line) > 0 {
		l := x.line[0]
		x.line = x.line[1:]
		x.in = append(x.in, l)
		l.place.had = true
		close(l.place.ready)
	}
}

// leave gives the place to the next.
func (s *lanes) leave(l *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.place == nil {
		return
	}
	x := l.place.lane
	is := func(o *live) bool { return o == l }
	x.in, x.line = slices.DeleteFunc(x.in, is), slices.DeleteFunc(x.line, is)
	l.place = nil
	if x.serve(); len(x.in)+len(x.line) == 0 {
		delete(s.all, x.name)
	}
}

// circle is a run in whose way l would wait for itself: l may wait for runs that
// wait, or whose calls wait, for a place that a caller of l has. "": there is none.
func (s *lanes) circle(l *live, x *lane) ID {
	seen := map[*lane]bool{x: true}
	for todo := []*lane{x}; len(todo) > 0; todo = todo[1:] {
		for _, holder := range todo[0].in {
			if below(l, holder) {
				return holder.run.ID
			}
			for _, other := range s.all {
				if !seen[other] && slices.ContainsFunc(other.line, func(w *live) bool { return below(w, holder) }) {
					seen[other] = true
					todo = append(todo, other)
				}
			}
		}
	}
	return ""
}

// below: l is top, or top called it, directly or not.
func below(l, top *live) bool {
	for ; l != nil; l = l.parent {
		if l == top {
			return true
		}
	}
	return false
}

// holds says whether a run has its place, or needs none.
func (s *lanes) holds(l *live) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.place == nil || l.place.had
}

// ahead are the runs that must end before l has its place, and what it is for.
func (s *lanes) ahead(l *live) (of string, holders []ID, position int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.place == nil || l.place.had {
		return "", nil, 0
	}
	for _, h := range l.place.lane.in {
		holders = append(holders, h.run.ID)
	}
	return l.place.lane.of, holders, slices.Index(l.place.lane.line, l) + 1
}

// turn waits for a run's place.
func (t *Tasks) turn(ctx context.Context, l *live) error {
	of, holders, position := t.lanes.ahead(l)
	if of == "" {
		return nil
	}
	_ = t.emit(l, "queued", map[string]any{"for": "turn", "of": of, "held_by": holders, "position": position})
	t.lanes.mu.Lock()
	ready := l.place.ready
	t.lanes.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
