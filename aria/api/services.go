package api

import (
	"context"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

type bundles struct{ s *server }

func (b bundles) Upload(ctx context.Context, r *connect.Request[ariav1.UploadRequest]) (*connect.Response[ariav1.UploadResponse], error) {
	mode := registry.Register
	switch r.Msg.Mode {
	case ariav1.IntakeMode_INTAKE_MODE_UNSPECIFIED, ariav1.IntakeMode_INTAKE_MODE_REGISTER:
	case ariav1.IntakeMode_INTAKE_MODE_ISOLATED:
		mode = registry.Isolated
	default:
		return nil, fault.New(fault.Invalid, "unknown intake mode %d", r.Msg.Mode).WithHint("use REGISTER or ISOLATED")
	}
	// The bundle's digest is its identity: a repeated upload answers the same
	// with any idempotency key.
	got, held, err := b.s.Registry.AddAgreed(ctx, r.Msg.Bundle, mode, r.Msg.Accept)
	if err != nil {
		return nil, err
	}
	w, err := wireBundle(got)
	return connect.NewResponse(&ariav1.UploadResponse{Bundle: w, AlreadyHeld: held}), err
}

func (b bundles) List(context.Context, *connect.Request[ariav1.ListBundlesRequest]) (*connect.Response[ariav1.ListBundlesResponse], error) {
	out := &ariav1.ListBundlesResponse{}
	for _, held := range b.s.Registry.Bundles() {
		w, err := wireBundle(held)
		if err != nil {
			return nil, err
		}
		out.Bundles = append(out.Bundles, w)
	}
	return connect.NewResponse(out), nil
}

func (b bundles) Get(ctx context.Context, r *connect.Request[ariav1.GetBundleRequest]) (*connect.Response[ariav1.GetBundleResponse], error) {
	held, err := b.s.Registry.Get(bundle.Digest(r.Msg.Digest))
	if err != nil {
		return nil, err
	}
	manifest, err := b.s.Registry.Manifest(ctx, held.Digest)
	if err != nil {
		return nil, err
	}
	w, err := wireBundle(held)
	return connect.NewResponse(&ariav1.GetBundleResponse{Bundle: w, Manifest: manifest}), err
}

func (b bundles) Remove(ctx context.Context, r *connect.Request[ariav1.RemoveBundleRequest]) (*connect.Response[ariav1.RemoveBundleResponse], error) {
	d := bundle.Digest(r.Msg.Digest)
	gone, err := b.s.Registry.Remove(ctx, d, func() error { return b.s.Tasks.Unused(ctx, d) })
	if err != nil {
		return nil, err
	}
	w, err := wireBundle(gone)
	return connect.NewResponse(&ariav1.RemoveBundleResponse{Bundle: w}), err
}

type units struct{ s *server }

func (u units) List(_ context.Context, r *connect.Request[ariav1.ListUnitsRequest]) (*connect.Response[ariav1.ListUnitsResponse], error) {
	found, err := u.s.Registry.Units(bundle.Kind(r.Msg.Kind))
	if err != nil {
		return nil, err
	}
	out := &ariav1.ListUnitsResponse{}
	for _, f := range found {
		w, err := wireUnit(f)
		if err != nil {
			return nil, err
		}
		out.Units = append(out.Units, w)
	}
	return connect.NewResponse(out), nil
}

func (u units) Get(_ context.Context, r *connect.Request[ariav1.GetUnitRequest]) (*connect.Response[ariav1.GetUnitResponse], error) {
	found, err := u.s.Registry.Resolve(r.Msg.Ref)
	if err != nil {
		return nil, err
	}
	w, err := wireUnit(found)
	return connect.NewResponse(&ariav1.GetUnitResponse{Unit: w}), err
}

type tasks struct{ s *server }

func (t tasks) Start(ctx context.Context, r *connect.Request[ariav1.StartRequest]) (*connect.Response[ariav1.StartResponse], error) {
	if r.Msg.DeadlineMs > maxDeadline.Milliseconds() {
		return nil, fault.New(fault.Invalid, "a deadline of %d ms is more than a year away", r.Msg.DeadlineMs)
	}
	if strings.HasPrefix(r.Msg.IdempotencyKey, task.OwnKeys) {
		return nil, fault.New(fault.Invalid, "an idempotency key cannot begin with %q", task.OwnKeys).WithHint("use a UUID")
	}
	run, err := t.s.Tasks.Start(ctx, task.Request{Unit: r.Msg.Unit, Input: r.Msg.Input, Words: r.Msg.Words,
		Deadline: time.Duration(r.Msg.DeadlineMs) * time.Millisecond, Key: r.Msg.IdempotencyKey,
		Session: task.Session{ID: r.Msg.Session, User: r.Msg.User}})
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&ariav1.StartResponse{Run: wireRun(run)}), nil
}

