package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
)

// handOver is the leases of another engine in which id goes on.
func handOver(t *testing.T, from *leases, c broker.Call) (*leases, broker.Call) {
	t.Helper()
	held, _ := from.snapshot()
	kept := Carried{Lease: Lease{Execution: c.Execution, Fence: c.Grant.Fence, Since: held[0].Since}, Locks: from.locked(c.Execution)}
	locks, err := kept.locks()
	if err != nil {
		t.Fatal(err)
	}
	to := newLeases(scheduler.Config{Epoch: 1}, nil)
	to.setFence(from.fence())
	req := asks(t, c.Execution, c.Grant.Tokens.Strings()...)
	lease, ok := to.restore(req, kept.Lease, held[0].Fence, locks)
	if !ok {
		t.Fatal("the locks cannot be had again")
	}
	c.Grant.Fence, c.Grant.Take, c.Grant.Retake = lease.Fence, to.taker(c.Execution), to.reuse(c.Execution)
	after, _ := to.snapshot()
	if diff := cmp.Diff(held, after); diff != "" {
		t.Errorf("the table changed: %s", diff)
	}
	return to, c
}

// A lock with two uses goes to another engine: it keeps its fence, nobody gets it
// between the two uses, and it is free after the second, once.
func TestLocksGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(scheduler.Config{Epoch: 1}, nil)
		a := callOf(t, l, "a", "kv:x:rw?hold=tx", "lock:g:rw?hold=tx", "kv:y:rw")
		one := mustHold(t, a, "lock:g:rw")
		two := mustHold(t, a, "lock:g:r")
		l, a = handOver(t, l, a)
		uses := make([]broker.Hold, 2)
		for i, k := range []broker.Kept{one.Keep(), two.Keep()} {
			h, err := a.Reuse(k)
			if err != nil {
				t.Fatal(err)
			}
			if h.Fence != one.Fence || h.Token != one.Token {
				t.Errorf("use %d is of %s under %d, and was of %s under %d", i, h.Token, h.Fence, one.Token, one.Fence)
			}
			uses[i] = h
		}
		b := callOf(t, l, "b", "lock:g:rw?hold=tx")
		got := make(chan broker.Hold, 1)
		go func() { got <- mustHold(t, b, "lock:g:rw") }()
		for i, h := range uses {
			synctest.Wait()
			if len(got) > 0 {
				t.Fatalf("another has the lock, and %d uses go on", 2-i)
			}
			h.Done()
			h.Done()
		}
		if h := <-got; h.Fence <= one.Fence {
			t.Errorf("the next holder's fence is %d, after %d", h.Fence, one.Fence)
		}
	})
}

// A lock that no service takes up is kept to the end of its execution, and what
// was not held before is not held after.
func TestLocksNobodyTakesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(scheduler.Config{Epoch: 1}, nil)
		a := callOf(t, l, "a", "lock:g:rw?hold=tx", "kv:y:rw")
		kept := mustHold(t, a, "lock:g:rw").Keep()
		l, a = handOver(t, l, a)
		for _, k := range []broker.Kept{{Token: kept.Token, Fence: kept.Fence + 1}, {Token: "lock:h:rw", Fence: kept.Fence}, {Token: "what"}} {
			if _, err := a.Reuse(k); fault.CodeOf(err) != fault.Interrupted {
				t.Errorf("%v, which was not held: %v", k, err)
			}
		}
		if h, err := a.Reuse(broker.Kept{Token: "kv:y:rw", Fence: a.Grant.Fence}); err != nil || h.Fence != a.Grant.Fence {
			t.Errorf("what the lease holds: %v, %v", h, err)
		}
		b := callOf(t, l, "b", "lock:g:rw?hold=tx")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := b.Hold(ctx, need(t, "lock:g:rw")); err != context.DeadlineExceeded {
			t.Errorf("the lock of one that goes on: %v", err)
		}
		l.release("a")
		mustHold(t, b, "lock:g:rw").Done()
	})
}
