package trigger

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

const (
	// glance is how soon a clock that was set is noticed: timers do not follow it.
	glance = 10 * time.Second
	// again is the pause before a start that could not be made is tried again.
	again = 2 * time.Second
	// atOnce bounds the starts that are made at the same time.
	atOnce = 16
)

// Run starts what is due until ctx ends. What was taken in before a crash comes
// first.
func (t *Triggers) Run(ctx context.Context) {
	for {
		pause, err := t.round(ctx)
		if err != nil {
			t.log.Error("triggers", "err", err)
			pause = again
		}
		if flush := t.flush(ctx.Err() != nil); flush > 0 && (pause == 0 || flush < pause) {
			pause = flush
		}
		if !t.sleep(ctx, pause) {
			t.flush(true)
			return
		}
	}
}

// sleep for a time, or for 0 until something changes; false when ctx has ended.
func (t *Triggers) sleep(ctx context.Context, pause time.Duration) bool {
	var timer <-chan time.Time
	if pause > 0 {
		clock := time.NewTimer(pause)
		defer clock.Stop()
		timer = clock.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-t.wake:
	case <-timer:
	}
	return true
}

// round starts what is due and says how long to wait; 0: until something changes.
func (t *Triggers) round(ctx context.Context) (time.Duration, error) {
	pending, err := t.deliverAll(ctx)
	if err != nil {
		return 0, err
	}
	units, err := t.units()
	if err != nil {
		return 0, err
	}
	var mu sync.Mutex
	var pause time.Duration
	if pending {
		pause = again
	}
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for _, u := range units {
		s, ferr := u.trigger.Schedule()
		if ferr != nil || s.Zero() || t.row(u.name).paused {
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			wait := again
			if next, err := t.due(ctx, u, s); err == nil {
				wait = min(glance, max(time.Millisecond, next.Sub(t.now())))
			} else if ctx.Err() == nil && fault.CodeOf(err) != fault.Unavailable { // ariad is stopping
				t.log.Error("schedule", "unit", u.name, "err", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if pause == 0 || wait < pause {
				pause = wait
			}
		})
	}
	all.Wait()
	return pause, nil
}

// due starts a unit whose moment has come, once for all that passed, and says
// when it is due next.
func (t *Triggers) due(ctx context.Context, u unit, s bundle.Schedule) (time.Time, error) {
	now := t.now()
	r, spec := t.row(u.name), specOf(u.trigger)
	next := s.Next(now)
	// A new schedule begins now; so does one whose clock was set back. Moments that
	// come a second time have their runs already, and start none.
	if r.spec != spec || r.next.IsZero() || r.next.After(next) {
		return next, t.change(u.name, func(r *row) { r.spec, r.next = spec, next })
	}
	if r.next.After(now) {
		return r.next, nil
	}
	tick := bundle.Tick{Time: r.next}
	tick.Time, tick.Missed = latest(s, u.trigger, r.next, now)
	schema, err := u.Schema(u.Input)
	if err != nil {
		return now, err
	}
	input, err := u.trigger.Input(schema, tick)
	if err != nil {
		return now, err
	}
	run, problem, err := t.start(ctx, u, u.Ref(), task.Request{
		Input:  input,
		Key:    fmt.Sprintf("%stick/%s/%d", task.OwnKeys, u.name, tick.Time.UnixMilli()),
		Origin: "schedule " + tick.Time.Format(time.RFC3339),
	})
	if err != nil {
		return now, err
	}
	return next, t.change(u.name, func(r *row) {
		r.next, r.run, r.ran, r.problem = next, run.ID, tick.Time, problem
	})
}

// latest is the last moment of a schedule up to now, from one that was due on, and
// how many came before it.
func latest(s bundle.Schedule, tr bundle.Trigger, from, now time.Time) (time.Time, int) {
	if every := time.Duration(tr.EveryMS) * time.Millisecond; every > 0 {
		n := now.Sub(from) / every
		return from.Add(n * every), int(n)
	}
	missed := 0
	for {
		next := s.Next(from)
		if next.IsZero() || next.After(now) {
			return from, missed
		}
		from = next
		missed++
	}
}

// specOf is what makes a schedule another one.
func specOf(tr bundle.Trigger) string { return fmt.Sprintf("%d %s %s", tr.EveryMS, tr.Cron, tr.Zone) }
