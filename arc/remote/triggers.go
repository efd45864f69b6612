package remote

import (
	"context"
	"encoding/json"
	"time"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Trigger is what starts one unit without anybody asking for a run.
type Trigger struct {
	Unit    string     `json:"unit"` // bundle#unit
	Kind    string     `json:"kind"`
	On      []string   `json:"on,omitempty"`
	EveryMS int64      `json:"everyMs,omitempty"`
	Cron    string     `json:"cron,omitempty"`
	Zone    string     `json:"zone,omitempty"`
	HTTP    string     `json:"http,omitempty"`
	Secret  string     `json:"secret,omitempty"`
	Paused  bool       `json:"paused"`
	Next    *time.Time `json:"next,omitempty"`
	LastRun string     `json:"lastRun,omitempty"`
	Last    *time.Time `json:"last,omitempty"`
	Problem string     `json:"problem,omitempty"`
}

// Delivery is what an event came to at one unit.
type Delivery struct {
	Unit    string `json:"unit"`
	Run     string `json:"run,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// Emitted is an event that was taken in.
type Emitted struct {
	ID         string     `json:"id"`
	Repeated   bool       `json:"repeated"`
	Deliveries []Delivery `json:"deliveries"`
}

// Emit sends an event. Without an id it gets one here, so that a call that is
// tried again is one event.
func (c *Client) Emit(ctx context.Context, name, id string, input json.RawMessage) (Emitted, error) {
	if id == "" {
		id = newKey()
	}
	res, err := retry(ctx, c, c.triggers.Emit, &ariav1.EmitRequest{Name: name, Id: id, Input: input})
	out := Emitted{ID: res.GetId(), Repeated: res.GetRepeated(), Deliveries: []Delivery{}}
	for _, d := range res.GetDeliveries() {
		out.Deliveries = append(out.Deliveries, Delivery{d.Unit, d.Run, d.Problem})
	}
	return out, err
}

// Triggers lists what starts units, in the order of their names.
func (c *Client) Triggers(ctx context.Context) ([]Trigger, error) {
	res, err := retry(ctx, c, c.triggers.List, &ariav1.ListTriggersRequest{})
	out := []Trigger{}
	for _, t := range res.GetTriggers() {
		out = append(out, oneTrigger(t))
	}
	return out, err
}

// PauseTriggers keeps the triggers of a unit from starting it, or lets them again.
func (c *Client) PauseTriggers(ctx context.Context, unit string, resume bool) (Trigger, error) {
	res, err := retry(ctx, c, c.triggers.Pause, &ariav1.PauseTriggersRequest{Unit: unit, Resume: resume})
	return oneTrigger(res.GetTrigger()), err
}

func oneTrigger(t *ariav1.Trigger) Trigger {
	out := Trigger{Unit: t.GetUnit(), Kind: t.GetKind(), On: t.GetOn(), EveryMS: t.GetEveryMs(), Cron: t.GetCron(), Zone: t.GetZone(),
		HTTP: t.GetHttp(), Secret: t.GetSecret(), Paused: t.GetPaused(), LastRun: t.GetLastRun(), Problem: t.GetProblem()}
	if ms := t.GetNextUnixMs(); ms > 0 {
		at := millis(ms)
		out.Next = &at
	}
	if ms := t.GetLastUnixMs(); ms > 0 {
		at := millis(ms)
		out.Last = &at
	}
	return out
}

// Why is what a run waits for, and what would free it.
type Why struct {
	Run      string       `json:"run"`
	State    string       `json:"state"`
	Waits    bool         `json:"waits"`
	For      string       `json:"for,omitempty"` // tokens | approval | timer | turn | slot | child
	HeldBy   []string     `json:"heldBy,omitempty"`
	Sentence string       `json:"sentence"`
	Waiter   *TokenWaiter `json:"waiter,omitempty"`
}

// Why asks what a run waits for.
func (c *Client) Why(ctx context.Context, run string) (Why, error) {
	res, err := retry(ctx, c, c.tasks.Why, &ariav1.WhyRequest{Run: run})
	out := Why{Run: res.GetRun(), State: res.GetState(), Waits: res.GetWaits(), For: res.GetFor(), HeldBy: res.GetHeldBy(), Sentence: res.GetSentence()}
	if w := res.GetWaiter(); w != nil {
		one := toTokens(&ariav1.TokensResponse{Waiters: []*ariav1.TokenWaiter{w}}).Waiters[0]
		out.Waiter = &one
	}
	return out, err
}
