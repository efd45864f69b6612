package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

// Bounds of a claim.
const (
	maxClaim      = 100
	visibility    = 30 * time.Second
	maxVisibility = 12 * time.Hour
	maxWait       = 20 * time.Second // of one question
	maxError      = 1 << 10
	maxBackoff    = time.Hour
)

// claimed is one item in somebody's hands. Claim is the number of the delivery;
// who answers for an older one is refused.
type claimed struct {
	ID    int64           `json:"id"`
	Claim int64           `json:"claim"`
	Most  int64           `json:"most"`
	Body  json.RawMessage `json:"body"`
}

type batch struct {
	Items []claimed `json:"items"`
}

// claim takes items that are ready, or waits for some. Nothing is held while it
// waits: others must be able to push.
func (s *service) claim(ctx context.Context, c broker.Call) (any, error) {
	began := time.Now()
	for {
		o, err := open(ctx, c, token.Atomic)
		if err != nil {
			return nil, err
		}
		bell := s.bell(o.space)
		got, next, err := s.tryClaim(ctx, c, o)
		o.done()
		if err != nil || got != nil {
			return got, err
		}
		until := began.Add(min(time.Duration(max(0, o.WaitMs))*time.Millisecond, maxWait))
		more := wait(ctx, c, bell, next, until)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !more {
			return batch{Items: []claimed{}}, nil
		}
	}
}

// tryClaim returns what was claimed, or nil and when to look again.
func (s *service) tryClaim(ctx context.Context, c broker.Call, o opening) (any, time.Time, error) {
	seen, err := o.seen()
	if err != nil {
		return nil, time.Time{}, err
	}
	if o.Max < 0 || o.Max > maxClaim {
		return nil, time.Time{}, fault.New(fault.Invalid, "max %d is not 1 to %d", o.Max, maxClaim).WithHint("claim again for more")
	}
	next, spent, err := s.next(ctx, o.space)
	if err == nil && spent && time.Until(next) <= 0 {
		if _, err = s.apply(ctx, c, o, "", bury); err == nil {
			next, _, err = s.next(ctx, o.space)
		}
	}
	if err != nil || time.Until(next) > 0 {
		return nil, next, err
	}
	s.hold(ctx, c.Execution, o.space)
	got, err := s.apply(ctx, c, o, c.Key, func(tx *store.Tx, space int64, o opening) (any, error) {
		b, err := take(tx, space, max(o.Max, 1), seen, c.Execution)
		if err == nil && len(b.Items) == 0 {
			err = errNothing
		}
		return b, err
	})
	if errors.Is(err, errNothing) { // another was faster
		return nil, time.Now().Add(50 * time.Millisecond), nil
	}
	return got, next, err
}

// errNothing takes back a claim that found nothing, so that its key is still free.
var errNothing = fault.New(fault.NotFound, "nothing to claim").WithHint("wait for a push")

// wait returns true when there may be something, false when it is too late.
func wait(ctx context.Context, c broker.Call, bell <-chan struct{}, next, until time.Time) bool {
	left := time.Until(until)
	if left <= 0 {
		return false
	}
	timer := time.NewTimer(min(left, max(time.Until(next), time.Millisecond)))
	defer timer.Stop()
	select {
	case <-bell:
	case <-timer.C:
	case <-c.Left:
		return false
	case <-ctx.Done():
		return false
	}
	return true
}

// next is when something can be claimed, far away if there is nothing; and
// whether that was claimed too often already.
func (s *service) next(ctx context.Context, sp store.Space) (at time.Time, spent bool, err error) {
	var ready int64
	err = s.data.Reader().QueryRowContext(ctx, `select ready, claims >= most from queue_item join space on space.id = queue_item.space
		where space.tenant = ? and space.name = ? and state < 2 order by ready, queue_item.id limit 1`, sp.Tenant, sp.Name).Scan(&ready, &spent)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Now().Add(time.Hour), false, nil
	}
	return time.UnixMilli(ready), spent, err
}

// bury puts aside as dead what was claimed too often.
func bury(tx *store.Tx, space int64, _ opening) (any, error) {
	_, err := tx.Exec(`update queue_item set state = 2, holder = '',
		error = case when error = '' then 'it was claimed and not answered for' else error end
		where space = ? and state < 2 and ready <= ? and claims >= most`, space, ms(tx.Now))
	return nil, err
}

