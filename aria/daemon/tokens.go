package daemon

import (
	"context"

	"github.com/ariacomputecompany/firmware/aria/api"
	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

// tokens is quiltd's word on tokens in the words of the public port.
type tokens struct{ quilt *tokenapi.Client }

func (t tokens) Tokens(ctx context.Context) (*ariav1.TokensResponse, error) {
	holders, waiters, err := t.quilt.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	return table(holders, waiters), nil
}

func table(holders []tokenapi.Holder, waiters []tokenapi.Waiter) *ariav1.TokensResponse {
	out := &ariav1.TokensResponse{}
	for _, h := range holders {
		out.Holders = append(out.Holders, &ariav1.TokenHolder{
			Execution: h.Execution, Unit: h.Unit, Tokens: h.Tokens, Fence: h.Fence, SinceUnixMs: h.Since.UnixMilli(),
			Tenant: h.Tenant, Class: h.Class,
		})
	}
	for _, w := range waiters {
		var opens int64
		if !w.Opens.IsZero() {
			opens = w.Opens.UnixMilli()
		}
		out.Waiters = append(out.Waiters, &ariav1.TokenWaiter{
			OpensUnixMs: opens, Limit: w.Limit,
			Execution: w.Execution, Unit: w.Unit, Tokens: w.Tokens, Blocked: w.Blocked, HeldBy: w.HeldBy, Behind: w.Behind,
			Position: w.Position, SinceUnixMs: w.Since.UnixMilli(), Tenant: w.Tenant, Class: w.Class,
		})
	}
	return out
}

func (t tokens) WatchTokens(ctx context.Context, after uint64, emit func(*ariav1.WatchTokensResponse) error) error {
	return t.quilt.WatchTokens(ctx, after, func(e tokenapi.TokenEvent) error {
		out := &ariav1.WatchTokensResponse{
			Seq: e.Seq, TimeUnixMs: e.Time.UnixMilli(), Kind: e.Kind, Execution: e.Execution, Unit: e.Unit, Tenant: e.Tenant,
			Tokens: e.Tokens, HeldBy: e.HeldBy, Fence: e.Fence, Reason: e.Reason,
		}
		if e.Kind == "snapshot" {
			out.Snapshot = table(e.Holders, e.Waiters)
		}
		return emit(out)
	})
}

func (t tokens) Policy(ctx context.Context) (*ariav1.PolicyResponse, error) {
	p, err := t.quilt.Policy(ctx)
	if err != nil {
		return nil, err
	}
	out := &ariav1.PolicyResponse{File: p.File, Text: p.Text, Problem: p.Problem}
	if !p.Since.IsZero() {
		out.SinceUnixMs = p.Since.UnixMilli()
	}
	return out, nil
}

// Figures are quiltd's, for monitoring.
func (t tokens) Figures(ctx context.Context) ([]api.Figure, error) {
	st, err := t.quilt.Status(ctx)
	if err != nil {
		return nil, err
	}
	c := st.Counts
	out := []api.Figure{
		{Name: "quilt_info", Help: "The version and isolation of quiltd.", Labels: map[string]string{"version": st.Version, "isolation": st.Isolation}, Value: 1},
		{Name: "quilt_executions", Help: "Executions that are live, waiting ones included.", Value: float64(st.Executions)},
		{Name: "quilt_resident_bytes", Help: "Memory of quiltd's engine.", Value: float64(st.Resident)},
		{Name: "quilt_token_sessions", Help: "Who holds or may hold tokens.", Value: float64(c.Sessions)},
		{Name: "quilt_token_waiting", Help: "Requests that wait for tokens.", Value: float64(c.Waiting)},
		{Name: "quilt_token_granted_total", Help: "Requests that were granted.", Counter: true, Value: float64(c.Granted)},
		{Name: "quilt_token_queued_total", Help: "Requests that had to wait.", Counter: true, Value: float64(c.Queued)},
		{Name: "quilt_token_released_total", Help: "Leases and locks given back.", Counter: true, Value: float64(c.Released)},
		{Name: "quilt_token_revoked_total", Help: "Preemptible executions that were asked to go.", Counter: true, Value: float64(c.Revoked)},
		{Name: "quilt_token_wait_seconds_total", Help: "How long all that was granted had waited.", Counter: true, Value: c.Waited.Seconds()},
		{Name: "quilt_token_events_total", Help: "Events of the token stream.", Counter: true, Value: float64(c.LastSeq)},
		{Name: "quilt_policy_ok", Help: "Whether the newest text of the policy holds.", Value: yes(st.PolicyProblem == "")},
	}
	for reason, n := range c.Refused {
		out = append(out, api.Figure{Name: "quilt_token_refused_total", Help: "Requests that were refused.", Counter: true,
			Labels: map[string]string{"reason": reason}, Value: float64(n)})
	}
	for _, p := range c.Pools {
		of := map[string]string{"pool": p.Name, "tenant": p.Tenant}
		out = append(out,
			api.Figure{Name: "quilt_pool_capacity", Help: "Units of a pool.", Labels: of, Value: float64(p.Capacity)},
			api.Figure{Name: "quilt_pool_used", Help: "Units in use.", Labels: of, Value: float64(p.Used)},
			api.Figure{Name: "quilt_pool_waiting", Help: "Requests with a claim on it that wait.", Labels: of, Value: float64(p.Waiting)})
	}
	return out, nil
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
