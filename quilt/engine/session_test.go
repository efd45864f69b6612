package engine

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/policy"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

func testEngine(t *testing.T, text string) *Engine {
	t.Helper()
	cfg := Config{Epoch: 1, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Ledger: filepath.Join(t.TempDir(), "spent.json")}
	if text != "" {
		p, err := policy.Parse("policy.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Policy = Rules{Policy: p, Text: []byte(text)}
	}
	return New(cfg)
}

func (e *Engine) mustOpen(t *testing.T, r SessionRequest) *Session {
	t.Helper()
	if r.Unit == "" {
		r.Unit = "u"
	}
	s, err := e.Open(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustAcquire(t *testing.T, s *Session, tokens ...string) *Held {
	t.Helper()
	h, err := s.Acquire(t.Context(), tokens, broker.Spend{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestSession: a caller's own session takes and gives back, waits where others
// hold, and ends with all it holds.
func TestSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := testEngine(t, `[machine.pools]
"llm:openai" = 2`)
		a := e.mustOpen(t, SessionRequest{ID: "a", Tokens: []string{"llm:openai:gpt4#8", "kv:x:rw"}})
		b := e.mustOpen(t, SessionRequest{ID: "b", Tokens: []string{"llm:openai:gpt4"}})
		one, two := mustAcquire(t, a, "llm:openai:gpt4"), mustAcquire(t, a, "llm:openai:gpt4", "kv:x:rw")
		var told []Queued
		var third *Held
		var wait sync.WaitGroup
		wait.Go(func() {
			var err error
			if third, err = b.Acquire(t.Context(), []string{"llm:openai:gpt4"}, broker.Spend{}, func(q Queued) { told = append(told, q) }); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if len(told) != 1 || told[0].HeldBy[0] != "a" {
			t.Fatalf("told %+v", told)
		}
		one.Release(broker.Spend{})
		wait.Wait()
		if third.Fence <= two.Fence {
			t.Errorf("fence %d after %d", third.Fence, two.Fence)
		}
		if _, err := b.Acquire(t.Context(), []string{"kv:x:r"}, broker.Spend{}, nil); fault.CodeOf(err) != fault.Denied {
			t.Errorf("beyond its authority: %v", err)
		}
		if _, err := e.Open(t.Context(), SessionRequest{ID: "a", Unit: "u"}); fault.CodeOf(err) != fault.Conflict {
			t.Errorf("the same id twice: %v", err)
		}
		a.Close()
		b.Close()
		if held, waits := e.Leases(); len(held)+len(waits) != 0 {
			t.Errorf("left: %v %v", held, waits)
		}
	})
}

// TestUnitsOfOneToken: as many calls at once as the token says.
func TestUnitsOfOneToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := testEngine(t, "")
		a := e.mustOpen(t, SessionRequest{ID: "a", Tokens: []string{"llm:openai:gpt4#2"}})
		mustAcquire(t, a, "llm:openai:gpt4")
		second := mustAcquire(t, a, "llm:openai:gpt4")
		var wait sync.WaitGroup
		got := false
		wait.Go(func() { mustAcquire(t, a, "llm:openai:gpt4"); got = true })
		synctest.Wait()
		if got {
			t.Error("three calls at once")
		}
		second.Release(broker.Spend{})
		wait.Wait()
		a.Close()
	})
}

// TestAuthority: what is called may use no more than its caller, and nobody more
// than the policy says (I15).
func TestAuthority(t *testing.T) {
	e := testEngine(t, `
[tenant.default]
allow = ["kv:*:rw"]

[tenant.acme]
allow = ["kv:*:r", "llm:openai"]
class = "batch"

[namespace.shady]
allow = ["kv:shady:rw"]
`)
	e.mustOpen(t, SessionRequest{ID: "p", Tokens: []string{"kv:x:r", "kv:y:rw"}})
	for _, c := range []struct {
		shows string
		r     SessionRequest
		code  fault.Code
		says  string
	}{
		{"less than the caller", SessionRequest{ID: "c1", Tokens: []string{"kv:x/a:r"}, Standing: Standing{Parent: "p"}}, "", ""},
		{"a stronger verb", SessionRequest{ID: "c2", Tokens: []string{"kv:x:rw"}, Standing: Standing{Parent: "p"}}, fault.Denied, "u may not use kv:x:rw: u, which called it, may not"},
		{"another place", SessionRequest{ID: "c3", Tokens: []string{"kv:z:r"}, Standing: Standing{Parent: "p"}}, fault.Denied, "kv:z:r"},
		{"a caller that is not there", SessionRequest{ID: "c4", Standing: Standing{Parent: "gone"}}, fault.Cancelled, "gone"},
		{"another tenant's caller", SessionRequest{ID: "c5", Tenant: "acme", Standing: Standing{Parent: "p"}}, fault.Denied, "another tenant"},
		{"outside the tenant's list", SessionRequest{ID: "c6", Tokens: []string{"net:example.com:443"}}, fault.Denied, "tenant.default of the policy (line 2)"},
		{"a weaker verb is inside", SessionRequest{ID: "c7", Tenant: "acme", Tokens: []string{"kv:x:s", "llm:openai:gpt4"}}, "", ""},
		{"a stronger one is not", SessionRequest{ID: "c8", Tenant: "acme", Tokens: []string{"kv:x:a"}}, fault.Denied, "tenant.acme"},
		{"outside the namespace's list", SessionRequest{ID: "c9", Tokens: []string{"kv:x:r"}, Standing: Standing{Package: "shady/tool"}}, fault.Denied, "namespace.shady of the policy (line 9)"},
		{"more urgent than the tenant may be", SessionRequest{ID: "d1", Tenant: "acme", Standing: Standing{Class: "normal"}}, fault.Denied, "may not be normal"},
		{"only quiltd's own work is system", SessionRequest{ID: "d2", Standing: Standing{Class: "system"}}, fault.Denied, "may not be system"},
		{"no such class", SessionRequest{ID: "d3", Standing: Standing{Class: "urgent"}}, fault.Invalid, "urgent"},
	} {
		c.r.Unit = "u"
		_, err := e.Open(t.Context(), c.r)
		if fault.CodeOf(err) != c.code || c.says != "" && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.shows, err)
		}
	}
}

