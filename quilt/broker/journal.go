package broker

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Nature says what may happen when a call is made again because a crash came
// before its answer was durable.
type Nature int

const (
	// Once: making it again could do it twice, and nobody can tell whether it was
	// done. It is announced durably before it is made; one that was announced and
	// not answered fails with code "uncertain".
	Once Nature = iota
	// Keyed: the service does it once per Call.Key and answers the same again.
	Keyed
	// Read: it changes nothing.
	Read
	// Paid changes nothing either, but costs money each time: it is announced
	// durably before it is made, so that what a crash cut is not lost from a bill.
	Paid
)

// Natures of a service's operations by name; what is not there is Once.
type Natures map[string]Nature

// Of is the nature of op, whatever its arguments.
func (n Natures) Of(op string, _ json.RawMessage) Nature { return n[op] }

// Effect is one call of a unit with the answer that the unit learned, or the
// announcement of a call that cannot be made twice.
type Effect struct {
	Seq    uint64 // 1, 2, 3 … in the order in which the unit learned
	ID     int64  // of the call
	Op     string
	Args   []byte // the first 16 bytes of the sha256 of its arguments
	Text   string // the arguments for people, clipped
	Intent bool
	Value  json.RawMessage // unless Fault
	Fault  *fault.Error
	Clock  time.Time // the unit's clock from here on
}

// Ask is a call that only the caller of the execution can answer.
type Ask struct {
	ID   int64
	Op   string
	Args json.RawMessage
}

// Journal is the caller's side of a durable execution: what earlier executions
// recorded, and what comes in while this one goes on. Its methods may be called
// concurrently.
type Journal struct {
	Key   string    // beginning of the calls' idempotency keys
	Clock time.Time // what the unit's clock shows first
	Seed  []byte    // of the unit's randomness
	Past  []Effect  // in order
	// Sealed: the record answers and nothing else does; a call that it does not
	// hold ends the session as diverged.
	Sealed bool

	// Effect and Ask tell the caller, in order, and return at once.
	Effect func(Effect) `json:"-"`
	Ask    func(Ask)    `json:"-"`

	mu      sync.Mutex
	acked   uint64
	answers map[int64]answer
	parked  map[int64]bool
	changed chan struct{}
	notify  func() // something was parked
}

type answer struct {
	value json.RawMessage
	err   error
}

// Ack says that every effect up to seq is durable.
func (j *Journal) Ack(seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.acked = max(j.acked, seq)
	j.wake()
}

// Answer settles an Ask.
func (j *Journal) Answer(id int64, value json.RawMessage, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.answers == nil {
		j.answers = map[int64]answer{}
	}
	j.answers[id] = answer{value, err}
	delete(j.parked, id)
	j.wake()
}

// Park says that an Ask will not be answered for long.
func (j *Journal) Park(id int64) {
	j.mu.Lock()
	if j.parked == nil {
		j.parked = map[int64]bool{}
	}
	if _, done := j.answers[id]; !done {
		j.parked[id] = true
	}
	notify := j.notify
	j.mu.Unlock()
	if notify != nil {
		notify()
	}
}

func (j *Journal) wake() {
	if j.changed != nil {
		close(j.changed)
	}
	j.changed = make(chan struct{})
}

// wait returns when ready, which is called with mu held, says so.
func (j *Journal) wait(ctx context.Context, ready func() bool) error {
	for {
		j.mu.Lock()
		if ready() {
			j.mu.Unlock()
			return nil
		}
		if j.changed == nil {
			j.changed = make(chan struct{})
		}
		changed := j.changed
		j.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (j *Journal) durable(ctx context.Context, seq uint64) error {
	return j.wait(ctx, func() bool { return j.acked >= seq })
}

func (j *Journal) ask(ctx context.Context, a Ask) (json.RawMessage, error) {
	j.Ask(a)
	var got answer
	err := j.wait(ctx, func() (ok bool) {
		if got, ok = j.answers[a.ID]; ok {
			delete(j.answers, a.ID)
		}
		return ok
	})
	if err != nil {
		return nil, err
	}
	return got.value, got.err
}

func (j *Journal) isParked(id int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.parked[id]
}
