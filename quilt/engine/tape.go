package engine

import (
	"context"
	"errors"
	"sync"
)

// tape holds what happened to one execution, in order, and passes it on to a
// reader that may be slow without ever holding up the writer. It is kept until
// the end, for a reader who lost quiltd in the middle and asks again; what goes
// in is bounded by the execution's log and result limits.
type tape struct {
	mu     sync.Mutex // guards the rest
	events []Event
	state  tapeState
	more   chan struct{} // closed at the next change
}

type tapeState int

const (
	recording tapeState = iota
	finished            // no more will come
	moved               // more will come, from another quiltd
)

var (
	// errMoved says that the execution goes on in another quiltd.
	errMoved = errors.New("the execution moves to another quiltd")
)

func newTape(events []Event) *tape { return &tape{events: events, more: make(chan struct{})} }

func (t *tape) put(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.Seq = uint64(len(t.events)) + 1
	t.events = append(t.events, e)
	t.changed()
}

// close says that no more will be put.
func (t *tape) close(s tapeState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = s
	t.changed()
}

// changed wakes the readers. The caller holds mu.
func (t *tape) changed() {
	close(t.more)
	t.more = make(chan struct{})
}

// all is everything so far.
func (t *tape) all() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.events[:len(t.events):len(t.events)]
}

// follow passes on everything after seq until the tape is closed: nil, or
// errMoved. Else the error is emit's, or the cause of ctx.
func (t *tape) follow(ctx context.Context, seq uint64, emit func(Event) error) error {
	for {
		t.mu.Lock()
		batch, state, more := t.events[min(seq, uint64(len(t.events))):], t.state, t.more
		t.mu.Unlock()
		for _, e := range batch {
			if err := emit(e); err != nil {
				return err
			}
			seq = e.Seq
		}
		switch {
		case len(batch) > 0: // there may be more by now
			continue
		case state == finished:
			return nil
		case state == moved:
			return errMoved
		}
		select {
		case <-more:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