// TestCharge: rates wait, budgets refuse, and the caller's count for what it
// calls.
func TestCharge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := testEngine(t, `
[machine.limits."llm:openai"]
tokens = "1000/1m"
[tenant.default.limits."llm"]
usd_per_day = 1.5
`)
		p := e.mustOpen(t, SessionRequest{ID: "p", Tokens: []string{"llm:openai:gpt4?budget=900"}})
		c := e.mustOpen(t, SessionRequest{ID: "c", Tokens: []string{"llm:openai:gpt4?budget=900&rate=2/10s"}, Standing: Standing{Parent: "p"}})
		spend := func(s *Session, est, used broker.Spend) error {
			h, err := s.Acquire(t.Context(), []string{"llm:openai:gpt4?budget=900&rate=2/10s"}, est, nil)
			if err == nil {
				h.Release(used)
			}
			return err
		}
		began := time.Now()
		for range 3 {
			if err := spend(c, broker.Spend{Tokens: 200}, broker.Spend{Tokens: 100}); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(began); waited < 4*time.Second || waited > 10*time.Second {
			t.Errorf("three calls at two in 10 s took %s", waited)
		}
		if err := spend(p, broker.Spend{Tokens: 601}, broker.Spend{}); fault.CodeOf(err) != fault.Exhausted || !strings.Contains(err.Error(), "600 left of 900") {
			t.Errorf("more than what its call left over: %v", err)
		}
		if err := spend(p, broker.Spend{Tokens: 10, MicroUSD: 1_500_001}, broker.Spend{}); fault.CodeOf(err) != fault.Exhausted || !strings.Contains(err.Error(), "tenant default's limit of llm today") {
			t.Errorf("more than a day's money: %v", err)
		}
		if err := spend(p, broker.Spend{Tokens: 10, MicroUSD: 1_400_000}, broker.Spend{Tokens: 5, MicroUSD: 1_400_000}); err != nil {
			t.Error(err)
		}
		began = time.Now()
		if err := spend(p, broker.Spend{Tokens: 595}, broker.Spend{Tokens: 595}); err != nil || time.Since(began) > time.Minute {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		next := openLedger(e.cfg.Ledger, e.log)
		if n := len(next.spent); n != 1 {
			t.Errorf("the next start knows of %v", next.spent)
		}
		c.Close()
		p.Close()
	})
}

// TestNothingWithoutRecord: when the audit cannot be written nothing is granted,
// and what was granted a moment before is taken back.
func TestNothingWithoutRecord(t *testing.T) {
	dir := t.TempDir()
	audit, err := OpenAudit(dir, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	e := New(Config{Epoch: 1, Audit: audit, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	a := e.mustOpen(t, SessionRequest{ID: "a", Tokens: []string{"kv:x:rw"}})
	audit.mu.Lock()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	good := audit.file
	audit.file = full
	audit.mu.Unlock()
	if _, err := a.Acquire(t.Context(), []string{"kv:x:rw"}, broker.Spend{}, nil); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("granted without a record: %v", err)
	}
	if _, err := e.Open(t.Context(), SessionRequest{ID: "b", Unit: "u"}); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("opened without a record: %v", err)
	}
	if held, _ := e.Leases(); len(held) != 1 || len(held[0].Tokens) != 0 {
		t.Errorf("held: %+v", held)
	}
	audit.mu.Lock()
	audit.file = good
	audit.mu.Unlock()
	mustAcquire(t, a, "kv:x:rw")
	a.Close()
}

// TestARateIsShown: whoever waits for a rate is among those that wait, with whose
// it is and when it opens, until it goes on or gives up; nobody holds anything.
func TestARateIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := testEngine(t, "[machine.limits.\"net:api.example.com:443\"]\nrequests = \"1/1h\"")
		const rated = "net:api.example.com:443?rate=1/10s"
		a := e.mustOpen(t, SessionRequest{ID: "a", Tokens: []string{rated}})
		mustAcquire(t, a, rated).Keep()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() {
			_, err := a.Acquire(ctx, []string{rated}, broker.Spend{}, nil)
			done <- err
		}()
		synctest.Wait()
		held, waits := e.Leases()
		if len(waits) != 1 || waits[0].Execution != "a" || waits[0].Blocked[0] != rated || len(waits[0].HeldBy) != 0 ||
			!strings.Contains(waits[0].Limit, "this machine's limit of net/api.example.com/443") {
			t.Fatalf("waits %+v, held %+v", waits, held)
		}
		if in := time.Until(waits[0].Opens); in < 59*time.Minute || in > time.Hour+time.Second {
			t.Errorf("it opens in %s", in)
		}
		if err := <-done; err != context.DeadlineExceeded {
			t.Errorf("given up: %v", err)
		}
		if _, waits := e.Leases(); len(waits) != 0 {
			t.Errorf("still shown: %+v", waits)
		}
	})
}
