package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/arc/remote"
)

func TestWhy(t *testing.T) {
	minute := time.Now().Add(-time.Minute)
	table := remote.Tokens{
		Holders: []remote.TokenHolder{{Run: "r1", Execution: "r1.1", Unit: "orders.sync", Tokens: []string{"kv:orders:rw"}, Since: minute}},
		Waiters: []remote.TokenWaiter{
			{Run: "r2", Execution: "r2.1", Unit: "orders.get", Blocked: []string{"kv:orders:r"}, HeldBy: []string{"r1.1"}, Position: 1, Since: minute},
			{Run: "r3", Execution: "r3.1", Unit: "orders.get", Blocked: []string{"kv:orders:r"}, Behind: []string{"r2.1"}, Position: 2, Since: minute},
			{Run: "r5", Execution: "r5.1", Unit: "orders.get", Blocked: []string{"net:api.example.com:443?rate=2/1h"}, Since: minute,
				Opens: time.Now().Add(29 * time.Minute), Limit: "net:api.example.com:443?rate=2/1h of orders.get"},
		},
	}
	for run, want := range map[string]string{
		"r1": "r1 waits for no token: orders.sync runs and has held kv:orders:rw for 1m0s",
		"r2": "r2 has waited 1m0s for kv:orders:r, held by r1 (orders.sync) for 1m0s; it goes on when they end, or at once after: arc cancel r1",
		"r3": "r3 has waited 1m0s for kv:orders:r; nobody holds it, but r2 asked earlier and goes first; it is number 2 in the queue",
		"r5": "r5 has waited 1m0s for net:api.example.com:443?rate=2/1h; nobody holds it, but net:api.example.com:443?rate=2/1h of orders.get is used up for now; it goes on in 29m0s, or earlier if that is raised",
		"r4": "r4 waits for no token: it is done",
	} {
		if got := because(remote.Run{ID: run, State: "done"}, table); got.Sentence != want || got.Waits != (got.Waiter != nil) {
			t.Errorf("why %s:\n got %s\nwant %s", run, got.Sentence, want)
		}
	}
	dot := waitGraph(table)
	for _, line := range []string{`"r2.1" -> "r1.1" [label="kv:orders:r"];`, `"r3.1" -> "r2.1" [style=dashed];`} {
		if !strings.Contains(dot, line) {
			t.Errorf("the graph lacks %s:\n%s", line, dot)
		}
	}
}
