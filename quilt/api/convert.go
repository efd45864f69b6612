package api

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ariacomputecompany/firmware/internal/fault"
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
	"github.com/ariacomputecompany/firmware/quilt/engine"
)

func request(r *quiltv1.ExecuteRequest) engine.Request {
	out := engine.Request{
		Execution: r.Execution, Tenant: r.Tenant, Unit: r.Unit, Tokens: r.Tokens,
		Entry: r.Code.GetEntry(), Export: r.Code.GetExport(), Method: r.Code.GetMethod(),
		Input: r.Input, Revive: r.Revive, Standing: standing(r.Standing),
	}
	for _, f := range r.Code.GetFiles() {
		out.Files = append(out.Files, engine.File{Path: f.Path, Content: string(f.Content)})
	}
	l := r.Limits
	out.Limits = engine.Limits{
		MemoryBytes: l.GetMemoryBytes(), Pids: l.GetPids(), CPUMillis: l.GetCpuMillis(), Wall: millis(l.GetWallMs()),
		TmpBytes: l.GetTmpBytes(), LogBytes: l.GetLogBytes(), ResultBytes: l.GetResultBytes(), Wait: millis(l.GetWaitMs()),
	}
	if l != nil && l.GraceMs != nil {
		if out.Limits.Grace = millis(*l.GraceMs); *l.GraceMs == 0 {
			out.Limits.Grace = engine.NoGrace
		}
	}
	return out
}

// millis keeps what is too large for a Duration too large, so that the limit's
// bound refuses it.
func millis(ms int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(max(ms, -most), most)) * time.Millisecond
}

func response(e engine.Event) *quiltv1.ExecuteResponse {
	out := &quiltv1.ExecuteResponse{TimeUnixNano: e.Time.UnixNano(), Seq: e.Seq}
	switch {
	case e.Queued != nil:
		out.Event = &quiltv1.ExecuteResponse_Queued{Queued: &quiltv1.Queued{
			WaitsFor: e.Queued.WaitsFor, HeldBy: e.Queued.HeldBy, Position: int64(e.Queued.Position),
		}}
	case e.Started != nil:
		s := e.Started
		out.Event = &quiltv1.ExecuteResponse_Started{Started: &quiltv1.Started{
			Start: s.Start, TookUs: s.Took.Microseconds(), WaitedUs: s.Waited.Microseconds(),
			Lease: s.Lease, Fence: s.Fence, Isolation: s.Isolation, Image: s.Image,
		}}
	case e.Log != nil:
		out.Event = &quiltv1.ExecuteResponse_Log{Log: &quiltv1.Log{Level: e.Log.Level, Text: utf8(e.Log.Text), Fields: e.Log.Fields}}
	case e.Spent != nil:
		s := e.Spent
		out.Event = &quiltv1.ExecuteResponse_Spent{Spent: &quiltv1.Spent{Model: utf8(s.Model), InputTokens: s.InputTokens,
			OutputTokens: s.OutputTokens, Usd: s.USD, Estimated: s.Estimated, Call: s.Call}}
	case e.Ended != nil:
		out.Event = &quiltv1.ExecuteResponse_Ended{Ended: ended(e.Ended)}
	case e.Effect != nil:
		out.Event = &quiltv1.ExecuteResponse_Effect{Effect: effect(e.Effect)}
	case e.Ask != nil:
		out.Event = &quiltv1.ExecuteResponse_Ask{Ask: &quiltv1.Ask{Id: e.Ask.ID, Op: utf8(e.Ask.Op), Args: e.Ask.Args}}
	default:
		out.Event = &quiltv1.ExecuteResponse_Result{Result: &quiltv1.Result{Value: e.Result}}
	}
	return out
}

func ended(e *engine.Ended) *quiltv1.Ended {
	out := &quiltv1.Ended{Reason: string(e.Reason), Stopped: string(e.Stopped), Usage: &quiltv1.Usage{
		WallUs: e.Usage.Wall.Microseconds(), CpuUs: e.Usage.CPU.Microseconds(),
		PeakMemoryBytes: e.Usage.PeakMemory, BrokerCalls: e.Usage.Calls,
		ReadBytes: e.Usage.Read, WrittenBytes: e.Usage.Written, ResultUs: e.Usage.Result.Microseconds(),
	}}
	if e.Fault != nil {
		out.Error = face(e.Fault)
	}
	if e.Thrown != nil {
		out.Error.Name, out.Error.Retryable = utf8(e.Thrown.Name), e.Thrown.Retryable
	}
	return out
}

func face(f *fault.Error) *quiltv1.Error {
	return &quiltv1.Error{Code: string(f.Code), Message: utf8(f.Message), Hint: utf8(f.Hint), Stack: utf8(f.Stack)}
}

var statusCodes = map[fault.Code]codes.Code{
	fault.Invalid:         codes.InvalidArgument,
	fault.NotFound:        codes.NotFound,
	fault.Unauthenticated: codes.Unauthenticated,
	fault.Denied:          codes.PermissionDenied,
	fault.Conflict:        codes.AlreadyExists,
	fault.Deadlock:        codes.Aborted,
	fault.Timeout:         codes.DeadlineExceeded,
	fault.Cancelled:       codes.Canceled,
	fault.Exhausted:       codes.ResourceExhausted,
	fault.Unavailable:     codes.Unavailable,
	fault.Interrupted:     codes.Aborted,
	fault.Diverged:        codes.Aborted,
	fault.Uncertain:       codes.Aborted,
	fault.Failed:          codes.FailedPrecondition,
	fault.Unimplemented:   codes.Unimplemented,
	fault.Internal:        codes.Internal,
}

// reply is the only place where an error becomes a status. The fault travels as
// a quilt.v1.Error detail; an error without one says nothing of its cause.
func reply(err error) error {
	if err == nil {
		return nil
	}
	moves, begun := engine.Moved(err)
	f, ok := fault.As(err)
	switch {
	case begun:
		f = fault.New(fault.Unavailable, "the execution goes on in another quiltd").WithHint("attach to it")
	case !ok:
		f = fault.New(fault.Internal, "internal error in quiltd").WithHint("the log of quiltd has the cause")
	}
	st := status.New(statusCodes[f.Code], f.Message)
	detail := face(f)
	detail.Again, detail.Begun = moves, begun
	if detailed, derr := st.WithDetails(detail); derr == nil {
		st = detailed
	}
	return st.Err()
}
