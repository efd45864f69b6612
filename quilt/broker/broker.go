// Package broker serves what a container can ask: the harness protocol
// (docs/spec/harness.md) over one connected socket, and the log. What an
// operation does is its service's business (quilt/kv and its neighbours). A session belongs to one execution and dies with it.
//
// Nothing from inside is believed: sizes are checked before memory is spent,
// ids and names are data, and every operation is held against the tokens of
// the execution. A breach of the protocol ends the session; what then happens
// to the container is the engine's business, and so are deadlines.
package broker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// maxInFlight bounds the calls one container has open; the next is not read
// until one is answered.
const maxInFlight = 64

// Start is the frame that says what to run.
type Start struct {
	T          string          `json:"t"`
	Execution  string          `json:"execution"`
	Unit       string          `json:"unit"`
	Files      []File          `json:"files"`
	Entry      string          `json:"entry"`
	Export     string          `json:"export"`
	Method     string          `json:"method"`
	Args       json.RawMessage `json:"args"`
	Revive     json.RawMessage `json:"revive,omitempty"`
	DeadlineMs int64           `json:"deadlineMs"`
	Clock      int64           `json:"clock,omitempty"` // Unix milliseconds; with Seed: what the unit is shown instead of the machine's
	Seed       string          `json:"seed,omitempty"`  // 64 hex digits
}

// Frame is the start frame as bytes. Fault: Invalid if it is too large.
func (st Start) Frame() ([]byte, error) {
	st.T = "start"
	frame, err := encode(st)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the code and input of %s do not fit a start frame of %d MiB", st.Unit, MaxOut>>20).
			WithHint("make the bundle smaller, or pass large inputs through kv")
	}
	return frame, nil
}

// LoadFrame is what a parked container is told that loads code before a run of
// it: the files, and which is the entry.
func LoadFrame(files []File, entry string) ([]byte, error) {
	return encode(struct {
		T     string `json:"t"`
		Files []File `json:"files"`
		Entry string `json:"entry"`
	}{"load", files, entry})
}

// File is one module of the unit.
type File struct {
	Path    string `json:"path"`
	Content string `json:"content"`
}

// Thrown is an error as the container reported it.
type Thrown struct {
	Name      string `json:"name"`
	Message   string `json:"message"`
	Stack     string `json:"stack"`
	Code      string `json:"code"`
	Hint      string `json:"hint"`
	Retryable bool   `json:"retryable"`
}

// Config of one session.
type Config struct {
	Ops         map[string]Op
	Natures     map[string]func(op string, args json.RawMessage) Nature          // by operation; nil: Once
	Essence     map[string]func(op string, args json.RawMessage) json.RawMessage // by operation; nil: the arguments
	Journal     *Journal                                                         // nil: nothing is recorded
	Execution   string
	Unit        string
	Grant       Grant
	Start       []byte // from Start.Frame
	Log         *Log
	ResultBytes int64
	Live        func(op string) bool              // see Service; nil: none is
	Repeats     func(op string) bool              // see Service; nil: none does
	Freeze      <-chan struct{}                   // closed: the session is to be carried over; nil: never
	Carry       *Carry                            // go on with a session that was
	Enter       func(ctx context.Context, c Call) // called before it goes on; nil: nothing is to be taken up
	Alone       func() bool                       // nothing is nested in it, and nothing will be from now on: it may be suspended; nil: always
	Ready       func()                            // called once, when the harness is up
	Last        func()                            // called once, when it has said how the unit ended
	Stop        *Stop                             // tells the unit to end; nil: it never is
}

