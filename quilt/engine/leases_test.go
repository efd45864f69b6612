package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

func asks(t *testing.T, id string, tokens ...string) checked {
	t.Helper()
	set, err := token.ParseSet(tokens)
	if err != nil {
		t.Fatal(err)
	}
	return checked{Request: Request{Execution: id, Unit: "u"}, tokens: set}
}

func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(3, nil)
		first, err := l.acquire(t.Context(), asks(t, "a", "kv:x:rw"), func(Queued) { t.Error("nobody is before a") })
		if err != nil || first.Fence <= 3<<40 {
			t.Fatal(first, err)
		}
		got := make(chan Lease)
		var queued []Queued
		go func() {
			lease, _ := l.acquire(context.Background(), asks(t, "b", "kv:x:r"), func(q Queued) { queued = append(queued, q) })
			got <- lease
		}()
		synctest.Wait()
		if len(queued) != 1 || queued[0].HeldBy[0] != "a" || queued[0].WaitsFor[0] != "kv:x:r" {
			t.Fatalf("queued %+v", queued)
		}
		held, waits := l.snapshot()
		if len(held) != 1 || len(waits) != 1 || waits[0].Execution != "b" || waits[0].HeldBy[0] != "a" || waits[0].Unit != "u" {
			t.Fatalf("held %+v, waits %+v", held, waits)
		}
		ctx, stop := context.WithTimeoutCause(t.Context(), time.Second, fault.New(fault.Timeout, "too long"))
		defer stop()
		if _, err := l.acquire(ctx, asks(t, "c", "kv:x:rw"), func(Queued) {}); fault.CodeOf(err) != fault.Timeout {
			t.Fatalf("c got %v", err)
		}
		l.release("a")
		if second := <-got; second.Fence <= first.Fence {
			t.Errorf("fences %d, then %d", first.Fence, second.Fence)
		}
		l.release("b")
		if held, waits := l.snapshot(); len(held)+len(waits)+len(l.live) != 0 {
			t.Errorf("left: %v %v %v", held, waits, l.live)
		}
	})
}
