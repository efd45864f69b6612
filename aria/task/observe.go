package task

import (
	"context"
	"sync"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Told is an event with what is known of its run.
type Told struct {
	Event
	Unit   string
	Kind   string // of the unit: tool, agent, team, pipeline
	Parent ID
}

// observers hear of every event of every run once it is on disk, in the order of
// the journal.
type observers struct {
	mu    sync.Mutex
	fixed []func(Told)
	tails map[*tail]bool
}

// tail is one reader of everything; lost says that it did not keep up.
type tail struct {
	unit  string
	queue chan Told
	lost  bool // guarded by observers.mu
}

// maxBehind is how many events a tail may be behind.
const maxBehind = 4096

// Observe has fn told of every event from here on. It is called from the
// journal, so it must not wait for anything. Call it before Recover.
func (t *Tasks) Observe(fn func(Told)) {
	t.told.mu.Lock()
	defer t.told.mu.Unlock()
	t.told.fixed = append(t.told.fixed, fn)
}

func (o *observers) tell(r *Run, ev Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.fixed)+len(o.tails) == 0 {
		return
	}
	x := Told{ev, r.Unit, string(r.Kind), r.Parent}
	for _, fn := range o.fixed {
		fn(x)
	}
	for t := range o.tails {
		if t.unit != "" && t.unit != r.Unit {
			continue
		}
		select {
		case t.queue <- x:
		default:
			t.lost = true
			delete(o.tails, t)
			close(t.queue)
		}
	}
}

// Tail hands over the events of all runs from here on, or of those of one unit,
// until ctx ends or emit fails. Who does not keep up is cut with Exhausted.
func (t *Tasks) Tail(ctx context.Context, unit string, emit func(Told) error) error {
	x := &tail{unit: unit, queue: make(chan Told, maxBehind)}
	t.told.mu.Lock()
	if t.told.tails == nil {
		t.told.tails = map[*tail]bool{}
	}
	t.told.tails[x] = true
	t.told.mu.Unlock()
	defer func() {
		t.told.mu.Lock()
		delete(t.told.tails, x)
		t.told.mu.Unlock()
	}()
	for {
		select {
		case ev, ok := <-x.queue:
			if !ok {
				return fault.New(fault.Exhausted, "this reader was %d events behind and was cut", maxBehind).WithHint("read faster, or tail one unit or run")
			}
			if err := emit(ev); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
