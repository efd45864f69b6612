package budget_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/aria/budget"
	"github.com/ariacomputecompany/firmware/llm"
)

func TestRoom(t *testing.T) {
	cheap := &llm.Price{Input: 1, Output: 2}
	for _, c := range []struct {
		name         string
		above, limit budget.Amount
		used         budget.Amount
		ask          budget.Ask
		output       int64
		exceeds      string
	}{
		{"nothing limits it", budget.Amount{}, budget.Amount{}, budget.Amount{}, budget.Ask{Input: 1e6, Least: 1, Want: 10}, 0, ""},
		{"all it wants", budget.Amount{}, budget.Amount{Tokens: 100}, budget.Amount{}, budget.Ask{Input: 10, Least: 1, Want: 50}, 50, ""},
		{"what is left", budget.Amount{}, budget.Amount{Tokens: 100}, budget.Amount{Tokens: 30}, budget.Ask{Input: 10, Least: 1, Want: 500}, 60, ""},
		{"what is left above", budget.Amount{Tokens: 50}, budget.Amount{Tokens: 100}, budget.Amount{}, budget.Ask{Input: 10, Least: 1, Want: 500}, 40, ""},
		{"less than the least", budget.Amount{}, budget.Amount{Tokens: 100}, budget.Amount{}, budget.Ask{Input: 90, Least: 20, Want: 500}, 0, "tokens"},
		{"dollars", budget.Amount{}, budget.Amount{MicroUSD: 100}, budget.Amount{}, budget.Ask{Input: 20, Least: 1, Want: 500, Price: cheap}, 40, ""},
		{"dollars above", budget.Amount{MicroUSD: 50}, budget.Amount{MicroUSD: 100}, budget.Amount{}, budget.Ask{Input: 20, Least: 16, Want: 500, Price: cheap}, 0, "usd"},
		{"steps", budget.Amount{Steps: 2}, budget.Amount{}, budget.Amount{}, budget.Ask{}, 0, ""},
		{"no steps left", budget.Amount{}, budget.Amount{Steps: 2}, budget.Amount{Steps: 2}, budget.Ask{}, 0, "steps"},
		{"a free model", budget.Amount{}, budget.Amount{Tokens: 1, MicroUSD: 1}, budget.Amount{}, budget.Ask{Free: true, Input: 1000, Least: 5, Want: 10}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := budget.Open("agent", budget.Open("team", nil, c.above, budget.Amount{}), c.limit, c.used)
			h, err := a.Reserve(t.Context(), c.ask)
			var full *budget.Exceeded
			if errors.As(err, &full) != (c.exceeds != "") || full != nil && full.What != c.exceeds {
				t.Fatalf("got %v", err)
			}
			if err == nil && h.Output != c.output {
				t.Errorf("output %d, want %d", h.Output, c.output)
			}
		})
	}
}

func TestPriceIsNeeded(t *testing.T) {
	a := budget.Open("agent", budget.Open("team", nil, budget.Amount{MicroUSD: 5}, budget.Amount{}), budget.Amount{}, budget.Amount{})
	var no *budget.NoPrice
	if _, err := a.Reserve(t.Context(), budget.Ask{}); !errors.As(err, &no) || no.Name != "team" {
		t.Errorf("got %v", err)
	}
}

// Who finds no room because of a call that goes on waits for its end.
func TestWaits(t *testing.T) {
	team := budget.Open("team", nil, budget.Amount{Tokens: 100}, budget.Amount{})
	first, err := budget.Open("a", team, budget.Amount{}, budget.Amount{}).Reserve(t.Context(), budget.Ask{Input: 10, Least: 1, Want: 1000})
	if err != nil || first.Output != 90 {
		t.Fatal(err, first)
	}
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	b := budget.Open("b", team, budget.Amount{}, budget.Amount{})
	if _, err := b.Reserve(short, budget.Ask{Input: 10, Least: 1, Want: 50}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("it did not wait: %v", err)
	}
	time.AfterFunc(10*time.Millisecond, func() { first.Settle(budget.Amount{Tokens: 30, Steps: 1}) })
	second, err := b.Reserve(t.Context(), budget.Ask{Input: 10, Least: 1, Want: 50})
	if err != nil || second.Output != 50 {
		t.Fatal(err, second)
	}
	second.Keep()
	if got := team.Used(); got != (budget.Amount{Tokens: 90, Steps: 2}) {
		t.Errorf("used %+v", got)
	}
}

// Many greedy callers at three levels never pass any limit, and none hangs.
func TestNeverPassed(t *testing.T) {
	const limit = 10_000
	root := budget.Open("root", nil, budget.Amount{Tokens: limit, Steps: 200}, budget.Amount{})
	var all sync.WaitGroup
	for i := range 8 {
		mid := budget.Open("mid", root, budget.Amount{Tokens: limit / 4}, budget.Amount{})
		for j := range 4 {
			leaf := budget.Open("leaf", mid, budget.Amount{}, budget.Amount{})
			r := rand.New(rand.NewPCG(uint64(i), uint64(j)))
			all.Go(func() {
				for range 100 {
					in := r.Int64N(200)
					h, err := leaf.Reserve(t.Context(), budget.Ask{Input: in, Least: 1, Want: 500})
					if err != nil {
						return
					}
					h.Settle(budget.Amount{Tokens: in + r.Int64N(h.Output+1), Steps: 1})
					if u := mid.Used(); u.Tokens > limit/4 {
						t.Errorf("mid used %d", u.Tokens)
					}
				}
			})
		}
	}
	all.Wait()
	if u := root.Used(); u.Tokens > limit || u.Steps > 200 || u.Tokens < limit/2 && u.Steps < 200 {
		t.Errorf("used %+v", u)
	}
}
