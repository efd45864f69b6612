package api

import (
	"context"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/firmware"
	"github.com/ariacomputecompany/firmware/firmware/control"
	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// updates hands on to the root process that may write slots; ariad may not.
type updates struct{ s *server }

// control is the way there, on a machine that runs our image.
func (u updates) control() (control.Client, error) {
	if u.s.Firmware == "" {
		return "", fault.New(fault.Unimplemented, "this ariad does not run on Aria's firmware, so there is none to update").
			WithHint("update the programs the way they were installed")
	}
	return control.Client(u.s.Firmware), nil
}

func (u updates) Begin(ctx context.Context, r *connect.Request[ariav1.BeginFirmwareRequest]) (*connect.Response[ariav1.BeginFirmwareResponse], error) {
	c, err := u.control()
	if err != nil {
		return nil, err
	}
	if n := len(r.Msg.Header); n != firmware.HeaderSize {
		return nil, fault.New(fault.Invalid, "a header of %d bytes, not %d", n, firmware.HeaderSize).WithHint("send the beginning of the image file")
	}
	up, err := c.Begin(ctx, r.Msg.Header, r.Msg.AllowDowngrade)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&ariav1.BeginFirmwareResponse{Image: string(up.Image), Offset: up.Offset, Size: up.Size, Slot: up.Slot}), nil
}

func (u updates) Write(ctx context.Context, r *connect.Request[ariav1.WriteFirmwareRequest]) (*connect.Response[ariav1.WriteFirmwareResponse], error) {
	c, err := u.control()
	if err != nil {
		return nil, err
	}
	next, err := c.Write(ctx, firmware.Digest(r.Msg.Image), r.Msg.Offset, r.Msg.Data)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&ariav1.WriteFirmwareResponse{Offset: next}), nil
}

func (u updates) Commit(ctx context.Context, r *connect.Request[ariav1.CommitFirmwareRequest]) (*connect.Response[ariav1.CommitFirmwareResponse], error) {
	c, err := u.control()
	if err != nil {
		return nil, err
	}
	st, err := c.Commit(ctx, firmware.Digest(r.Msg.Image))
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&ariav1.CommitFirmwareResponse{Status: wireFirmware(st)}), nil
}

func (u updates) Status(ctx context.Context, _ *connect.Request[ariav1.FirmwareStatusRequest]) (*connect.Response[ariav1.FirmwareStatusResponse], error) {
	c, err := u.control()
	if err != nil {
		return nil, err
	}
	st, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(wireFirmware(st)), nil
}

func wireFirmware(st control.Status) *ariav1.FirmwareStatusResponse {
	return &ariav1.FirmwareStatusResponse{Version: st.Version, Slot: st.Slot, Generation: int64(st.Generation), State: string(st.State),
		Boot: st.Boot, Keys: st.Keys, Update: wireUpdate(st.Update), Last: wireUpdate(st.Last)}
}

func wireUpdate(u *control.Update) *ariav1.FirmwareUpdate {
	if u == nil {
		return nil
	}
	return &ariav1.FirmwareUpdate{Version: u.Version, Image: string(u.Image), Slot: u.Slot, Size: u.Size, Offset: u.Offset,
		Stage: u.Stage, Outcome: u.Outcome, Reason: u.Reason, EndedUnixMs: u.EndedMS}
}