func (o opening) seen() (time.Duration, error) {
	if o.VisibilityMs == 0 {
		return visibility, nil
	}
	d := time.Duration(o.VisibilityMs) * time.Millisecond
	if d < 0 || d > maxVisibility {
		return 0, fault.New(fault.Invalid, "visibilityMs %d is not 1 to %d", o.VisibilityMs, maxVisibility.Milliseconds()).
			WithHint("extend the claim while the work goes on")
	}
	return d, nil
}

// take claims up to max items that were not claimed too often.
func take(tx *store.Tx, space int64, max int, seen time.Duration, holder string) (batch, error) {
	out := batch{Items: []claimed{}}
	for len(out.Items) < max {
		it := claimed{}
		var body []byte
		err := tx.QueryRow(`update queue_item set state = 1, claims = claims + 1, ready = ?, holder = ? where id =
			(select id from queue_item where space = ? and state < 2 and ready <= ? and claims < most order by ready, id limit 1)
			returning id, claims, most, body`, ms(tx.Now.Add(seen)), holder, space, ms(tx.Now)).Scan(&it.ID, &it.Claim, &it.Most, &body)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			return out, err
		}
		it.Body = body
		out.Items = append(out.Items, it)
	}
	return out, nil
}

// mine finds the item that the caller claimed. One whose claim has run out, or
// whose execution ended and goes on in another, is still its own as long as
// nobody else has claimed it.
func (o opening) mine(tx *store.Tx, space int64) (size, most int64, err error) {
	var claims int64
	err = tx.QueryRow(`select claims, most, length(body) from queue_item where space = ? and id = ? and state < 2`, space, o.ID).
		Scan(&claims, &most, &size)
	if errors.Is(err, sql.ErrNoRows) || err == nil && claims != o.Claim {
		return 0, 0, fault.New(fault.Conflict, "item %d is not this unit's any more: its claim ran out and it was claimed again, or it is done", o.ID).
			WithHint("claim for longer, or extend the claim while the work goes on")
	}
	return size, most, err
}

func (s *service) ack(ctx context.Context, c broker.Call) (any, error) {
	return s.change(ctx, c, func(tx *store.Tx, space int64, o opening) (any, error) {
		size, _, err := o.mine(tx, space)
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(`delete from queue_item where id = ?`, o.ID); err != nil {
			return nil, err
		}
		return map[string]bool{"done": true}, tx.Charge(c.Grant.Tenant, -1, -size)
	})
}

// nack gives an item back, later each time, or puts it aside as dead.
func (s *service) nack(ctx context.Context, c broker.Call) (any, error) {
	return s.change(ctx, c, func(tx *store.Tx, space int64, o opening) (any, error) {
		_, most, err := o.mine(tx, space)
		if err != nil {
			return nil, err
		}
		delay := backoff(o.Claim)
		if o.DelayMs != nil {
			delay = time.Duration(*o.DelayMs) * time.Millisecond
		}
		if delay < 0 || delay > maxDelay {
			return nil, fault.New(fault.Invalid, "delayMs %d is not 0 to %d", delay.Milliseconds(), maxDelay.Milliseconds()).WithHint("an item waits 30 days at most")
		}
		state := 0
		if o.Claim >= most {
			state = 2
		}
		_, err = tx.Exec(`update queue_item set state = ?, ready = ?, holder = '', error = ? where id = ?`,
			state, ms(tx.Now.Add(delay)), broker.Clip(o.Error, maxError), o.ID)
		return map[string]bool{"dead": state == 2}, err
	})
}

// backoff is 1 s, 2 s, 4 s … up to an hour.
func backoff(claim int64) time.Duration {
	return min(time.Second<<min(max(claim-1, 0), 12), maxBackoff)
}

func (s *service) extend(ctx context.Context, c broker.Call) (any, error) {
	return s.change(ctx, c, func(tx *store.Tx, space int64, o opening) (any, error) {
		seen, err := o.seen()
		if err != nil {
			return nil, err
		}
		if _, _, err := o.mine(tx, space); err != nil {
			return nil, err
		}
		_, err = tx.Exec(`update queue_item set state = 1, ready = ?, holder = ? where id = ?`, ms(tx.Now.Add(seen)), c.Execution, o.ID)
		return map[string]bool{"extended": true}, err
	})
}
