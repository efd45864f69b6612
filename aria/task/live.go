package task

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
)

// live is a run that has not ended, or whose end could not be written.
type live struct {
	unit     registry.Unit
	parent   *live
	root     ID // the run at the top, for fairness
	depth    int
	callID   string
	missed   string    // the version its caller was built with, if this is another
	origin   string    // what triggered it, for people
	deadline time.Time // zero: none
	ctx      context.Context
	cancel   context.CancelCauseFunc
	done     chan struct{} // closed when the end can be read, or nobody drives it any more
	slot     *queue        // nil: it needs none
	hasSlot  bool
	session  string // the one it is a turn of; "": none
	talk     *place // in the lane of its session; these three are guarded by lanes.mu
	place    *place // in that of its unit
	entered  bool   // it has come to the lane of its unit, if there is one
	resumed  bool   // another process drove it before

	parkMu         sync.Mutex // before mu; guards these and hasSlot
	pieces, parked int        // of the run: those that go on by themselves, and of them those that wait
	waits, hadSlot bool
	counted        bool // as a waiting piece of its parent

	mu       sync.Mutex
	run      Run
	next     uint64        // sequence number of the last event given out
	waiting  int           // events given out and not yet on disk
	tail     []Event       // the latest events on disk
	bytes    int           // of tail
	changed  chan struct{} // closed and made anew when anything below mu changes
	broken   error         // the journal refused an event: no more are written
	end      *Run          // how it ends; shown from the moment that "ended" is
	finished bool
	lining   bool                       // it stands in the line for a slot
	kids     []*live                    // what it called; some may be over
	recorded int                        // effects and marks, in this process
	marks    map[string]json.RawMessage // of this process
	waiters  map[string]chan Answer
}

func newLive() *live {
	return &live{done: make(chan struct{}), changed: make(chan struct{}), marks: map[string]json.RawMessage{}, pieces: 1,
		waiters: map[string]chan Answer{}}
}

const (
	tailEvents = 512
	tailBytes  = 256 << 10
	// maxWaiting holds back a unit that logs faster than the disk takes it.
	maxWaiting = 256
)

// emit journals one event. It returns before the event is on disk, but holds a
// fast talker back; an error means that the journal cannot be written.
func (t *Tasks) emit(l *live, kind string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("event %s: %w", kind, err)
	}
	l.mu.Lock()
	for l.waiting >= maxWaiting && l.broken == nil {
		ch := l.changed
		l.mu.Unlock()
		<-ch
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	if l.broken != nil {
		return unwritable(l.broken)
	}
	t.append(l, kind, raw, nil)
	return nil
}

// append gives out the next event and queues its write, with one more write in
// the same transaction if there is one. l.mu is held.
func (t *Tasks) append(l *live, kind string, data json.RawMessage, also func(*sql.Tx) error) {
	l.next++
	l.waiting++
	ev := Event{Run: l.run.ID, Seq: l.next, Time: time.Now(), Kind: kind, Data: data}
	t.journal.add(op{
		do: func(tx *sql.Tx) error {
			if err := l.problem(); err != nil {
				return err // an event is missing before this one: a gap would be a lie
			}
			if err := insertEvent(tx, ev); err != nil {
				return err
			}
			if also != nil {
				return also(tx)
			}
			return nil
		},
		done: func(err error) {
			l.written(ev, err)
			if err == nil {
				t.told.tell(&l.run, ev)
			}
		},
	})
}

func (l *live) problem() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// written is told by the journal what became of an event.
func (l *live) written(ev Event, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting--
	if err != nil && l.broken == nil {
		l.broken = err
		l.cancel(unwritable(err))
	}
	if err == nil {
		l.keep(ev)
	}
	l.notify()
}

// keep puts an event that can be shown at the end of the tail. l.mu is held.
func (l *live) keep(ev Event) {
	l.tail = append(l.tail, ev)
	l.bytes += len(ev.Data)
	if ev.Kind == "ended" && l.end != nil {
		// Whoever sees the event may ask for the run at once.
		start := l.run.Start
		l.run, l.finished = *l.end, true
		l.run.Start = start
	}
	l.run.LastSeq = ev.Seq
	if ev.Kind == "started" && l.run.Start.How == "" {
		_ = json.Unmarshal(ev.Data, &l.run.Start) // that of an agent has no start
	}
	for len(l.tail) > tailEvents || l.bytes > tailBytes && len(l.tail) > 1 {
		l.bytes -= len(l.tail[0].Data)
		l.tail = l.tail[1:]
	}
}

func (l *live) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// called notes what a run has called.
func (l *live) called(kid *live) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kids = append(l.kids, kid); len(l.kids)%64 == 0 {
		l.kids = slices.DeleteFunc(l.kids, (*live).isDone)
	}
}

// calls are those that are not over, in the order in which they were made.
func (l *live) calls() []*live {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.kids), (*live).isDone)
}

func (l *live) isDone() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// over: everybody can see the end.
func (l *live) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.finished
}

func (l *live) snapshot() Run {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.run
}