// Outcome is how a session ended. At most one of Result, Thrown, Protocol and
// Oversize tells the story; none: the inside went away without a last frame.
type Outcome struct {
	Ready    bool
	Result   json.RawMessage
	Thrown   *Thrown
	Protocol error        // the inside broke the protocol
	Oversize int64        // bytes of a result that was too large
	Denied   *fault.Error // the first refusal of this kind
	Deadlock *fault.Error // the same
	Calls    int64
	Read     int64 // bytes that the inside was sent
	Written  int64 // bytes that it sent, stdout and stderr not counted
	// Diverged: the unit did not do what is recorded; says where.
	Diverged string
	// Suspended: it waits for nothing but what its caller parked.
	Suspended bool
	Frozen    *Carry // the session is to go on elsewhere; the connection is open
	// Stopped: the unit had been told to end before its last word, or before it went.
	Stopped bool
}

// session is one connection. writeMu orders frames to the inside.
type session struct {
	cfg    Config
	conn   io.ReadWriteCloser
	slots  chan struct{}
	cancel context.CancelFunc
	calls  sync.WaitGroup
	count  atomic.Int64
	left   chan struct{} // closed when the inside has gone

	writeMu sync.Mutex
	sent    int64 // bytes; guarded by writeMu
	mover   mover

	ledger *ledger // nil without a journal

	stopping *stopping

	endMu            sync.Mutex // guards the four
	denied, deadlock *fault.Error
	diverged         string
	suspended        bool
}

// diverge ends a session whose unit does not do what is recorded.
func (s *session) diverge(where string) {
	s.endMu.Lock()
	defer s.endMu.Unlock()
	if s.diverged == "" && !s.suspended {
		s.diverged = where
		s.cancel()
	}
}

// suspend ends a session that would only wait.
func (s *session) suspend() {
	s.endMu.Lock()
	defer s.endMu.Unlock()
	if s.diverged == "" {
		s.suspended = true
		s.cancel()
	}
}

// Serve speaks the protocol on conn until the inside has said its last word,
// breaks it or goes away, or ctx ends; it closes conn and returns when no
// operation is under way.
func Serve(ctx context.Context, conn io.ReadWriteCloser, cfg Config) Outcome {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &session{cfg: cfg, conn: conn, slots: make(chan struct{}, maxInFlight), left: make(chan struct{}), cancel: func() { cancel(nil) }, stopping: newStopping()}
	if cfg.Journal != nil {
		s.ledger = newLedger(s, cfg.Journal, cfg.Carry)
	}
	s.mover.conn, _ = conn.(deadliner)
	// Closing is what unblocks a read or write towards a container.
	stop := context.AfterFunc(ctx, func() {
		if context.Cause(ctx) != errMoved {
			conn.Close()
		}
	})
	defer stop()
	unwatch := s.mover.watch(ctx, cfg.Freeze)
	out := s.run(ctx)
	out.Stopped = s.stopped() != nil
	unwatch()
	if out.Frozen != nil {
		s.mover.drain(&s.calls, cancel)
		cancel(errMoved)
		s.leave(&out)
		return out
	}
	close(s.left)
	if out.Protocol != nil {
		cancel(nil)
	}
	s.calls.Wait()
	conn.Close()
	out.Calls, out.Read = s.count.Load(), s.sent
	s.endMu.Lock()
	defer s.endMu.Unlock()
	out.Denied, out.Deadlock = s.denied, s.deadlock
	out.Diverged, out.Suspended = s.diverged, s.suspended && out.Result == nil && out.Thrown == nil
	return out
}

func (s *session) run(ctx context.Context) (out Outcome) {
	var lastID int64
	ended := false
	in := inbox{r: s.conn}
	defer func() { out.Written = in.seen }()
	if c := s.cfg.Carry; c != nil {
		out.Ready, lastID, in.buf, in.seen = c.Ready, c.LastID, c.Unread, c.Written
		s.sent = c.Read
		s.goOn(ctx, c)
	}
	for {
		if ended && !in.whole() {
			return out // nobody waits to see whether it says more
		}
		f, err := in.next()
		if s.mover.cut(err) {
			out.Frozen = &Carry{Ready: out.Ready, LastID: lastID, Unread: in.buf, Written: in.seen}
			return out
		}
		if err != nil {
			if errors.Is(err, errProtocol) && ctx.Err() == nil {
				out.Protocol = err
			}
			return out
		}
		if err := order(f, out.Ready, ended); err != nil {
			out.Protocol = err
			return out
		}
		switch f.T {
		case "ready":
			out.Ready = true
			s.begin()
		case "log":
			err = s.log(f)
		case "call":
			err = s.call(ctx, f, &lastID)
		case "result", "error":
			ended = true
			if s.ledger != nil {
				s.ledger.ended()
			}
			err = s.last(f, &out)
			s.cfg.Last()
		}
		if err != nil {
			out.Protocol = err
			return out
		}
	}
}

