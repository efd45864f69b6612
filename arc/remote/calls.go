package remote

import (
	"context"
	"encoding/json"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// Upload stores a bundle; held says that the server had it already. accept are
// the permissions beyond those of the registered version that somebody agreed to.
// A cut connection is tried again: the same bytes give the same answer.
func (c *Client) Upload(ctx context.Context, data []byte, isolated bool, accept ...string) (b Bundle, held bool, err error) {
	mode := ariav1.IntakeMode_INTAKE_MODE_REGISTER
	if isolated {
		mode = ariav1.IntakeMode_INTAKE_MODE_ISOLATED
	}
	res, err := retry(ctx, c, c.bundles.Upload, &ariav1.UploadRequest{Bundle: data, Mode: mode, IdempotencyKey: newKey(), Accept: accept})
	if err != nil {
		return Bundle{}, false, err
	}
	return toBundle(res.GetBundle()), res.GetAlreadyHeld(), nil
}

// Remove takes a bundle out of the store.
func (c *Client) Remove(ctx context.Context, digest string) (Bundle, error) {
	res, err := retry(ctx, c, c.bundles.Remove, &ariav1.RemoveBundleRequest{Digest: digest})
	return toBundle(res.GetBundle()), err
}

// Bundles lists the stored bundles.
func (c *Client) Bundles(ctx context.Context) ([]Bundle, error) {
	res, err := retry(ctx, c, c.bundles.List, &ariav1.ListBundlesRequest{})
	out := []Bundle{}
	for _, b := range res.GetBundles() {
		out = append(out, toBundle(b))
	}
	return out, err
}

// Units lists the registered units of a kind, "" for all.
func (c *Client) Units(ctx context.Context, kind string) ([]Unit, error) {
	res, err := retry(ctx, c, c.registry.List, &ariav1.ListUnitsRequest{Kind: kind})
	out := []Unit{}
	for _, u := range res.GetUnits() {
		out = append(out, toUnit(u))
	}
	return out, err
}

// Unit finds one unit: unit, bundle#unit, bundle@version#unit, sha256:…#unit.
func (c *Client) Unit(ctx context.Context, ref string) (Unit, error) {
	res, err := retry(ctx, c, c.registry.Get, &ariav1.GetUnitRequest{Ref: ref})
	return toUnit(res.GetUnit()), err
}

// Task is what Start asks for: Input or Words, not both.
type Task struct {
	Unit     string          // as for Client.Unit
	Input    json.RawMessage // one JSON value, for the unit's schema
	Words    string          // for an agent: fills its only string
	Deadline time.Duration   // from now; 0: the unit's own
	Key      string          // idempotency key; "": a fresh one
	// The conversation that this is the next turn of, and whom the agent talks to.
	Session, User string
}

// Start accepts a task. When it returns, the run is on the server's disk. A
// cut connection is tried again under the same key, so one run comes of it.
func (c *Client) Start(ctx context.Context, t Task) (Run, error) {
	key := t.Key
	if key == "" {
		key = newKey()
	}
	res, err := retry(ctx, c, c.tasks.Start, &ariav1.StartRequest{
		Unit: t.Unit, Input: t.Input, Words: t.Words,
		DeadlineMs: t.Deadline.Milliseconds(), IdempotencyKey: key, Session: t.Session, User: t.User,
	})
	return toRun(res.GetRun()), err
}

// Run reads one run.
func (c *Client) Run(ctx context.Context, id string) (Run, error) {
	res, err := retry(ctx, c, c.tasks.Get, &ariav1.GetRunRequest{Run: id})
	return toRun(res.GetRun()), err
}

// Runs lists runs, newest first: at most limit (0: 50), older than the run
// before (""), in a state ("").
func (c *Client) Runs(ctx context.Context, limit int, before, state string) ([]Run, error) {
	res, err := retry(ctx, c, c.tasks.List, &ariav1.ListRunsRequest{Limit: int32(limit), Before: before, State: state})
	out := []Run{}
	for _, r := range res.GetRuns() {
		out = append(out, toRun(r))
	}
	return out, err
}

// Cancel asks a run to stop. Cancelling a run that ended changes nothing.
func (c *Client) Cancel(ctx context.Context, id, reason string) (Run, error) {
	res, err := retry(ctx, c, c.tasks.Cancel, &ariav1.CancelRequest{Run: id, Reason: reason})
	return toRun(res.GetRun()), err
}

// Info asks what the instance is and how it does.
func (c *Client) Info(ctx context.Context) (Info, error) {
	res, err := retry(ctx, c, c.system.Info, &ariav1.InfoRequest{})
	return Info{
		Server: c.server, Version: res.GetVersion(), QuiltReady: res.GetQuiltReady(),
		QuiltProblem: res.GetQuiltProblem(), Isolation: res.GetIsolation(), RunsOpen: res.GetRunsOpen(),
		Started: millis(res.GetStartedUnixMs()), PID: res.GetPid(), Goroutines: res.GetGoroutines(),
		OpenFiles: res.GetOpenFiles(), ResidentBytes: res.GetResidentBytes(),
		PolicyFile: res.GetPolicyFile(), PolicyProblem: res.GetPolicyProblem(),
	}, err
}

// attempts bounds how often a call is made whose connection was cut.
const attempts = 4

// retry makes a call again when the connection broke off before the answer.
// Every call of this package is a read or idempotent, so that is safe.
func retry[Q, A any](ctx context.Context, c *Client,
	call func(context.Context, *connect.Request[Q]) (*connect.Response[A], error), req *Q) (*A, error) {
	pause := 50 * time.Millisecond
	for try := 1; ; try++ {
		res, err := call(ctx, connect.NewRequest(req))
		if err == nil {
			return res.Msg, nil
		}
		if try == attempts || ctx.Err() != nil || !isCut(err) {
			return nil, c.toFault(ctx, err)
		}
		if !sleep(ctx, pause) {
			return nil, c.toFault(ctx, err)
		}
		pause *= 2
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
