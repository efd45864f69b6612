package api

import (
	quiltv1 "github.com/ariacomputecompany/firmware/proto/gen/quilt/v1"
	"github.com/ariacomputecompany/firmware/quilt/engine"
)

// holders is the table of leases and waits.
func holders(leases []engine.Lease, waits []engine.Wait) *quiltv1.LeasesResponse {
	out := &quiltv1.LeasesResponse{}
	for _, l := range leases {
		out.Leases = append(out.Leases, &quiltv1.Lease{
			Id: l.ID, Execution: l.Execution, Unit: l.Unit, Tokens: l.Tokens, Fence: l.Fence, SinceUnixMs: l.Since.UnixMilli(),
			Tenant: l.Tenant, Class: l.Class,
		})
	}
	for _, w := range waits {
		all := append(append([]string{}, w.HeldBy...), w.Behind...)
		var opens int64
		if !w.Opens.IsZero() {
			opens = w.Opens.UnixMilli()
		}
		out.Waits = append(out.Waits, &quiltv1.Wait{
			OpensUnixMs: opens, Limit: w.Limit,
			Execution: w.Execution, Unit: w.Unit, Tokens: w.Tokens, WaitsFor: all, SinceUnixMs: w.Since.UnixMilli(),
			Tenant: w.Tenant, Class: w.Class, Blocked: w.Blocked, HeldBy: w.HeldBy, Behind: w.Behind, Position: int64(w.Position),
		})
	}
	return out
}

func news(n engine.TokenNews) *quiltv1.WatchResponse {
	if n.Snapshot {
		return &quiltv1.WatchResponse{Seq: n.Seq, TimeUnixMs: n.Time.UnixMilli(), Kind: "snapshot", Snapshot: holders(n.Leases, n.Waits)}
	}
	return &quiltv1.WatchResponse{
		Seq: n.Seq, TimeUnixMs: n.Time.UnixMilli(), Kind: n.Kind, Execution: n.Execution, Unit: n.Unit, Tenant: n.Tenant,
		Tokens: n.Tokens, HeldBy: n.HeldBy, Fence: n.Fence, Reason: n.Reason,
	}
}
