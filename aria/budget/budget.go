// Package budget keeps what a run and everything it calls may use up together:
// tokens, dollars and turns of models. Accounts form a tree as runs do. Before a
// call its worst case is set aside in the account and in all above it, and what
// was really used is booked afterwards, so that many at the same time can never
// pass a limit of any of them.
//
// It knows no run, no clock and no disk: whoever takes a run up again opens its
// account with what was used before.
package budget

import (
	"context"
	"fmt"
	"sync"

	"github.com/ariacomputecompany/firmware/llm"
)

// Amount is what a call uses, or, as a limit, the most; in a limit 0 is none.
type Amount struct {
	Tokens   int64 // in and out
	MicroUSD int64
	Steps    int64 // turns of models
}

// Plus is the sum of both.
func (a Amount) Plus(b Amount) Amount {
	return Amount{a.Tokens + b.Tokens, a.MicroUSD + b.MicroUSD, a.Steps + b.Steps}
}

func (a Amount) minus(b Amount) Amount {
	return a.Plus(Amount{-b.Tokens, -b.MicroUSD, -b.Steps})
}

// Account of one run. It may be used from many goroutines.
type Account struct {
	name   string
	parent *Account
	limit  Amount
	tree   *tree
	used   Amount // of it and all below; guarded by tree.mu
	held   Amount // set aside
}

// tree is shared by all accounts below one root.
type tree struct {
	mu      sync.Mutex
	changed chan struct{} // closed and made anew when something is settled
}

// Open makes the account of a run. name is for people ("team desk"). used is
// what it and all below it used before, which the accounts above know already.
func Open(name string, parent *Account, limit, used Amount) *Account {
	a := &Account{name: name, parent: parent, limit: limit, used: used}
	if parent != nil {
		a.tree = parent.tree
	} else {
		a.tree = &tree{changed: make(chan struct{})}
	}
	return a
}

// Ask is one call of a model that is to be made.
type Ask struct {
	Input       int64      // tokens that the prompt has at most
	Least, Want int64      // tokens of an answer: too few to be of use, and enough
	Price       *llm.Price // nil: not known; then no limit in dollars may hold
	Free        bool       // the model uses no tokens and costs nothing
}

// Hold is what was set aside for one call.
type Hold struct {
	// Output is how many tokens the answer may have; 0: nothing limits it.
	Output  int64
	account *Account
	amount  Amount
	once    sync.Once
}

// Exceeded says which limit leaves no room for a call.
type Exceeded struct {
	Account *Account
	What    string // "tokens", "usd" or "steps"
	Limit   string
	Name    string // of the account
}

func (e *Exceeded) Error() string {
	return fmt.Sprintf("the limit of %s (%s) of %s", e.What, e.Limit, e.Name)
}

// NoPrice says that a limit in dollars holds for a model without a price.
type NoPrice struct{ Name string }

func (e *NoPrice) Error() string { return e.Name + " has a budget in dollars" }

// Reserve sets one call aside, here and in every account above. While others
// that go on leave no room it waits for them. Errors: *Exceeded, *NoPrice, and
// the cause of ctx.
func (a *Account) Reserve(ctx context.Context, ask Ask) (*Hold, error) {
	for {
		a.tree.mu.Lock()
		h, wait, err := a.try(ask)
		changed := a.tree.changed
		a.tree.mu.Unlock()
		if err != nil || !wait {
			return h, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// try sets aside now, or says whether waiting may help. tree.mu is held.
func (a *Account) try(ask Ask) (h *Hold, wait bool, err error) {
	out, bounded := ask.Want, false
	for x := a; x != nil; x = x.parent {
		now, err := x.room(ask, x.used.Plus(x.held))
		if err != nil {
			later, never := x.room(ask, x.used)
			if never != nil || later.steps <= x.held.Steps {
				return nil, false, err
			}
			return nil, true, nil
		}
		bounded = bounded || now.bounded
		out = min(out, now.output)
	}
	amount := Amount{Steps: 1}
	if !bounded || ask.Free {
		out = 0
	}
	if bounded && !ask.Free {
		amount.Tokens = ask.Input + out
		if ask.Price != nil {
			amount.MicroUSD = ask.Price.Worst(ask.Input, out)
		}
	}
	for x := a; x != nil; x = x.parent {
		x.held = x.held.Plus(amount)
	}
	return &Hold{Output: out, account: a, amount: amount}, false, nil
}

// space is what one account has left for a call.
type space struct {
	output  int64
	steps   int64
	bounded bool // by tokens or dollars
}

const plenty = 1 << 50

// room is what would be left in this account if taken were gone.
func (a *Account) room(ask Ask, taken Amount) (space, error) {
	s := space{output: ask.Want, steps: plenty}
	if n := a.limit.Steps; n > 0 {
		if s.steps = n - taken.Steps; s.steps < 1 {
			return s, a.exceeded("steps", fmt.Sprint(n))
		}
	}
	if ask.Free {
		return s, nil
	}
	if n := a.limit.Tokens; n > 0 {
		s.bounded = true
		s.output = min(s.output, n-taken.Tokens-ask.Input)
		if s.output < ask.Least {
			return s, a.exceeded("tokens", fmt.Sprint(n))
		}
	}
	if n := a.limit.MicroUSD; n > 0 {
		if ask.Price == nil {
			return s, &NoPrice{a.name}
		}
		s.bounded = true
		s.output = min(s.output, affordable(*ask.Price, ask.Input, s.output, n-taken.MicroUSD))
		if s.output < ask.Least {
			return s, a.exceeded("usd", fmt.Sprintf("$%g", float64(n)/1e6))
		}
	}
	return s, nil
}

func (a *Account) exceeded(what, limit string) error {
	return &Exceeded{Account: a, What: what, Limit: limit, Name: a.name}
}

// affordable is the most tokens out, up to want, that cost at most micros.
func affordable(p llm.Price, in, want, micros int64) int64 {
	low, high := int64(-1), want // low always fits, or is no answer at all
	for low < high {
		mid := low + (high-low+1)/2
		if p.Worst(in, mid) <= micros {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low
}

// Settle books what was really used and gives back the rest.
func (h *Hold) Settle(used Amount) {
	h.once.Do(func() {
		t := h.account.tree
		t.mu.Lock()
		defer t.mu.Unlock()
		for x := h.account; x != nil; x = x.parent {
			x.held = x.held.minus(h.amount)
			x.used = x.used.Plus(used)
		}
		close(t.changed)
		t.changed = make(chan struct{})
	})
}

// Cancel gives everything back: the call was not made.
func (h *Hold) Cancel() { h.Settle(Amount{}) }

// Keep books all that was set aside: nobody knows how far the call came.
func (h *Hold) Keep() { h.Settle(h.amount) }

// Book adds what was used before, without asking whether there is room.
func (a *Account) Book(used Amount) {
	a.tree.mu.Lock()
	defer a.tree.mu.Unlock()
	for x := a; x != nil; x = x.parent {
		x.used = x.used.Plus(used)
	}
}

// Used is what this account and all below it have used.
func (a *Account) Used() Amount {
	a.tree.mu.Lock()
	defer a.tree.mu.Unlock()
	return a.used
}