// order is the protocol's state machine: ready once and first, one last frame.
func order(f inbound, ready, ended bool) error {
	switch {
	case !ready && f.T != "ready":
		return protocolError("%s before ready", f.T)
	case ready && f.T == "ready":
		return protocolError("ready twice")
	case ended:
		return protocolError("%s after the last frame", f.T)
	}
	return nil
}

// begin answers ready with start. A write that fails is not the inside's breach:
// the next read says how the connection ended.
func (s *session) begin() {
	s.cfg.Ready()
	s.write(s.cfg.Start)
	s.heedStop()
}

func (s *session) log(f inbound) error {
	switch f.Level {
	case "debug", "info", "warn", "error":
	default:
		return protocolError("a log entry of unknown level %q", Clip(f.Level, 40))
	}
	if len(f.Fields) > 0 && f.Fields[0] != '{' {
		if string(f.Fields) != "null" {
			return protocolError("log fields that are not an object")
		}
		f.Fields = nil
	}
	s.cfg.Log.Add(Entry{Level: f.Level, Text: f.Text, Fields: f.Fields})
	return nil
}

func (s *session) last(f inbound, out *Outcome) error {
	if f.T == "error" {
		if f.Error == nil {
			return protocolError("an error frame without an error")
		}
		out.Thrown = f.Error
		return nil
	}
	if size := int64(len(f.Value)); size > s.cfg.ResultBytes {
		out.Oversize = size
		return nil
	}
	out.Result = f.Value
	if len(out.Result) == 0 {
		out.Result = json.RawMessage("null")
	}
	return nil
}

func (s *session) send(v any) error {
	frame, err := encode(v)
	if err != nil {
		return err
	}
	return s.write(frame)
}

func (s *session) write(frame []byte) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	return s.push(frame)
}

// push writes, or keeps for the next quiltd what can no longer be written. The
// caller holds writeMu.
func (s *session) push(frame []byte) error {
	if len(s.mover.unsent) == 0 {
		n, err := s.conn.Write(frame)
		s.sent += int64(n)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		frame = frame[n:]
	}
	s.mover.unsent = append(s.mover.unsent, frame...)
	return nil
}

// leave completes what is carried over.
func (s *session) leave(out *Outcome) {
	c := out.Frozen
	c.Calls, c.Again, c.Unsent, c.Read = s.count.Load(), s.mover.again, s.mover.unsent, s.sent
	if s.ledger != nil {
		c.Ledger = s.ledger.carry()
	}
	_ = s.mover.conn.SetReadDeadline(time.Time{})
	_ = s.mover.conn.SetWriteDeadline(time.Time{})
}

// goOn takes up a session where it was left.
func (s *session) goOn(ctx context.Context, c *Carry) {
	s.count.Store(c.Calls)
	defer s.heedStop()
	if s.cfg.Enter != nil {
		s.cfg.Enter(ctx, Call{Execution: s.cfg.Execution, Unit: s.cfg.Unit, Grant: s.cfg.Grant, Left: s.left})
	}
	if len(c.Unsent) > 0 {
		s.writeMu.Lock() // before any answer
		s.calls.Go(func() {
			defer s.writeMu.Unlock()
			_ = s.push(c.Unsent)
		})
	}
	for _, p := range c.Again {
		s.slots <- struct{}{} // there were no more than places
		s.start(ctx, inbound{ID: p.ID, Op: p.Op, Args: p.Args})
	}
}
