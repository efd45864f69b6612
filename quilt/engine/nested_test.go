package engine

import (
	"testing"
	"testing/synctest"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// TestNested: what is called is lent what its caller holds and writes with its
// fence; the caller may go on meanwhile, and ends after it.
func TestNested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := testEngine(t, "")
		p := e.mustOpen(t, SessionRequest{ID: "p", Tokens: []string{"kv:x:rw", "kv:y:rw"}})
		lock := mustAcquire(t, p, "kv:x:rw")
		ended := make(chan string, 1)
		var c *Session
		c = e.mustOpen(t, SessionRequest{ID: "c", Tokens: []string{"kv:x:rw", "kv:y:rw"}, Standing: Standing{Parent: "p"},
			Revoked: func(by string) { c.Close(); ended <- by }})
		lent, own := mustAcquire(t, c, "kv:x/a:rw"), mustAcquire(t, c, "kv:y:rw")
		if lent.Fence != lock.Fence {
			t.Errorf("the lent lock has fence %d, its owner's %d", lent.Fence, lock.Fence)
		}
		if own.Fence <= lock.Fence {
			t.Errorf("its own lock has fence %d, after %d", own.Fence, lock.Fence)
		}
		o := e.mustOpen(t, SessionRequest{ID: "o", Tokens: []string{"kv:x:rw"}})
		got := make(chan *Held)
		go func() { got <- mustAcquire(t, o, "kv:x:rw") }()
		synctest.Wait()
		mustAcquire(t, p, "kv:x/b:rw").Release(broker.Spend{})
		lock.Release(broker.Spend{})
		synctest.Wait()
		if _, waits := e.Leases(); len(waits) != 1 || waits[0].HeldBy[0] != "c" {
			t.Errorf("after its owner gave the lock back: %+v", waits)
		}
		p.Close()
		if by := <-ended; by == "" {
			t.Error("it was not told why it ends")
		}
		if h := <-got; h.Fence <= own.Fence {
			t.Errorf("the next holder has fence %d after %d", h.Fence, own.Fence)
		}
		o.Close()
		if held, waits := e.Leases(); len(held)+len(waits) != 0 {
			t.Errorf("left: %v %v", held, waits)
		}
	})
}

// TestPreempted: who may be ended is asked to go when somebody more urgent waits
// for what it holds, and nobody else is.
func TestPreempted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := testEngine(t, "[tenant.default]\nclass = \"interactive\"\n[tenant.slow]\nclass = \"batch\"\npreemptible = true\n[machine.pools]\n\"llm\" = 1\n")
		told := make(chan string, 1)
		var slow *Session
		slow = e.mustOpen(t, SessionRequest{ID: "slow", Tenant: "slow", Tokens: []string{"llm:a:b"}, Revoked: func(by string) { told <- by; slow.Close() }})
		mustAcquire(t, slow, "llm:a:b")
		fast := e.mustOpen(t, SessionRequest{ID: "fast", Tokens: []string{"llm:a:b"}, Standing: Standing{Class: "interactive"}})
		mustAcquire(t, fast, "llm:a:b")
		if by := <-told; by != "fast" {
			t.Errorf("it was ended for %q", by)
		}
		if _, err := slow.Acquire(t.Context(), []string{"llm:a:b"}, broker.Spend{}, nil); fault.CodeOf(err) != fault.Cancelled {
			t.Errorf("a session that has ended: %v", err)
		}
		fast.Close()
	})
}
