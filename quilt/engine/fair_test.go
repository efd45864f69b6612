package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// TestFairness: two tenants of the same weight share what a pool has, though one
// asks ten times as much; over ten seconds Jain's index is at least 0.99.
func TestFairness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := testEngine(t, "[machine.pools]\n\"llm:openai\" = 4\n")
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		var served [2]atomic.Int64
		var all sync.WaitGroup
		for tenant, clients := range []int{8, 80} {
			for i := range clients {
				all.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						s, err := e.Open(ctx, SessionRequest{ID: fmt.Sprintf("t%d.%d.%d", tenant, i, n), Tenant: fmt.Sprint("t", tenant), Unit: "u",
							Tokens: []string{"llm:openai:gpt4"}})
						if err != nil {
							return
						}
						if h, err := s.Acquire(ctx, []string{"llm:openai:gpt4"}, broker.Spend{}, nil); err == nil {
							time.Sleep(10 * time.Millisecond)
							h.Release(broker.Spend{})
							served[tenant].Add(1)
						}
						s.Close()
					}
				})
			}
		}
		all.Wait()
		a, b := float64(served[0].Load()), float64(served[1].Load())
		jain := (a + b) * (a + b) / (2 * (a*a + b*b))
		t.Logf("%.0f and %.0f served, Jain %.5f", a, b, jain)
		if jain < 0.99 || a+b < 3900 {
			t.Errorf("%.0f and %.0f served, Jain %.5f", a, b, jain)
		}
	})
}
