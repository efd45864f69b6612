package tokenapi

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/ariacomputecompany/firmware/internal/fault"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
)

// Request is one execution.
type Request struct {
	Execution string // unique
	Unit      string // for messages
	Tokens    []string
	Files     []File
	Entry     string
	Export    string
	Method    string
	Args      json.RawMessage // array of positional arguments
	Revive    json.RawMessage // where rich types stand in Args; may be nil
	Limits    Limits
	Journal   *Journal // nil: nothing is recorded
	Tenant    string
	Standing  Standing
}

// Standing is on whose behalf something runs, and how urgent it is.
type Standing struct {
	Parent      string // the execution or session that waits for it
	Class       string // system | interactive | normal | batch; "": the parent's, or normal
	Preemptible bool
	Bundle      string // digest
	Package     string // name of the bundle
}

func (s Standing) wire() *quiltv1.Standing {
	return &quiltv1.Standing{Parent: s.Parent, Class: s.Class, Preemptible: s.Preemptible, Bundle: s.Bundle, Package: s.Package}
}

// File is one file of the unit's code.
type File struct {
	Path    string
	Content []byte
}

// Limits of one execution; zero means the engine's default.
type Limits struct {
	Memory    int64 // bytes
	CPUMillis int64 // 1000 = one core
	Wall      time.Duration
	Grace     *time.Duration // to end by itself when it is stopped; nil: the engine's default
}

func (r Request) wire() *quiltv1.ExecuteRequest {
	code := &quiltv1.Code{Entry: r.Entry, Export: r.Export, Method: r.Method}
	for _, f := range r.Files {
		code.Files = append(code.Files, &quiltv1.File{Path: f.Path, Content: f.Content})
	}
	limits := &quiltv1.Limits{MemoryBytes: r.Limits.Memory, CpuMillis: r.Limits.CPUMillis, WallMs: r.Limits.Wall.Milliseconds()}
	if g := r.Limits.Grace; g != nil {
		limits.GraceMs = proto.Int64(g.Milliseconds())
	}
	return &quiltv1.ExecuteRequest{Execution: r.Execution, Unit: r.Unit, Tokens: r.Tokens, Code: code,
		Input: r.Args, Revive: r.Revive, Tenant: r.Tenant, Standing: r.Standing.wire(),
		Limits: limits}
}

// Event is one of Queued, Started, Log and Spent.
type Event any

// Queued: the lease could not be had at once.
type Queued struct {
	WaitsFor []string // tokens
	HeldBy   []string // executions
	Position int64
}

// Started: the container is up.
type Started struct {
	Start     string // cold | pooled | warm
	Took      time.Duration
	Waited    time.Duration // for the lease
	Lease     string
	Fence     uint64
	Isolation string
	Image     string
}

// Log is one line of output.
type Log struct {
	Level  string
	Text   string
	Fields json.RawMessage
}

// Spent is what a model was asked for by a client in the unit's code, through
// quiltd's gateway.
type Spent struct {
	Model                     string // provider:model
	InputTokens, OutputTokens int64
	USD                       float64 // 0: the price is not known
	Estimated                 bool    // the answer did not say: the most that it can have been
	Call                      int64   // id of the effect that asked; 0: none did
}

func event(m *quiltv1.ExecuteResponse) (Event, bool) {
	switch e := m.Event.(type) {
	case *quiltv1.ExecuteResponse_Queued:
		return Queued{e.Queued.WaitsFor, e.Queued.HeldBy, e.Queued.Position}, true
	case *quiltv1.ExecuteResponse_Started:
		s := e.Started
		return Started{s.Start, time.Duration(s.TookUs) * time.Microsecond, time.Duration(s.WaitedUs) * time.Microsecond,
			s.Lease, s.Fence, s.Isolation, s.Image}, true
	case *quiltv1.ExecuteResponse_Log:
		return Log{e.Log.Level, e.Log.Text, e.Log.Fields}, true
	case *quiltv1.ExecuteResponse_Spent:
		s := e.Spent
		return Spent{s.Model, s.InputTokens, s.OutputTokens, s.Usd, s.Estimated, s.Call}, true
	}
	return nil, false
}

