package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

const (
	// moveTime is how long all executions together may take to come to rest.
	moveTime = 5 * time.Second
	// reattachTime is how long a carried execution goes on with nobody listening.
	reattachTime = 10 * time.Second
)

// State is everything one engine leaves to the next at a planned restart. It
// crosses as JSON; containers and their descriptors go through the launcher.
type State struct {
	Epoch      uint64
	Fence      uint64 // the highest that was given
	Executions []Carried
	Parked     []uint64 // numbers of containers
}

// Carried is one execution between two engines: waiting for its tokens, or in
// its container.
type Carried struct {
	Request Request
	Began   time.Time
	Events  []carriedEvent

	Waits     bool
	Asked     time.Time // waits: since when
	Lease     Lease
	Shown     uint64                     // the fence that the table shows
	Locks     []carriedLock              // held beside the lease
	Open      map[string]json.RawMessage `json:",omitempty"` // what services have open, by scheme
	Granted   time.Time
	Container uint64
	Start     string
	Session   *broker.Carry
	Log       broker.LogCarry
}

// carriedEvent is an Event whose fault crosses without its cause.
type carriedEvent struct {
	Event
	Fault *carriedFault `json:",omitempty"`
}

type carriedFault struct {
	Code                 fault.Code
	Message, Hint, Stack string
}

func carryEvents(events []Event) (out []carriedEvent) {
	for _, e := range events {
		c := carriedEvent{Event: e}
		if e.Ended != nil && e.Ended.Fault != nil {
			f, end := e.Ended.Fault, *e.Ended
			c.Fault = &carriedFault{f.Code, f.Message, f.Hint, f.Stack}
			end.Fault = nil
			c.Ended = &end
		}
		out = append(out, c)
	}
	return out
}

func (c Carried) events() (out []Event) {
	for _, e := range c.Events {
		if e.Fault != nil {
			e.Ended.Fault = &fault.Error{Code: e.Fault.Code, Message: e.Fault.Message, Hint: e.Fault.Hint, Stack: e.Fault.Stack}
		}
		out = append(out, e.Event)
	}
	return out
}

// errAgain is what a request hears that came while the engine was leaving:
// nothing of it began.
var errAgain = fault.Wrap(errMoved, fault.Unavailable, "quiltd is being replaced").WithHint("ask again: the next one is there in a moment")

// Moved says that err is about a planned restart. begun: the execution goes on,
// and Attach finds it; else nothing began.
func Moved(err error) (is, begun bool) {
	if err == errMoved {
		return true, true
	}
	return err == error(errAgain), false
}

// Leave brings every execution to rest and says what the next engine needs.
// Containers that go along were left with the machine. After it the engine
// takes nothing any more, and must end.
func (e *Engine) Leave(parked []*Container) (state State, err error) {
	e.mu.Lock()
	e.moving = true
	live := make([]*execution, 0, len(e.live))
	for _, x := range e.live {
		live = append(live, x)
	}
	e.mu.Unlock()
	asked := map[string]time.Time{} // as it is shown: the next engine shows the same
	_, waiting := e.leases.snapshot()
	for _, w := range waiting {
		asked[w.Execution] = w.Since
	}
	close(e.freeze)
	timeout := time.After(moveTime)
	for _, x := range live {
		select {
		case <-x.rest:
		case <-timeout:
			return State{}, fmt.Errorf("execution %s did not come to rest", x.req.Execution)
		}
	}
	slices.SortFunc(live, func(a, b *execution) int { return int(a.order) - int(b.order) })
	state = State{Epoch: e.cfg.Epoch, Fence: e.leases.fence()}
	shown := map[string]Lease{}
	held, _ := e.leases.snapshot()
	for _, h := range held {
		shown[h.Execution] = h
	}
	for _, x := range live {
		if x.carried == nil {
			continue // it ended
		}
		if x.box != nil {
			if err := x.box.Leave(); err != nil {
				return State{}, fmt.Errorf("container of %s: %w", x.req.Execution, err)
			}
		}
		if since, ok := asked[x.req.Execution]; ok && x.carried.Waits {
			x.carried.Asked = since
		}
		x.carried.Locks = e.leases.locked(x.req.Execution)
		x.carried.Lease.Since, x.carried.Shown = shown[x.req.Execution].Since, shown[x.req.Execution].Fence
		if x.carried.Open, err = e.opened(x.req.Execution); err != nil {
			return State{}, fmt.Errorf("what %s has open: %w", x.req.Execution, err)
		}
		x.carried.Events = carryEvents(x.tape.all()) // with what was spent on answers that end here
		state.Executions = append(state.Executions, *x.carried)
	}
	for _, c := range parked {
		if err := c.Leave(); err != nil {
			return State{}, fmt.Errorf("parked container: %w", err)
		}
		state.Parked = append(state.Parked, c.Number)
	}
	for _, x := range live {
		if x.carried != nil {
			x.tape.close(moved)
		}
	}
	return state, nil
}

