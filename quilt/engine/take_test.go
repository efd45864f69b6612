package engine

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
	"github.com/ariacomputecompany/firmware/token"
)

// callOf begins an execution with the tokens and gives a call of it.
func callOf(t *testing.T, l *leases, id string, tokens ...string) broker.Call {
	t.Helper()
	req := asks(t, id, tokens...)
	lease, err := l.acquire(t.Context(), req, func(Queued) { t.Errorf("%s had to wait for its authority", id) })
	if err != nil {
		t.Fatal(err)
	}
	return broker.Call{Execution: id, Unit: "u", Grant: broker.Grant{Tokens: req.tokens, Fence: lease.Fence, Take: l.taker(id)}}
}

func need(t *testing.T, text string) token.Token {
	t.Helper()
	n, err := token.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustHold(t *testing.T, c broker.Call, text string) broker.Hold {
	t.Helper()
	h, err := c.Hold(t.Context(), need(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestTakeWaitsAndShows: authority alone keeps nobody out; a lock does, with a
// fence of its own, until it is done; who waits for it is shown.
func TestTakeWaitsAndShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(scheduler.Config{Epoch: 1}, nil)
		a, b := callOf(t, l, "a", "kv:x:rw?hold=tx"), callOf(t, l, "b", "kv:x:rw?hold=tx")
		first := mustHold(t, a, "kv:x:rw")
		if first.Fence <= b.Grant.Fence {
			t.Errorf("fence %d of the lock, %d of a lease before it", first.Fence, b.Grant.Fence)
		}
		got := make(chan broker.Hold)
		go func() { got <- mustHold(t, b, "kv:x:a") }()
		synctest.Wait()
		_, waits := l.snapshot()
		if len(waits) != 1 || waits[0].Execution != "b" || waits[0].HeldBy[0] != "a" || waits[0].Blocked[0] != "kv:x:a" {
			t.Fatalf("waits %+v", waits)
		}
		if h := mustHold(t, b, "kv:x:s"); h.Token.Verb() != token.Snapshot {
			t.Errorf("a snapshot read took %s", h.Token)
		}
		first.Done()
		first.Done()
		second := <-got
		if second.Fence <= first.Fence || second.Token != need(t, "kv:x:a") {
			t.Errorf("second %s with fence %d after %d", second.Token, second.Fence, first.Fence)
		}
		l.release("b")
		second.Done()
		mustHold(t, a, "kv:x:rw").Done()
		l.release("a")
		if held, waits := l.snapshot(); len(held)+len(waits)+len(l.live) != 0 {
			t.Errorf("left: %v %v", held, waits)
		}
	})
}

// TestTakeTogether: two operations of one execution that waited for the same token
// write under one lock, so that neither makes the other stale.
func TestTakeTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(scheduler.Config{Epoch: 1}, nil)
		a, b := callOf(t, l, "a", "kv:x:rw?hold=tx"), callOf(t, l, "b", "kv:x:rw?hold=tx")
		theirs := mustHold(t, b, "kv:x:rw")
		got := make(chan broker.Hold, 2)
		for range cap(got) {
			go func() { got <- mustHold(t, a, "kv:x:rw") }()
		}
		synctest.Wait()
		theirs.Done()
		one, two := <-got, <-got
		if one.Fence != two.Fence || one.Fence <= theirs.Fence {
			t.Errorf("fences %d and %d after %d", one.Fence, two.Fence, theirs.Fence)
		}
		one.Done()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := b.Hold(ctx, need(t, "kv:x:rw")); err != context.DeadlineExceeded {
			t.Errorf("b got what a still uses: %v", err)
		}
		two.Done()
		mustHold(t, b, "kv:x:rw").Done()
	})
}

// TestTakeInside: operations inside a transaction use its lock even while another
// one of the execution waits, and the lock outlasts the transaction until they
// are done.
func TestTakeInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(scheduler.Config{Epoch: 1}, nil)
		a, b := callOf(t, l, "a", "kv:x:rw?hold=tx", "kv:y:rw?hold=tx"), callOf(t, l, "b", "kv:x:rw?hold=tx", "kv:y:rw?hold=tx")
		c := callOf(t, l, "c", "kv:y:rw?hold=tx")
		theirs := mustHold(t, c, "kv:y:rw")
		tx := mustHold(t, a, "kv:x:rw")
		var waits sync.WaitGroup
		waits.Go(func() { mustHold(t, a, "kv:y:a").Done() })
		synctest.Wait()
		inside := mustHold(t, a, "kv:x:a")
		if inside.Fence != tx.Fence || inside.Token != tx.Token {
			t.Errorf("inside %+v, transaction %+v", inside, tx)
		}
		tx.Done()
		tx.Done() // again does nothing, though another use goes on
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		waits.Go(func() {
			if _, err := b.Hold(ctx, need(t, "kv:x:r")); err != context.DeadlineExceeded {
				t.Errorf("b got x with %v", err)
			}
		})
		time.Sleep(2 * time.Second)
		inside.Done()
		mustHold(t, b, "kv:x:r").Done()
		theirs.Done()
		waits.Wait()
	})
}

