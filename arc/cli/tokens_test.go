package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/arc/remote"
)

func TestWaitGraph(t *testing.T) {
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
	dot := waitGraph(table)
	for _, line := range []string{`"r2.1" -> "r1.1" [label="kv:orders:r"];`, `"r3.1" -> "r2.1" [style=dashed];`} {
		if !strings.Contains(dot, line) {
			t.Errorf("the graph lacks %s:\n%s", line, dot)
		}
	}
}
