package api

import (
	"context"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/aria/trigger"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

type triggers struct{ s *server }

func (t triggers) Emit(ctx context.Context, r *connect.Request[ariav1.EmitRequest]) (*connect.Response[ariav1.EmitResponse], error) {
	e, err := t.s.Triggers.Emit(ctx, r.Msg.Name, r.Msg.Id, r.Msg.Input)
	if err != nil {
		return nil, err
	}
	out := &ariav1.EmitResponse{Id: e.ID, Repeated: e.Repeated}
	for _, d := range e.Deliveries {
		out.Deliveries = append(out.Deliveries, &ariav1.Delivery{Unit: d.Unit, Run: string(d.Run), Problem: d.Problem})
	}
	return connect.NewResponse(out), nil
}

func (t triggers) List(context.Context, *connect.Request[ariav1.ListTriggersRequest]) (*connect.Response[ariav1.ListTriggersResponse], error) {
	list, err := t.s.Triggers.List()
	if err != nil {
		return nil, err
	}
	out := &ariav1.ListTriggersResponse{}
	for _, e := range list {
		out.Triggers = append(out.Triggers, wireTrigger(e))
	}
	return connect.NewResponse(out), nil
}

func (t triggers) Pause(_ context.Context, r *connect.Request[ariav1.PauseTriggersRequest]) (*connect.Response[ariav1.PauseTriggersResponse], error) {
	e, err := t.s.Triggers.Pause(r.Msg.Unit, r.Msg.Resume)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&ariav1.PauseTriggersResponse{Trigger: wireTrigger(e)}), nil
}

func wireTrigger(e trigger.Entry) *ariav1.Trigger {
	t := e.Trigger
	w := &ariav1.Trigger{Unit: e.Unit, Kind: string(e.Kind), On: t.On, EveryMs: t.EveryMS, Cron: t.Cron, Zone: t.Zone, Http: t.HTTP,
		Secret: t.Secret, Paused: e.Paused, LastRun: string(e.LastRun), Problem: e.Problem}
	if !e.Next.IsZero() {
		w.NextUnixMs = e.Next.UnixMilli()
	}
	if !e.Last.IsZero() {
		w.LastUnixMs = e.Last.UnixMilli()
	}
	return w
}