const maxDeadline = 365 * 24 * time.Hour

func (t tasks) Watch(ctx context.Context, r *connect.Request[ariav1.WatchRequest], out *connect.ServerStream[ariav1.WatchResponse]) error {
	ctx, done := t.s.watching(ctx)
	defer done()
	err := t.s.Tasks.Watch(ctx, task.ID(r.Msg.Run), r.Msg.After, func(events []task.Event) error {
		m := &ariav1.WatchResponse{}
		for _, e := range events {
			m.Events = append(m.Events, &ariav1.Event{Run: string(e.Run), Seq: e.Seq, TimeUnixNano: e.Time.UnixNano(), Kind: e.Kind, Data: e.Data})
		}
		return out.Send(m)
	})
	return named(err, r.Msg.Run)
}

func (t tasks) Get(ctx context.Context, r *connect.Request[ariav1.GetRunRequest]) (*connect.Response[ariav1.GetRunResponse], error) {
	run, err := t.s.Tasks.Get(ctx, task.ID(r.Msg.Run))
	if err != nil {
		return nil, named(err, r.Msg.Run)
	}
	return connect.NewResponse(&ariav1.GetRunResponse{Run: wireRun(run)}), nil
}

func (t tasks) List(ctx context.Context, r *connect.Request[ariav1.ListRunsRequest]) (*connect.Response[ariav1.ListRunsResponse], error) {
	runs, err := t.s.Tasks.List(ctx, int(r.Msg.Limit), task.ID(r.Msg.Before), task.State(r.Msg.State))
	if err != nil {
		return nil, err
	}
	out := &ariav1.ListRunsResponse{}
	for _, run := range runs {
		out.Runs = append(out.Runs, wireRun(run))
	}
	return connect.NewResponse(out), nil
}

func (t tasks) Cancel(ctx context.Context, r *connect.Request[ariav1.CancelRequest]) (*connect.Response[ariav1.CancelResponse], error) {
	if len(r.Msg.Reason) > 1000 {
		return nil, fault.New(fault.Invalid, "the reason has more than 1000 bytes")
	}
	run, err := t.s.Tasks.Cancel(ctx, task.ID(r.Msg.Run), r.Msg.Reason)
	if err != nil {
		return nil, named(err, r.Msg.Run)
	}
	return connect.NewResponse(&ariav1.CancelResponse{Run: wireRun(run)}), nil
}

func (t tasks) Approve(ctx context.Context, r *connect.Request[ariav1.ApproveRequest]) (*connect.Response[ariav1.ApproveResponse], error) {
	if len(r.Msg.Reason) > 1000 || len(r.Msg.By) > 200 {
		return nil, fault.New(fault.Invalid, "the reason has more than 1000 bytes, or the name more than 200")
	}
	run, err := t.s.Tasks.Approve(ctx, task.ID(r.Msg.Run), task.Answer{OK: !r.Msg.Deny, By: r.Msg.By, Reason: r.Msg.Reason})
	if err != nil {
		return nil, named(err, r.Msg.Run)
	}
	return connect.NewResponse(&ariav1.ApproveResponse{Run: wireRun(run)}), nil
}

func (t tasks) Waits(ctx context.Context, _ *connect.Request[ariav1.WaitsRequest]) (*connect.Response[ariav1.WaitsResponse], error) {
	open, err := t.s.Tasks.Waits(ctx)
	if err != nil {
		return nil, err
	}
	out := &ariav1.WaitsResponse{}
	for _, w := range open {
		x := &ariav1.Waiting{Run: string(w.Run), Unit: w.Unit, Role: w.Role, Data: w.Data, CreatedUnixMs: w.Created.UnixMilli()}
		if !w.Due.IsZero() {
			x.DueUnixMs = w.Due.UnixMilli()
		}
		out.Waits = append(out.Waits, x)
	}
	return connect.NewResponse(out), nil
}

func named(err error, run string) error {
	if err == nil {
		return nil
	}
	return about{task.ID(run), err}
}

// watching is ctx that also ends, with a fault that says so, when the port stops.
func (s *server) watching(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	release := context.AfterFunc(s.stop, func() {
		cancel(fault.New(fault.Unavailable, "ariad is stopping").WithHint("watch again from the last event when it is up"))
	})
	return ctx, func() { release(); cancel(nil) }
}
