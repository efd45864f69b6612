// Package task gives every request a run: an id, a journal of events on disk and
// a state, pending → running (⇄ waiting) → done | failed | cancelled. It dispatches on the
// unit's kind to runners that are handed in, hands them a way to invoke other
// units as child runs, and lets anybody follow a run from any event on. It knows
// no model, no container and no wire format.
//
// What has been answered or shown is on disk first: Start returns after the run
// and its "accepted" event are durable, and a watcher sees an event only after
// its commit. The kinds of events are closed: docs/spec/events.md.
//
// Locks: Tasks.mu, then live.mu, then journal.mu. The journal's callbacks take
// live.mu and hold nothing else.
package task

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// ID names a run: "run_" and 26 letters and digits, which sort by time.
type ID string

// State of a run.
type State string

const (
	Pending   State = "pending" // waits for a slot
	Running   State = "running"
	Waiting   State = "waiting" // for a person or a moment; nothing of it runs
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Ended says whether nothing more will happen.
func (s State) Ended() bool { return s == Done || s == Failed || s == Cancelled }

// Run is one task's journaled life.
type Run struct {
	ID      ID
	Unit    string
	Kind    bundle.Kind
	Bundle  bundle.Digest
	State   State
	Input   json.RawMessage
	Output  json.RawMessage // when done
	Error   *fault.Error    // when failed or cancelled
	Parent  ID              // the run that called it, or ""
	Created time.Time
	Ended   time.Time // zero until then
	LastSeq uint64
	Start   Start // of its first container; zero: it has had none
}

// Start is how a container began, as the event "started" says.
type Start struct {
	How    string `json:"start"`   // cold | pooled | warm
	TookUS int64  `json:"took_us"` // until it was ready
}

// Event is one thing that happened to a run. Seq counts 1, 2, 3 … without gaps.
type Event struct {
	Run  ID
	Seq  uint64
	Time time.Time
	Kind string
	Data json.RawMessage // a JSON object
}

// Invoke runs a unit as a child run and waits for it. ref is a bare name of the
// caller's own bundle or any reference that the registry knows; callID is the
// caller's name for the call, and appears in the child's "accepted" event. It is
// unique in the run and the same when the run is taken up again: the same call
// then is the same child, whatever has become of it.
type Invoke func(ctx context.Context, ref string, input json.RawMessage, callID string) (json.RawMessage, error)

// Outcome is what a run that went well came to.
type Outcome struct {
	Output json.RawMessage
	Usage  any // goes into the "ended" event as it is; may be nil
	// Stopped is how code ended that was told to end: "itself" or "killed"; "": none was.
	Stopped string
}

// Runner does the work of one kind of unit.
type Runner interface {
	// Check completes and checks an input before anything starts. Exactly one of
	// input and words may be set; none stands for {}.
	Check(u registry.Unit, input json.RawMessage, words string) (json.RawMessage, error)
	// Run does the work. When ctx ends, it must end too.
	Run(ctx context.Context, job Job) (Outcome, error)
}

var idCoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// last is the newest id of this process, as its 16 bytes: 6 of milliseconds, 10
// that are random.
var last struct {
	sync.Mutex
	ms     uint64
	random [10]byte
}

// newID is greater than every id before it, in the same millisecond too and when
// the clock goes back: runs are taken up again in the order of their ids.
func newID(now time.Time) ID {
	last.Lock()
	defer last.Unlock()
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails
	if ms := uint64(now.UnixMilli()); ms > last.ms {
		last.ms, last.random = ms, random
	} else if !add(&last.random, binary.BigEndian.Uint32(random[:])) {
		last.ms++
	}
	return makeID(last.ms, last.random)
}

func makeID(ms uint64, random [10]byte) ID {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], ms<<16)
	copy(b[6:], random[:])
	return ID("run_" + idCoding.EncodeToString(b[:]))
}

// add adds n and 1 to a number, or says that it has come round.
func add(number *[10]byte, n uint32) bool {
	low := binary.BigEndian.Uint64(number[2:])
	sum := low + uint64(n) + 1
	binary.BigEndian.PutUint64(number[2:], sum)
	if sum > low {
		return true
	}
	high := binary.BigEndian.Uint16(number[:]) + 1
	binary.BigEndian.PutUint16(number[:], high)
	return high != 0
}

// valid keeps foreign text out of queries and messages.
func (id ID) valid() bool {
	s, ok := strings.CutPrefix(string(id), "run_")
	return ok && len(s) == 26 && strings.Trim(s, "0123456789abcdefghjkmnpqrstvwxyz") == ""
}
