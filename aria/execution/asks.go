package execution

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// long is when a call of another unit counts as long at the latest: the container
// that waits for it may then go, and comes back with the answer.
const long = 5 * time.Second

// asks are the questions of one attempt that only ariad can answer. They live
// longer than the executions that ask them.
type asks struct {
	d *durable

	mu    sync.Mutex
	calls map[int64]*asked
	news  chan struct{} // closed and made anew when one is answered
}

type asked struct {
	ID   int64           `json:"id"`
	Op   string          `json:"op"`
	Args json.RawMessage `json:"args"`

	long  bool
	done  bool
	value json.RawMessage
	err   error
	live  *tokenapi.Ask // who asks now
}

func newAsks(d *durable) *asks {
	return &asks{d: d, calls: map[int64]*asked{}, news: make(chan struct{})}
}

// take begins to answer, or goes on where an earlier execution asked the same.
func (a *asks) take(q tokenapi.Ask) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.calls[q.ID]
	if c == nil || c.Op != q.Op || !bytes.Equal(c.Args, q.Args) {
		c = &asked{ID: q.ID, Op: q.Op, Args: q.Args}
		a.begin(c)
	}
	c.live = &q
	switch {
	case c.done:
		q.Done(c.value, c.err)
	case c.long:
		q.Park()
	}
}

// begin answers beside everything else. a.mu is held.
func (a *asks) begin(c *asked) {
	a.calls[c.ID] = c
	go func() {
		value, err := a.d.answer(a.d.ctx(), c, func() { a.park(c) })
		if err != nil && a.d.ctx().Err() != nil {
			return // the run stops: nobody needs the answer
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		c.done, c.value, c.err = true, value, err
		if c.live != nil {
			c.live.Done(value, err)
		}
		close(a.news)
		a.news = make(chan struct{})
	}()
}

func (a *asks) park(c *asked) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.long = true; c.live != nil && !c.done {
		c.live.Park()
	}
}

// open are the questions without an answer; answered says whether others have
// one that no execution has heard.
func (a *asks) open() (open []*asked, news chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.calls {
		if !c.done {
			open = append(open, c)
		}
	}
	return open, a.news
}

// suspend lets the run wait without a container until there is an answer.
func (a *asks) suspend(ctx context.Context) error {
	open, news := a.open()
	a.mu.Lock()
	for _, c := range a.calls {
		c.live = nil
	}
	n := len(a.calls)
	a.mu.Unlock()
	if len(open) == 0 || a.answered(n, open) {
		return nil
	}
	if err := a.d.job.Remember("parked/"+a.d.scope, open); err != nil {
		return err
	}
	return a.sleep(ctx, news)
}

// answered: one of those that were open at the end has an answer by now.
func (a *asks) answered(n int, open []*asked) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := 0
	for _, c := range open {
		if c.done {
			return true
		}
		left++
	}
	return left == 0
}

func (a *asks) sleep(ctx context.Context, news chan struct{}) error {
	err := a.d.job.Suspend(ctx, func(ctx context.Context) error {
		select {
		case <-news:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	if err != nil {
		return err
	}
	return a.d.job.Note("parked/"+a.d.scope, []asked{})
}

// takeUp goes on waiting where another process left off: no container is needed
// before there is an answer.
func (a *asks) takeUp(ctx context.Context) error {
	raw, err := a.d.job.Recall(ctx, "parked/"+a.d.scope)
	if err != nil || raw == nil {
		return err
	}
	var list []*asked
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("parked calls of %s: %w", a.d.job.Run, err)
	}
	if len(list) == 0 {
		return nil
	}
	a.mu.Lock()
	news := a.news
	for _, c := range list {
		c.long = true
		a.begin(c)
	}
	a.mu.Unlock()
	return a.sleep(ctx, news)
}

// answer is what the run's own operations do (docs/spec/harness.md).
func (d *durable) answer(ctx context.Context, c *asked, park func()) (json.RawMessage, error) {
	name := fmt.Sprintf("%s/%d", d.scope, c.ID)
	switch c.Op {
	case "run.call":
		ctx, over := context.WithCancel(ctx)
		defer over()
		ctx, lent := d.self.in(ctx)
		go d.give(ctx, lent, park)
		return d.call(ctx, c.Args, name)
	case "run.approve":
		return d.approve(ctx, c.Args, name, park)
	case "run.sleep":
		return d.sleep(ctx, c.Args, name, park)
	}
	return nil, fault.New(fault.Unimplemented, "ariad has no operation %q", c.Op).
		WithHint("the unit may have been built for a later one")
}

var errNoArgs = errors.New("arguments")

func readArgs(raw json.RawMessage, op string, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return fault.Wrap(fmt.Errorf("%w: %w", errNoArgs, err), fault.Invalid, "the arguments of %s are not valid", op).WithHint("use @aria/sdk")
	}
	return nil
}
