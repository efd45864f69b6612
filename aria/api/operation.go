package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/aria/replay"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/proto/gen/aria/v1/ariav1connect"
)

type operations struct {
	s *server
	ariav1connect.UnimplementedOperationServiceHandler
}

// Replay plays a run of the journal, or a recording that came along.
func (o operations) Replay(ctx context.Context, r *connect.Request[ariav1.ReplayRequest]) (*connect.Response[ariav1.ReplayResponse], error) {
	m := r.Msg
	rec, err := o.recording(ctx, m)
	if err != nil {
		return nil, named(err, m.Run)
	}
	rep, err := o.s.Replay.Play(ctx, replay.Request{Recording: rec, Bundle: bundle.Digest(m.Bundle), From: m.From})
	if err != nil {
		return nil, named(err, m.Run)
	}
	out := &ariav1.ReplayResponse{Run: string(rep.Run), Unit: rep.Unit, Identical: rep.Identical, Events: rep.Events,
		Effects: rep.Effects, Children: rep.Children, TookUs: rep.Took.Microseconds(), Denied: rep.Denied}
	if d := rep.Divergence; d != nil {
		out.Divergence = &ariav1.Divergence{Run: string(d.Run), Unit: d.Unit, Seq: d.Seq, Kind: d.Kind, Expected: d.Expected, Got: d.Got}
	}
	return connect.NewResponse(out), nil
}

func (o operations) recording(ctx context.Context, m *ariav1.ReplayRequest) (*task.Recording, error) {
	if len(m.Recording) == 0 {
		return o.s.Tasks.Recording(ctx, task.ID(m.Run))
	}
	rec := &task.Recording{}
	if err := json.Unmarshal(m.Recording, rec); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "this is not the recording of a run").WithHint("arc test --from-runs writes them")
	}
	return rec, nil
}

// maxRecording is what a recording may have as JSON: it has to come back in one request.
const maxRecording = 48 << 20

// Record gives a run's recording.
func (o operations) Record(ctx context.Context, r *connect.Request[ariav1.RecordRequest]) (*connect.Response[ariav1.RecordResponse], error) {
	rec, err := o.s.Tasks.Recording(ctx, task.ID(r.Msg.Run))
	if err != nil {
		return nil, named(err, r.Msg.Run)
	}
	rec.Seal(o.s.Tasks.Seed)
	raw, err := json.Marshal(rec)
	if err != nil {
		return nil, fmt.Errorf("recording of %s: %w", r.Msg.Run, err)
	}
	if len(raw) > maxRecording {
		return nil, fault.New(fault.Exhausted, "the recording of %s has %d bytes, and the most is %d", r.Msg.Run, len(raw), maxRecording).
			WithHint("record one of the runs that it called")
	}
	return connect.NewResponse(&ariav1.RecordResponse{Recording: raw}), nil
}

// Fork starts a run that has the past of another.
func (o operations) Fork(ctx context.Context, r *connect.Request[ariav1.ForkRequest]) (*connect.Response[ariav1.ForkResponse], error) {
	run, err := o.s.Tasks.Fork(ctx, task.ID(r.Msg.Run), r.Msg.From, bundle.Digest(r.Msg.Bundle))
	if err != nil {
		return nil, named(err, r.Msg.Run)
	}
	return connect.NewResponse(&ariav1.ForkResponse{Run: string(run.ID)}), nil
}

// Resume takes up a run that was given up.
func (o operations) Resume(ctx context.Context, r *connect.Request[ariav1.ResumeRequest]) (*connect.Response[ariav1.ResumeResponse], error) {
	run, err := o.s.Tasks.Resume(ctx, task.ID(r.Msg.Run))
	if err != nil {
		return nil, named(err, r.Msg.Run)
	}
	return connect.NewResponse(&ariav1.ResumeResponse{Run: string(run.ID), State: string(run.State)}), nil
}

// Tail streams the events of all runs.
func (o operations) Tail(ctx context.Context, r *connect.Request[ariav1.TailRequest], out *connect.ServerStream[ariav1.TailResponse]) error {
	ctx, done := o.s.watching(ctx)
	defer done()
	if err := out.Send(&ariav1.TailResponse{}); err != nil { // so that the caller knows it listens
		return err
	}
	return o.s.Tasks.Tail(ctx, r.Msg.Unit, func(e task.Told) error {
		return out.Send(&ariav1.TailResponse{Events: []*ariav1.TailEvent{{Run: string(e.Run), Seq: e.Seq, TimeUnixNano: e.Time.UnixNano(),
			Kind: e.Event.Kind, Data: e.Data, Unit: e.Unit}}})
	})
}

// Cost adds up what runs used.
func (o operations) Cost(ctx context.Context, r *connect.Request[ariav1.CostRequest]) (*connect.Response[ariav1.CostResponse], error) {
	var since time.Time
	if r.Msg.SinceUnixMs > 0 {
		since = time.UnixMilli(r.Msg.SinceUnixMs)
	}
	lines, err := o.s.Tasks.Cost(ctx, task.ID(r.Msg.Run), since, r.Msg.By)
	if err != nil {
		return nil, named(err, r.Msg.Run)
	}
	out := &ariav1.CostResponse{}
	for _, c := range lines {
		out.Lines = append(out.Lines, &ariav1.CostLine{Name: c.Name, Runs: c.Runs, Turns: c.Turns, InputTokens: c.InputTokens,
			OutputTokens: c.OutputTokens, Usd: c.USD, CpuUs: c.CPUUS, Unpriced: c.Unpriced, Uncertain: c.Uncertain, Estimated: c.Estimated})
	}
	return connect.NewResponse(out), nil
}

// Drain refuses new runs, or takes them again.
func (o operations) Drain(_ context.Context, r *connect.Request[ariav1.DrainRequest]) (*connect.Response[ariav1.DrainResponse], error) {
	o.s.Tasks.Drain(!r.Msg.Undo)
	on, running, waiting := o.s.Tasks.Draining()
	return connect.NewResponse(&ariav1.DrainResponse{Draining: on, Running: int64(running), Waiting: int64(waiting)}), nil
}
