package remote

import (
	"context"
	"encoding/json"
	"time"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Wait is what a run waits for: a person's answer, or a moment.
type Wait struct {
	Run     string          `json:"run"`
	Unit    string          `json:"unit"`
	Role    string          `json:"role,omitempty"` // who may agree; "": a timer
	Data    json.RawMessage `json:"data,omitempty"`
	Created time.Time       `json:"created"`
	Due     *time.Time      `json:"due,omitempty"`
}

// Waits lists what runs wait for, oldest first.
func (c *Client) Waits(ctx context.Context) ([]Wait, error) {
	res, err := retry(ctx, c, c.tasks.Waits, &ariav1.WaitsRequest{})
	var out []Wait
	for _, w := range res.GetWaits() {
		x := Wait{Run: w.Run, Unit: w.Unit, Role: w.Role, Data: w.Data, Created: millis(w.CreatedUnixMs)}
		if w.DueUnixMs > 0 {
			due := millis(w.DueUnixMs)
			x.Due = &due
		}
		out = append(out, x)
	}
	return out, err
}

// Approve answers the oldest open approval of a run or of what it called, and
// returns the run that waited.
func (c *Client) Approve(ctx context.Context, id string, deny bool, reason, by string) (Run, error) {
	res, err := retry(ctx, c, c.tasks.Approve, &ariav1.ApproveRequest{Run: id, Deny: deny, Reason: reason, By: by})
	return toRun(res.GetRun()), err
}
