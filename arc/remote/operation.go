package remote

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Replay is what came of playing a run again.
type Replay struct {
	Run        string      `json:"run"`
	Unit       string      `json:"unit"`
	Identical  bool        `json:"identical"`
	Events     uint64      `json:"events"`
	Effects    uint64      `json:"effects"`
	Children   uint64      `json:"children"`
	TookUS     int64       `json:"tookUs"`
	Divergence *Divergence `json:"divergence,omitempty"`
	Denied     string      `json:"denied,omitempty"` // with from: what was asked for beyond it
}

// Divergence is the first thing that a replay did differently.
type Divergence struct {
	Run      string `json:"run"`
	Unit     string `json:"unit"`
	Seq      uint64 `json:"event"`
	Kind     string `json:"kind"`
	Expected string `json:"expected"`
	Got      string `json:"got"`
}

// Replay plays a run, or a recording, again: on the bundle of a digest if one is
// given, with the journal's answers up to the event from (0: all of them).
func (c *Client) Replay(ctx context.Context, run string, recording json.RawMessage, digest string, from uint64) (Replay, error) {
	res, err := retry(ctx, c, c.ops.Replay, &ariav1.ReplayRequest{Run: run, Recording: recording, Bundle: digest, From: from})
	out := Replay{Run: res.GetRun(), Unit: res.GetUnit(), Identical: res.GetIdentical(), Events: res.GetEvents(), Effects: res.GetEffects(),
		Children: res.GetChildren(), TookUS: res.GetTookUs(), Denied: res.GetDenied()}
	if d := res.GetDivergence(); d != nil {
		out.Divergence = &Divergence{Run: d.Run, Unit: d.Unit, Seq: d.Seq, Kind: d.Kind, Expected: d.Expected, Got: d.Got}
	}
	return out, err
}

// Recording is everything that the journal holds of a run.
func (c *Client) Recording(ctx context.Context, run string) (json.RawMessage, error) {
	res, err := retry(ctx, c, c.ops.Record, &ariav1.RecordRequest{Run: run})
	return res.GetRecording(), err
}

// Fork starts a run that has the past of another up to an event, on the bundle
// of a digest ("": its own).
func (c *Client) Fork(ctx context.Context, run string, from uint64, digest string) (string, error) {
	res, err := retry(ctx, c, c.ops.Fork, &ariav1.ForkRequest{Run: run, From: from, Bundle: digest})
	return res.GetRun(), err
}

// Resume takes up a run that was given up, and gives its state.
func (c *Client) Resume(ctx context.Context, run string) (Run, error) {
	if _, err := retry(ctx, c, c.ops.Resume, &ariav1.ResumeRequest{Run: run}); err != nil {
		return Run{}, err
	}
	return c.Run(ctx, run)
}

// TailEvent is an event with the unit of its run.
type TailEvent struct {
	Event
	Unit string `json:"unit"`
}

// Tail hands over the events of all runs as they come, or of those of one unit,
// until ctx ends. A connection that breaks ends it: what came meanwhile is in
// each run's own events.
func (c *Client) Tail(ctx context.Context, unit string, emit func(TailEvent) error) error {
	stream, err := c.ops.Tail(ctx, connect.NewRequest(&ariav1.TailRequest{Unit: unit}))
	if err != nil {
		return c.toFault(ctx, err)
	}
	defer stream.Close()
	for stream.Receive() {
		for _, e := range stream.Msg().GetEvents() {
			ev := Event{Run: e.Run, Seq: e.Seq, Time: time.Unix(0, e.TimeUnixNano), Kind: e.Kind, Data: e.Data}
			if err := emit(TailEvent{ev, e.Unit}); err != nil {
				return err
			}
		}
	}
	return c.toFault(ctx, stream.Err())
}

// CostLine is what some runs used together.
type CostLine struct {
	Name         string  `json:"name,omitempty"`
	Runs         int64   `json:"runs"`
	Turns        int64   `json:"turns"`
	InputTokens  int64   `json:"inputTokens"`
	OutputTokens int64   `json:"outputTokens"`
	USD          float64 `json:"usd"`
	CPUUS        int64   `json:"cpuUs"`
	Unpriced     bool    `json:"unpriced,omitempty"`
	Uncertain    int64   `json:"uncertain,omitempty"` // models were asked, and no answer was recorded
	Estimated    int64   `json:"estimated,omitempty"` // of Turns: the answer did not say what was used
}

// Cost adds up what a run and all it called used, or ("") what the runs since a
// moment did, by agent, model, tenant, unit or bundle.
func (c *Client) Cost(ctx context.Context, run string, since time.Time, by string) ([]CostLine, error) {
	req := &ariav1.CostRequest{Run: run, By: by}
	if !since.IsZero() {
		req.SinceUnixMs = since.UnixMilli()
	}
	res, err := retry(ctx, c, c.ops.Cost, req)
	out := []CostLine{}
	for _, l := range res.GetLines() {
		out = append(out, CostLine{l.Name, l.Runs, l.Turns, l.InputTokens, l.OutputTokens, l.Usd, l.CpuUs, l.Unpriced, l.Uncertain, l.Estimated})
	}
	return out, err
}

// Drained is how far a drain is.
type Drained struct {
	Draining bool  `json:"draining"`
	Running  int64 `json:"running"`
	Waiting  int64 `json:"waiting"`
}

// Drain has new runs refused, or taken again.
func (c *Client) Drain(ctx context.Context, undo bool) (Drained, error) {
	res, err := retry(ctx, c, c.ops.Drain, &ariav1.DrainRequest{Undo: undo})
	return Drained{res.GetDraining(), res.GetRunning(), res.GetWaiting()}, err
}

// Backup writes an archive of both daemons' data and says how long it is.
func (c *Client) Backup(ctx context.Context, to io.Writer) (int64, error) {
	stream, err := c.ops.Backup(ctx, connect.NewRequest(&ariav1.BackupRequest{}))
	if err != nil {
		return 0, c.toFault(ctx, err)
	}
	defer stream.Close()
	var n int64
	for stream.Receive() {
		k, err := to.Write(stream.Msg().GetData())
		n += int64(k)
		if err != nil {
			return n, fault.Wrap(err, fault.Exhausted, "the backup cannot be written")
		}
	}
	return n, c.toFault(ctx, stream.Err())
}
