package execution

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/bundle"
)

// table is a quiltd of which only the table of tokens is asked.
type table struct {
	waiters []tokenapi.Waiter
	err     error
	looks   int
}

func (*table) Execute(context.Context, tokenapi.Request, func(tokenapi.Event) error) (tokenapi.Ended, error) {
	return tokenapi.Ended{}, errors.New("nothing runs here")
}

func (q *table) Tokens(context.Context) ([]tokenapi.Holder, []tokenapi.Waiter, error) {
	q.looks++
	return nil, q.waiters, q.err
}

func TestGive(t *testing.T) {
	mine := []tokenapi.Waiter{{Execution: "run_2.1", HeldBy: []string{"run_1.1"}}}
	for _, c := range []struct {
		shows  string
		q      table
		tokens []string
		after  time.Duration // until it is parked
		looks  int           // at most
	}{
		{"somebody waits for it", table{waiters: mine}, []string{"kv:a:rw"}, soon, 1},
		{"somebody waits for another", table{waiters: []tokenapi.Waiter{{HeldBy: []string{"run_3.1"}}}}, []string{"kv:a:rw"}, long, 30},
		{"nobody waits", table{}, []string{"kv:a:a"}, long, 30},
		{"it holds nothing", table{waiters: mine}, []string{"net:a.example:443", "kv:a:rw?hold=tx"}, long, 0},
		{"quiltd does not answer", table{err: errors.New("gone")}, []string{"kv:a:rw"}, long, 30},
	} {
		synctest.Test(t, func(t *testing.T) {
			x := New(nil, &c.q, nil)
			d := &durable{x: x, p: &plan{unit: registry.Unit{Unit: &bundle.Unit{Tokens: c.tokens}}}}
			d.current.Store("run_1.1")
			begin, parked := time.Now(), time.Duration(0)
			d.give(t.Context(), &borrower{}, func() { parked = time.Since(begin) })
			if parked != c.after || c.q.looks > c.looks {
				t.Errorf("%s: parked after %s with %d looks, want %s with at most %d", c.shows, parked, c.q.looks, c.after, c.looks)
			}
		})
	}
}

// TestGiveNothingThatIsLent: whoever waits for it, a unit keeps what its call has
// borrowed, until the call has not any more.
func TestGiveNothingThatIsLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := table{waiters: []tokenapi.Waiter{{Execution: "run_2.1", HeldBy: []string{"run_1.1"}}}}
		d := &durable{x: New(nil, &q, nil), p: &plan{unit: registry.Unit{Unit: &bundle.Unit{Tokens: []string{"kv:a:rw"}}}}}
		d.current.Store("run_1.1")
		lent := &borrower{}
		lent.has.Store(true)
		time.AfterFunc(time.Minute, func() { lent.has.Store(false) })
		begin, parked := time.Now(), time.Duration(0)
		d.give(t.Context(), lent, func() { parked = time.Since(begin) })
		if parked < time.Minute || parked > time.Minute+fresh {
			t.Errorf("parked after %s, want a minute", parked)
		}
	})
}

// TestGiveToWhatItCalls: what stands by itself below a call may wait for the very
// tokens that the caller keeps for that call, however deep it is.
func TestGiveToWhatItCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := table{waiters: []tokenapi.Waiter{{Execution: "run_3.1", HeldBy: []string{"run_1.1"}}}}
		d := &durable{x: New(nil, &q, nil), p: &plan{unit: registry.Unit{Unit: &bundle.Unit{Tokens: []string{"kv:a:a"}}}}}
		d.current.Store("run_1.1")
		ctx, lent := d.self.in(t.Context())
		lent.has.Store(true)
		below, _ := (&caller{}).in(ctx)
		time.AfterFunc(time.Minute, func() {
			if over := apart(below, nil); lent.apart.Load() != 0 {
				t.Error("what has no tokens waits for none")
			} else {
				over()
			}
			over := apart(below, []string{"kv:a:rw"})
			time.AfterFunc(time.Minute, over)
		})
		begin, parked := time.Now(), time.Duration(0)
		d.give(t.Context(), lent, func() { parked = time.Since(begin) })
		if parked < time.Minute || parked > time.Minute+2*fresh {
			t.Errorf("parked after %s, want a minute", parked)
		}
		time.Sleep(2 * time.Minute)
		if !lent.keeps() {
			t.Error("it does not keep what nobody below waits for any more")
		}
	})
}