// Resume takes up what another engine left. boxes are its containers by number.
// It comes before the first Execute.
func (e *Engine) Resume(state State, boxes map[uint64]*Container) error {
	e.leases.setFence(state.Fence)
	// First what is held, in the order of the grants, then what waits for it, in
	// the order it came.
	slices.SortStableFunc(state.Executions, func(a, b Carried) int {
		switch {
		case !a.Waits && b.Waits:
			return -1
		case a.Waits && !b.Waits:
			return 1
		}
		if !a.Waits {
			return cmp.Compare(a.Lease.Fence, b.Lease.Fence)
		}
		return a.Asked.Compare(b.Asked)
	})
	var all []*execution
	for i := range state.Executions {
		c := &state.Executions[i]
		x, err := e.carry(c, boxes)
		if err != nil {
			return fmt.Errorf("execution %s: %w", c.Request.Execution, err)
		}
		all = append(all, x)
	}
	for _, x := range all {
		ctx, cancel := context.WithCancelCause(context.Background())
		x.cancel = cancel
		e.leases.revokes(x.req.Execution, preempt(cancel))
		x.nobody = time.AfterFunc(reattachTime, func() { cancel(errCallerGone) })
		go func() {
			defer cancel(nil)
			e.perform(ctx, x)
		}()
	}
	return nil
}

// carry makes the execution that c was.
func (e *Engine) carry(c *Carried, boxes map[uint64]*Container) (*execution, error) {
	req, err := check(c.Request, e.cfg.Services)
	if err != nil {
		return nil, err
	}
	e.carriedStanding(&req, c.Began)
	x := e.newExecution(req, c.Began)
	x.tape = newTape(c.events())
	if !c.Waits {
		x.from = c
		if x.box = boxes[c.Container]; x.box == nil {
			return nil, fmt.Errorf("its container %d was not handed over", c.Container)
		}
		x.box.Start = c.Start
		locks, err := c.locks()
		if err != nil {
			return nil, err
		}
		var ok bool
		if c.Lease, ok = e.leases.restore(req, c.Lease, c.Shown, locks); !ok {
			return nil, fmt.Errorf("its tokens cannot be restored")
		}
		return x, e.admit(x)
	}
	x.asked = c.Asked
	x.answer = e.leases.reopen(req, c.Asked)
	return x, e.admit(x)
}

// Attach passes on what happens to a live execution, from the event after seq.
// Whoever attaches last is its caller: when that one leaves, it is killed.
// Fault: NotFound.
func (e *Engine) Attach(ctx context.Context, id string, seq uint64, emit func(Event) error) error {
	e.mu.Lock()
	x := e.live[id]
	if x == nil {
		x = e.over[id]
	}
	e.mu.Unlock()
	if x == nil {
		return fault.New(fault.NotFound, "no execution %q is live", id).WithHint("it has ended, or quiltd crashed")
	}
	if x.nobody != nil {
		x.nobody.Stop()
	}
	return e.listen(ctx, x, seq, emit)
}

// Journal is that of a live execution; nil if there is none.
func (e *Engine) Journal(id string) *broker.Journal {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x := e.live[id]; x != nil {
		return x.req.Journal
	}
	return nil
}

// listen passes events on; when its reader leaves, the execution is killed.
func (e *Engine) listen(ctx context.Context, x *execution, seq uint64, emit func(Event) error) error {
	err := x.tape.follow(ctx, seq, emit)
	if err != nil && err != errMoved && !e.leaving() {
		x.end(errCallerGone)
		<-x.rest
		return nil
	}
	return err
}

func (e *Engine) leaving() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.moving
}

// Marshal is the state as bytes.
func (s State) Marshal() ([]byte, error) { return json.Marshal(s) }

// ReadState is the state that Marshal wrote.
func ReadState(text []byte) (s State, err error) { return s, json.Unmarshal(text, &s) }