// Suspended is the reason of an execution that waited for nothing but what was
// parked: there is neither result nor error.
const Suspended = "suspended"

// Ended is how an execution ended.
type Ended struct {
	Reason    string // done | error | timeout | oom | … as in quilt.proto
	Result    json.RawMessage
	Error     *fault.Error // unless done; Stack is as the container reported it
	Name      string       // class of the thrown error
	Retryable bool         // false for TerminalError
	Usage     Usage
	// Stopped is how one ended that was told to: "itself" within its grace, "killed"
	// after it; "": it was not told.
	Stopped string
}

// Usage of one execution.
type Usage struct {
	WallUS      int64 `json:"wall_us"`
	CPUUS       int64 `json:"cpu_us"`
	PeakMemory  int64 `json:"peak_memory_bytes"`
	BrokerCalls int64 `json:"broker_calls"`
	Read        int64 `json:"read_bytes"`
	Written     int64 `json:"written_bytes"`
	ResultUS    int64 `json:"result_us,omitempty"`
}

func ended(e *quiltv1.Ended, result []byte) Ended {
	out := Ended{Reason: e.Reason, Result: result, Stopped: e.Stopped}
	if u := e.Usage; u != nil {
		out.Usage = Usage{u.WallUs, u.CpuUs, u.PeakMemoryBytes, u.BrokerCalls, u.ReadBytes, u.WrittenBytes, u.ResultUs}
	}
	if e.Reason == "done" || e.Reason == Suspended {
		return out
	}
	out.Error = fault.New(fault.Internal, "the execution ended with reason %q and no word why", e.Reason)
	if w := e.Error; w != nil {
		out.Error = face(w)
		out.Name, out.Retryable = w.Name, w.Retryable
	}
	return out
}

func face(w *quiltv1.Error) *fault.Error {
	return &fault.Error{Code: known(w.Code), Message: w.Message, Hint: w.Hint, Stack: w.Stack}
}

// known keeps the list of codes closed: what user code makes up is "failed".
func known(code string) fault.Code {
	switch c := fault.Code(code); c {
	case fault.Invalid, fault.NotFound, fault.Unauthenticated, fault.Denied, fault.Conflict, fault.Deadlock, fault.Timeout,
		fault.Cancelled, fault.Exhausted, fault.Unavailable, fault.Interrupted, fault.Diverged, fault.Uncertain, fault.Failed, fault.Unimplemented, fault.Internal:
		return c
	}
	return fault.Failed
}

// progress of a call when it broke.
type progress int

const (
	asked progress = iota // a question without effects
	sent                  // an execution was sent, and nothing came back
	heard                 // it had begun to answer
)

// lost turns a broken call into a fault. Once an execution was sent, nobody can
// say how far it came, unless the connection was never made.
func (c *Client) lost(ctx context.Context, err error, at progress) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := status.Convert(err)
	for _, d := range s.Details() {
		if w, ok := d.(*quiltv1.Error); ok {
			f := face(w)
			f.Cause = err
			return f
		}
	}
	switch {
	case at == heard, at == sent && s.Code() == codes.Unavailable && !dialing(err):
		return fault.Wrap(err, fault.Interrupted, "quiltd went away in the middle of the execution").
			WithHint("what it did until then stays done; start it again if that is safe")
	case s.Code() == codes.Unavailable:
		return unreachable(err, c.socket)
	case s.Code() == codes.PermissionDenied:
		return fault.Wrap(err, fault.Denied, "quiltd refuses this user").
			WithHint("ariad must run as a user that quiltd was told to trust")
	}
	return fault.Wrap(err, fault.Internal, "quiltd refused the execution").WithHint("see the log of quiltd")
}

// dialing: there was no connection to send anything over.
func dialing(err error) bool {
	return strings.Contains(status.Convert(err).Message(), "while dialing")
}
