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
	// Sealed: a replay; the record answers and nothing else does.
	Sealed bool

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

// line is one execution's stream, for many writers; when quiltd is replaced it
// has another one.
type line struct {
	mu     sync.Mutex
	stream quiltv1.QuiltService_ExecuteClient
	acked  uint64
}

// open gives the line a stream and says the first messages. With a journal, a
// stream that goes on hears again what is durable.
func (l *line) open(stream quiltv1.QuiltService_ExecuteClient, first []*quiltv1.ExecuteRequest, journal bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stream = stream
	for _, m := range first {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	if !journal {
		return stream.CloseSend()
	}
	if l.acked > 0 {
		return stream.Send(&quiltv1.ExecuteRequest{Ack: l.acked})
	}
	return nil
}

func (l *line) send(m *quiltv1.ExecuteRequest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked = max(l.acked, m.Ack)
	_ = l.stream.Send(m) // Recv says what is wrong
}

// messages are the request and the recorded effects, as many as they take.
func (r Request) messages() []*quiltv1.ExecuteRequest {
	m := r.wire()
	all := []*quiltv1.ExecuteRequest{m}
	if r.Journal == nil {
		return all
	}
	j := &quiltv1.Journal{Key: r.Journal.Key, ClockUnixMs: r.Journal.Clock.UnixMilli(), Seed: r.Journal.Seed, Sealed: r.Journal.Sealed}
	m.Journal = j
	size := 0
	for _, e := range r.Journal.Past {
		if size += len(e.Value) + 200; size > maxPast && len(j.Effects) > 0 {
			j.More = true
			j, size = &quiltv1.Journal{}, len(e.Value)
			all = append(all, &quiltv1.ExecuteRequest{Journal: j})
		}
		j.Effects = append(j.Effects, e.wire())
	}
	return all
}

// take handles what a journal is for; ok is false for other messages.
func (l *line) take(j *Journal, m *quiltv1.ExecuteResponse) (ok bool, err error) {
	switch e := m.Event.(type) {
	case *quiltv1.ExecuteResponse_Effect:
		if j == nil {
			return true, fmt.Errorf("quiltd sent an effect nobody asked for")
		}
		seq := e.Effect.Seq
		return true, j.Record(effect(e.Effect), func() { l.send(&quiltv1.ExecuteRequest{Ack: seq}) })
	case *quiltv1.ExecuteResponse_Ask:
		if j == nil {
			return true, fmt.Errorf("quiltd asked something nobody listens for")
		}
		id := e.Ask.Id
		j.Ask(Ask{ID: id, Op: e.Ask.Op, Args: e.Ask.Args,
			Done: func(value json.RawMessage, err error) {
				l.send(&quiltv1.ExecuteRequest{Answer: &quiltv1.Answer{Id: id, Value: value, Error: wireError(err)}})
			},
			Park: func() { l.send(&quiltv1.ExecuteRequest{Answer: &quiltv1.Answer{Id: id, Waiting: true}}) },
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
