package engine

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// Event is one thing that happened; exactly one pointer is set, or Result.
type Event struct {
	Time    time.Time
	Queued  *Queued
	Started *Started
	Log     *broker.Entry
	Result  json.RawMessage
	Ended   *Ended
	Effect  *broker.Effect // with a journal: to be made durable
	Ask     *broker.Ask    // with a journal: to be answered
}

// Queued says that the lease could not be had at once.
type Queued struct {
	WaitsFor []string // tokens
	HeldBy   []string // executions
	Position int
}

// Started says that the harness is up.
type Started struct {
	Start     string        // "cold" or "pooled"
	Took      time.Duration // from grant to ready
	Waited    time.Duration // for the lease
	Lease     string
	Fence     uint64
	Isolation string
	Image     string
}

// Reason is how an execution ended, from a closed list.
type Reason string

const (
	Done     Reason = "done"
	Error    Reason = "error"    // the unit threw
	Timeout  Reason = "timeout"  // wall clock, start-up, or waiting for tokens
	OOM      Reason = "oom"      // memory limit
	Pids     Reason = "pids"     // process limit
	CPU      Reason = "cpu"      // processor time limit
	Killed   Reason = "killed"   // somebody stopped it
	Denied   Reason = "denied"   // it asked for what it does not hold
	Deadlock Reason = "deadlock" // its request would have closed a cycle
	Output   Reason = "output"   // its result is too large
	Crash    Reason = "crash"    // it went away without a result
	Protocol Reason = "protocol" // it broke the harness protocol
	Internal Reason = "internal" // ours
	// Diverged and Suspended are those of executions with a journal.
	Diverged  Reason = "diverged"  // it did not do what was recorded
	Suspended Reason = "suspended" // it waits for nothing but what its caller parked
)

// Ended is the last event.
type Ended struct {
	Reason Reason
	Fault  *fault.Error   // nil when done
	Thrown *broker.Thrown // what the unit threw, if it did
	Usage  Usage
}

// Usage is what an execution took.
type Usage struct {
	Wall       time.Duration // from grant to end
	CPU        time.Duration
	PeakMemory int64
	Calls      int64 // to the broker
}

// outbox passes events on to a reader that may be slow, without ever holding up
// the writer. It is not bounded by itself: everything that goes in is bounded by
// the execution's log and result limits.
type outbox struct {
	emit func(Event) error
	fail func()
	done chan struct{}
	wake chan struct{} // one element

	mu     sync.Mutex
	queue  []Event
	closed bool
}

func newOutbox(emit func(Event) error, fail func()) *outbox {
	o := &outbox{emit: emit, fail: fail, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go o.run()
	return o
}

func (o *outbox) put(e Event) {
	o.mu.Lock()
	o.queue = append(o.queue, e)
	o.mu.Unlock()
	o.poke()
}

// close returns when everything has been passed on, or the reader is gone.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.poke()
	<-o.done
}

func (o *outbox) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) run() {
	defer close(o.done)
	broken := false
	for range o.wake {
		o.mu.Lock()
		batch, closed := o.queue, o.closed
		o.queue = nil
		o.mu.Unlock()
		for _, e := range batch {
			if broken {
				break
			}
			if err := o.emit(e); err != nil {
				broken = true
				o.fail()
			}
		}
		if closed {
			return
		}
	}
}
