package remote

import (
	"context"
	"encoding/json"

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
