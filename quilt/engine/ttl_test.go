package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/scheduler"
)

// timed is callOf for one whose tokens may end.
func timed(t *testing.T, l *leases, id string, tokens ...string) broker.Call {
	t.Helper()
	c := callOf(t, l, id, tokens...)
	c.Grant.Ends = l.ends(id)
	return c
}

// A token of a lease ends by its ttl: it allows nothing after that, what it locked
// goes to who waits under a higher fence, and tokens without a ttl stay.
func TestALeaseEndsByTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(scheduler.Config{Epoch: 1}, nil)
		began := time.Now()
		a := timed(t, l, "a", "kv:x:rw?ttl=10s", "kv:y:rw", "net:example.com:443?ttl=20s")
		mine := mustHold(t, a, "kv:x:rw")
		if !mine.Until.Equal(began.Add(10*time.Second)) || mine.Lapsed() {
			t.Errorf("it ends at %s, begun %s", mine.Until, began)
		}
		got := make(chan Lease, 1)
		go func() {
			lease, err := l.acquire(t.Context(), asks(t, "b", "kv:x:rw"), func(Queued) {})
			if err != nil {
				t.Error(err)
			}
			got <- lease
		}()
		time.Sleep(10*time.Second - time.Millisecond)
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("given to another before its end")
		}
		time.Sleep(2 * time.Millisecond)
		if b := <-got; b.Fence <= mine.Fence {
			t.Errorf("fence %d after %d", b.Fence, mine.Fence)
		}
		if _, err := a.Hold(t.Context(), need(t, "kv:x:r")); fault.CodeOf(err) != fault.Timeout || !mine.Lapsed() {
			t.Errorf("after the end: %v, lapsed %v", err, mine.Lapsed())
		}
		mustHold(t, a, "kv:y:rw")
		mustHold(t, a, "net:example.com:443")
		if _, err := a.Hold(t.Context(), need(t, "kv:z:r")); fault.CodeOf(err) != fault.Denied {
			t.Errorf("what it never had: %v", err)
		}
		time.Sleep(10 * time.Second)
		if _, err := a.Hold(t.Context(), need(t, "net:example.com:443")); fault.CodeOf(err) != fault.Timeout {
			t.Errorf("authority after its end: %v", err)
		}
		l.release("a")
		l.release("b")
	})
}

// A lock taken for a while is taken away by its ttl, counted from its own begin,
// and giving it back afterwards takes nothing from who has it then.
func TestALockEndsByTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(scheduler.Config{Epoch: 1}, nil)
		a, b := timed(t, l, "a", "lock:g:rw?hold=tx&ttl=5s"), timed(t, l, "b", "lock:g:rw?hold=tx")
		time.Sleep(time.Minute)
		one, joined := mustHold(t, a, "lock:g:rw"), mustHold(t, a, "lock:g:r")
		began := time.Now()
		other := mustHold(t, b, "lock:g:rw")
		if took := time.Since(began); took != 5*time.Second || !one.Lapsed() || !joined.Lapsed() || other.Lapsed() {
			t.Errorf("free after %s; lapsed %v %v %v", took, one.Lapsed(), joined.Lapsed(), other.Lapsed())
		}
		one.Done()
		joined.Done()
		if held, _ := l.snapshot(); len(held) != 2 || len(held[1].Tokens) != 1 {
			t.Errorf("after the old holder let go: %+v", held)
		}
		other.Done()
		mustHold(t, a, "lock:g:rw").Done()
		l.release("a")
		l.release("b")
	})
}

// What an execution calls may not use its tokens for longer than it may itself, and
// a restart changes no end.
func TestEndsAreInheritedAndCarried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases(scheduler.Config{Epoch: 1}, nil)
		a := timed(t, l, "a", "kv:x:rw?ttl=10s", "kv:y:rw", "lock:g:rw?hold=tx&ttl=30s")
		req := asks(t, "c", "kv:x:r", "kv:y:r")
		req.Standing.Parent = "a"
		if _, err := l.acquire(t.Context(), req, func(Queued) {}); err != nil {
			t.Fatal(err)
		}
		ends := l.ends("c")
		if end := ends(need(t, "kv:x:r")); time.Until(end) != 10*time.Second {
			t.Errorf("the called one's ends in %s", time.Until(end))
		}
		if end := ends(need(t, "kv:y:r")); !end.IsZero() {
			t.Errorf("what does not end ends in %s", time.Until(end))
		}
		l.release("c")
		kept := mustHold(t, a, "lock:g:rw")
		time.Sleep(4 * time.Second)
		l, a = handOver(t, l, a)
		a.Grant.Ends = l.ends("a")
		again, err := a.Reuse(kept.Keep())
		if err != nil || !again.Until.Equal(kept.Until) {
			t.Errorf("the lock ends at %s and then at %s, %v", kept.Until, again.Until, err)
		}
		time.Sleep(6 * time.Second)
		if _, err := a.Hold(t.Context(), need(t, "kv:x:r")); fault.CodeOf(err) != fault.Timeout {
			t.Errorf("after the restart: %v", err)
		}
		l.release("a")
	})
}
