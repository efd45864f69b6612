package task

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// lanes hold runs of units that bound how many of them go on at once, by unit and
// the value of their key, and the turns of each session, of which one goes on at a
// time. Who holds a place and who waits follows from the runs that are open, so a
// restart loses nothing.
//
// A run comes to the lane of its unit when it has its place in that of its session:
// so whoever waits for a session keeps nobody else from the unit.
type lanes struct {
	mu  sync.Mutex
	all map[string]*lane
}

type lane struct {
	name string
	of   string // for people: `orders#refund with "A-17"`
	max  int
	in   []*live  // that hold a place, oldest first
	line []waiter // that wait for one
}

type waiter struct {
	*live
	place *place
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

// session is the lane of a run that is a turn of one, or nil. mu is held.
func (s *lanes) session(l *live) *lane {
	if l.session == "" {
		return nil
	}
	of := l.unit.Bundle + "#" + l.unit.Name
	name := "session\x00" + of + "\x00" + l.session
	x := s.all[name]
	if x == nil {
		x = &lane{name: name, of: fmt.Sprintf("session %q of %s", clip(l.session, 60), of), max: 1}
		s.all[name] = x
	}
	return x
}

// enter gives a run its place, or one in the line; or it is refused. Faults:
// Conflict, Deadlock.
func (s *lanes) enter(l *live) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.session(l); x != nil {
		if l.talk = x.join(l); !l.talk.had {
			return nil
		}
	}
	err := s.enterUnit(l)
	if err != nil {
		s.leaveOf(l, &l.talk)
	}
	return err
}

// goOn is for a run that has waited for its session.
func (s *lanes) goOn(l *live) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.entered || l.talk == nil {
		return nil
	}
	return s.enterUnit(l)
}

func (x *lane) join(l *live) *place {
	p := &place{lane: x, ready: make(chan struct{})}
	x.line = append(x.line, waiter{l, p})
	x.serve()
	return p
}

// enterUnit is enter for the lane of the unit. mu is held.
func (s *lanes) enterUnit(l *live) error {
	x := s.lane(l)
	l.entered = true
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
			old := slices.Clone(x.in)
			for _, w := range x.line {
				old = append(old, w.live)
			}
			for _, v := range old[:over] {
				v.cancel(fault.New(fault.Cancelled, "%s took its place", l.run.ID).WithHint("the unit says: concurrency, then cancel-old"))
			}
		}
	}
	l.place = x.join(l)
	return nil
}

// rejoin gives a run that another process left open the places it had.
func (s *lanes) rejoin(l *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waits := l.run.State == Pending
	if x := s.session(l); x != nil && l.talk == nil {
		if l.talk = x.again(l, waits); !l.talk.had {
			return
		}
	}
	if l.entered = true; l.place == nil {
		if x := s.lane(l); x != nil {
			l.place = x.again(l, waits)
		}
	}
}

// again is join for a run that was here before.
func (x *lane) again(l *live, waits bool) *place {
	if waits {
		return x.join(l)
	}
	p := &place{lane: x, ready: make(chan struct{}), had: true}
	close(p.ready)
	x.in = append(x.in, l)
	return p
}

func (x *lane) serve() {
	for len(x.in) < x.max && len(x.line) > 0 {
		w := x.line[0]
		x.line = x.line[1:]
		x.in = append(x.in, w.live)
		w.place.had = true
		close(w.place.ready)
	}
}

// leave gives the places to the next.
func (s *lanes) leave(l *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaveOf(l, &l.place)
	s.leaveOf(l, &l.talk)
}

func (s *lanes) leaveOf(l *live, p **place) {
	if *p == nil {
		return
	}
	x := (*p).lane
	x.in = slices.DeleteFunc(x.in, func(o *live) bool { return o == l })
	x.line = slices.DeleteFunc(x.line, func(w waiter) bool { return w.live == l })
	*p = nil
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
				if !seen[other] && slices.ContainsFunc(other.line, func(w waiter) bool { return below(w.live, holder) }) {
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

// holds says whether a run has its places, or needs none.
func (s *lanes) holds(l *live) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.entered && l.lacks() == nil
}

// lacks is the place that a run has not got yet. The lanes' mu is held.
func (l *live) lacks() *place {
	for _, p := range []*place{l.talk, l.place} {
		if p != nil && !p.had {
			return p
		}
	}
	return nil
}

// ahead are the runs that must end before l has its place, and what it is for.
func (s *lanes) ahead(l *live) (of string, holders []ID, position int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := l.lacks()
	if p == nil {
		return "", nil, 0
	}
	for _, h := range p.lane.in {
		holders = append(holders, h.run.ID)
	}
	return p.lane.of, holders, slices.IndexFunc(p.lane.line, func(w waiter) bool { return w.live == l }) + 1
}

// turn waits for a run's places: in its session, then in its unit.
func (t *Tasks) turn(ctx context.Context, l *live) error {
	if err := t.await(ctx, l); err != nil {
		return err
	}
	if err := t.lanes.goOn(l); err != nil {
		return err
	}
	return t.await(ctx, l)
}

func (t *Tasks) await(ctx context.Context, l *live) error {
	of, holders, position := t.lanes.ahead(l)
	t.lanes.mu.Lock()
	p := l.lacks()
	t.lanes.mu.Unlock()
	if p == nil {
		return nil
	}
	if of != "" {
		_ = t.emit(l, "queued", map[string]any{"for": "turn", "of": of, "held_by": holders, "position": position})
	}
	select {
	case <-p.ready: // also when who had it was told to stop with l: then l is not to begin
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