// TestTakeAtOnce: many operations of one execution at the same time all get
// their turn.
func TestTakeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(scheduler.Config{Epoch: 1}, nil)
		a, b := callOf(t, l, "a", "kv:x:rw?hold=tx"), callOf(t, l, "b", "kv:x:rw?hold=tx")
		wall := mustHold(t, b, "kv:x:rw")
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() { h := mustHold(t, a, fmt.Sprintf("kv:x/%d:rw", i)); time.Sleep(time.Millisecond); h.Done() })
		}
		synctest.Wait()
		wall.Done()
		all.Wait()
		if held, waits := l.snapshot(); len(waits) != 0 || len(l.live["a"].locks) != 0 || len(held[0].Tokens) != 0 {
			t.Errorf("left: %v %v", held, waits)
		}
	})
}

// TestTakeDeadlock: the request that closes a ring is refused at once and names
// it; whoever is left goes on.
func TestTakeDeadlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(scheduler.Config{Epoch: 1}, nil)
		a, b := callOf(t, l, "a", "kv:x:rw?hold=tx", "kv:y:rw?hold=tx"), callOf(t, l, "b", "kv:x:rw?hold=tx", "kv:y:rw?hold=tx")
		ax, by := mustHold(t, a, "kv:x:rw"), mustHold(t, b, "kv:y:rw")
		refused := make(chan error, 2)
		for _, one := range []struct {
			c    broker.Call
			want string
			own  broker.Hold
		}{{a, "kv:y:rw", ax}, {b, "kv:x:rw", by}} {
			go func() {
				h, err := one.c.Hold(t.Context(), need(t, one.want))
				one.own.Done()
				if err == nil {
					h.Done()
				}
				refused <- err
			}()
		}
		errs := []error{<-refused, <-refused}
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("refused: %v", errs)
		}
		err := errs[0]
		if err == nil {
			err = errs[1]
		}
		if fault.CodeOf(err) != fault.Deadlock || !strings.Contains(err.Error(), "a waits for kv:y:rw, held by b") ||
			!strings.Contains(err.Error(), "b waits for kv:x:rw, held by a") {
			t.Errorf("the error does not name the ring: %v", err)
		}
	})
}

// TestTakeEnds: wait= ends a wait, and so does the end of who asks; neither
// leaves anything behind.
func TestTakeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(scheduler.Config{Epoch: 1}, nil)
		a, b := callOf(t, l, "a", "kv:x:rw?hold=tx"), callOf(t, l, "b", "kv:x:rw?hold=tx&wait=2s")
		h := mustHold(t, a, "kv:x:rw")
		began := time.Now()
		if _, err := b.Hold(t.Context(), need(t, "kv:x:rw")); fault.CodeOf(err) != fault.Timeout || time.Since(began) != 2*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var waits sync.WaitGroup
		waits.Go(func() {
			if _, err := b.Hold(ctx, need(t, "kv:x:r")); err != context.Canceled {
				t.Errorf("cancelled: %v", err)
			}
		})
		synctest.Wait()
		stop()
		waits.Wait()
		h.Done()
		if held, waits := l.snapshot(); len(waits) != 0 || len(held) != 2 || len(held[0].Tokens)+len(held[1].Tokens) != 0 {
			t.Errorf("left: %+v %v", held, waits)
		}
		if diff := cmp.Diff(0, len(l.live["b"].locks)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestHoldAll: several locks in one request are had together or not at all.
func TestHoldAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(scheduler.Config{Epoch: 1}, nil)
		both := []string{"kv:x:rw?hold=tx", "kv:y:rw?hold=tx"}
		a, b := callOf(t, l, "a", both...), callOf(t, l, "b", both...)
		wants := token.Set{need(t, "kv:y:rw"), need(t, "kv:x:rw")}
		var all sync.WaitGroup
		for _, c := range []broker.Call{a, b} {
			all.Go(func() {
				for range 50 {
					holds, err := c.HoldAll(t.Context(), wants)
					if err != nil || holds[0].Token != wants[0] || holds[1].Token != wants[1] {
						t.Errorf("%v, %v", holds, err)
						return
					}
					time.Sleep(time.Millisecond)
					holds[0].Done()
					holds[1].Done()
				}
			})
		}
		all.Wait()
		if _, err := a.HoldAll(t.Context(), token.Set{need(t, "kv:x:rw"), need(t, "kv:z:r")}); fault.CodeOf(err) != fault.Denied {
			t.Errorf("beyond the authority: %v", err)
		}
		if held, _ := l.snapshot(); len(held[0].Tokens)+len(held[1].Tokens) != 0 {
			t.Errorf("left: %+v", held)
		}
	})
}
