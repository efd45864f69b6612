package api

import (
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

func TestWhy(t *testing.T) {
	minute := time.Now().Add(-time.Minute).UnixMilli()
	due := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	table := &ariav1.TokensResponse{
		Holders: []*ariav1.TokenHolder{{Run: "r1", Execution: "r1.1", Unit: "orders.sync", Tokens: []string{"kv:orders:rw"}, SinceUnixMs: minute}},
		Waiters: []*ariav1.TokenWaiter{
			{Run: "r2", Execution: "r2.1", Unit: "orders.get", Blocked: []string{"kv:orders:r"}, HeldBy: []string{"r1.1"}, Position: 1, SinceUnixMs: minute},
			{Run: "r3", Execution: "r3.1", Unit: "orders.get", Blocked: []string{"kv:orders:r"}, Behind: []string{"r2.1"}, Position: 2, SinceUnixMs: minute},
			{Run: "r6", Execution: "r6.1", Unit: "orders.get", Blocked: []string{"net:api.example.com:443?rate=2/1h"}, SinceUnixMs: minute,
				OpensUnixMs: time.Now().Add(29 * time.Minute).UnixMilli(), Limit: "net:api.example.com:443?rate=2/1h of orders.get"},
		},
	}
	for _, c := range []struct {
		run    task.ID
		reason task.Reason
		want   string
	}{
		{"r1", task.Reason{}, "r1 waits for no token: orders.sync runs and has held kv:orders:rw for 1m0s"},
		{"r2", task.Reason{}, "r2 has waited 1m0s for kv:orders:r, held by r1 (orders.sync) for 1m0s; it goes on when they end, or at once after: arc cancel r1"},
		{"r3", task.Reason{}, "r3 has waited 1m0s for kv:orders:r; nobody holds it, but r2 asked earlier and goes first; it is number 2 in the queue"},
		{"r4", task.Reason{}, "r4 waits for no token: it is running"},
		{"r6", task.Reason{}, "r6 has waited 1m0s for net:api.example.com:443?rate=2/1h; nobody holds it, but net:api.example.com:443?rate=2/1h of orders.get is used up for now; it goes on in 29m0s, or earlier if that is raised"},
		{"r4", task.Reason{For: "turn", Of: `a#b with "x"`, HeldBy: []task.ID{"r1"}, Position: 2},
			`r4 waits for its turn: a#b with "x" is bounded, and r1 goes first; it is number 2 in the line, and goes on when they end, or at once after: arc cancel r1`},
		{"r4", task.Reason{For: "slot", Position: 3}, "r4 waits for a slot: as many tools run as ariad lets run at once; it is number 3 in the line"},
		{"r4", task.Reason{For: "approval", Role: "role:finance", Due: due}, "r4 waits for role:finance to agree until 2026-01-02T03:04:05Z: arc approve r4"},
		{"r4", task.Reason{For: "timer", Due: due}, "r4 sleeps until 2026-01-02T03:04:05Z"},
		{"r4", task.Reason{For: "child", Unit: "orders.get", HeldBy: []task.ID{"r5"}}, "r4 waits for what it called: r5 (orders.get); ask why of that"},
	} {
		out := &ariav1.WhyResponse{}
		explain(out, task.Run{ID: c.run, Kind: bundle.Tool, State: task.Running}, c.reason, table)
		if waits := c.reason.For != "" || c.run == "r2" || c.run == "r3" || c.run == "r6"; out.Sentence != c.want || out.Waits != waits || waits != (out.For != "") {
			t.Errorf("why %s: waits %v for %q:\n got %s\nwant %s", c.run, out.Waits, out.For, out.Sentence, c.want)
		}
	}
}
