package tokenapi

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// Journal makes an execution one that can be taken up again: what executions
// before it recorded, and where its own effects and questions go.
type Journal struct {
	Key   string    // beginning of its calls' idempotency keys
	Clock time.Time // what the unit's clock shows first
	Seed  []byte    // 32 bytes
	Past  []Effect  // in order

	// Record takes the next effect, in order. durable is to be called once it is
	// on disk; an error ends the execution.
	Record func(e Effect, durable func()) error
	// Ask takes a call that only ariad can answer. It returns at once.
	Ask func(Ask)
}

// Effect is one call of a unit with the answer it learned, or, with Intent, the
// announcement of a call that cannot be made twice.
type Effect struct {
	Seq    uint64
	ID     int64
	Op     string
	Args   []byte // the first 16 bytes of the sha256 of its arguments
	Text   string // the arguments for people, clipped
	Intent bool
	Value  json.RawMessage // unless Error
	Error  *fault.Error
	Clock  time.Time
}

// Ask is a call that ariad answers, by Done once, at any time, and before it
// with Park if that will take long. Both may be called when the execution is
// over, to no effect.
type Ask struct {
	ID   int64
	Op   string
	Args json.RawMessage
	Done func(value json.RawMessage, err error)
	Park func()
}

// maxPast bounds the recorded effects in one message, in bytes.
const maxPast = 4 << 20

// line is one execution's stream, for many writers.
type line struct {
	mu     sync.Mutex
	stream quiltv1.QuiltService_ExecuteClient
}

func (l *line) send(m *quiltv1.ExecuteRequest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stream.Send(m)
}

// open sends the request and the recorded effects, over as many messages as
// they take.
func (l *line) open(r Request) error {
	m := r.wire()
	if r.Journal == nil {
		if err := l.send(m); err != nil {
			return err
		}
		return l.stream.CloseSend()
	}
	j := &quiltv1.Journal{Key: r.Journal.Key, ClockUnixMs: r.Journal.Clock.UnixMilli(), Seed: r.Journal.Seed}
	m.Journal = j
	size := 0
	for _, e := range r.Journal.Past {
		if size += len(e.Value) + 200; size > maxPast && len(j.Effects) > 0 {
			j.More = true
			if err := l.send(m); err != nil {
				return err
			}
			j, size = &quiltv1.Journal{}, len(e.Value)
			m = &quiltv1.ExecuteRequest{Journal: j}
		}
		j.Effects = append(j.Effects, e.wire())
	}
	return l.send(m)
}

// take handles what a journal is for; ok is false for other messages.
func (l *line) take(j *Journal, m *quiltv1.ExecuteResponse) (ok bool, err error) {
	switch e := m.Event.(type) {
	case *quiltv1.ExecuteResponse_Effect:
		if j == nil {
			return true, fmt.Errorf("quiltd sent an effect nobody asked for")
		}
		seq := e.Effect.Seq
		return true, j.Record(effect(e.Effect), func() { _ = l.send(&quiltv1.ExecuteRequest{Ack: seq}) })
	case *quiltv1.ExecuteResponse_Ask:
		if j == nil {
			return true, fmt.Errorf("quiltd asked something nobody listens for")
		}
		id := e.Ask.Id
		j.Ask(Ask{ID: id, Op: e.Ask.Op, Args: e.Ask.Args,
			Done: func(value json.RawMessage, err error) {
				_ = l.send(&quiltv1.ExecuteRequest{Answer: &quiltv1.Answer{Id: id, Value: value, Error: wireError(err)}})
			},
			Park: func() { _ = l.send(&quiltv1.ExecuteRequest{Answer: &quiltv1.Answer{Id: id, Waiting: true}}) },
		})
		return true, nil
	}
	return false, nil
}

func (e Effect) wire() *quiltv1.Effect {
	out := &quiltv1.Effect{Seq: e.Seq, Id: e.ID, Op: e.Op, Args: e.Args, Text: e.Text, Intent: e.Intent, Value: e.Value,
		ClockUnixMs: e.Clock.UnixMilli()}
	if e.Error != nil {
		out.Error = wireError(e.Error)
	}
	return out
}

func effect(e *quiltv1.Effect) Effect {
	out := Effect{Seq: e.Seq, ID: e.Id, Op: e.Op, Args: e.Args, Text: e.Text, Intent: e.Intent, Value: e.Value,
		Clock: time.UnixMilli(e.ClockUnixMs)}
	if e.Error != nil {
		out.Error = face(e.Error)
	}
	return out
}

func wireError(err error) *quiltv1.Error {
	if err == nil {
		return nil
	}
	f, ok := fault.As(err)
	if !ok {
		f = fault.New(fault.Internal, "internal error in ariad").WithHint("see the log of ariad")
	}
	return &quiltv1.Error{Code: string(f.Code), Message: f.Message, Hint: f.Hint}
}
