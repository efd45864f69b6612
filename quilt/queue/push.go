package queue

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
)

// Bounds of a push.
const (
	maxItems    = 500
	maxBody     = 256 << 10
	maxOnce     = 256
	maxDelay    = 30 * 24 * time.Hour
	onceFor     = 24 * time.Hour
	attempts    = 5
	maxAttempts = 1000
	sweepOnce   = 100 // old keys that each push clears away
)

// pushed is one item's fate. Duplicate: an item of the same once is known, and
// this is its id.
type pushed struct {
	ID        int64 `json:"id"`
	Duplicate bool  `json:"duplicate,omitempty"`
}

func (s *service) push(ctx context.Context, c broker.Call) (any, error) {
	return s.change(ctx, c, func(tx *store.Tx, space int64, o opening) (any, error) {
		if n := len(o.Items); n < 1 || n > maxItems {
			return nil, fault.New(fault.Invalid, "%d items in one push; 1 to %d are allowed", n, maxItems).WithHint("push them in parts")
		}
		if _, err := tx.Exec(`delete from queue_once where (space, key) in
			(select space, key from queue_once where until <= ? order by until limit ?)`, ms(tx.Now), sweepOnce); err != nil {
			return nil, err
		}
		out := make([]pushed, 0, len(o.Items))
		for _, it := range o.Items {
			p, err := it.push(tx, space, c.Grant.Tenant)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
		return map[string]any{"items": out}, nil
	})
}

func (it item) check() error {
	switch {
	case len(it.Body) == 0:
		return fault.New(fault.Invalid, "an item without a body").WithHint("undefined is not a value; push null")
	case len(it.Body) > maxBody:
		return fault.New(fault.Invalid, "an item of %d bytes; at most %d are allowed", len(it.Body), maxBody).
			WithHint("put the large part into a blob and push its name")
	case len(it.Once) > maxOnce:
		return fault.New(fault.Invalid, "once has %d bytes; at most %d are allowed", len(it.Once), maxOnce).WithHint("hash it")
	case it.DelayMs < 0 || it.DelayMs > maxDelay.Milliseconds():
		return fault.New(fault.Invalid, "delayMs %d is not 0 to %d", it.DelayMs, maxDelay.Milliseconds()).WithHint("an item waits 30 days at most")
	case it.Attempts < 0 || it.Attempts > maxAttempts:
		return fault.New(fault.Invalid, "attempts %d is not 1 to %d", it.Attempts, maxAttempts).WithHint("leave it out for %d", attempts)
	}
	return nil
}

func (it item) push(tx *store.Tx, space int64, tenant string) (p pushed, err error) {
	if err := it.check(); err != nil {
		return p, err
	}
	if it.Once != "" {
		err := tx.QueryRow(`select id from queue_once where space = ? and key = ? and until > ?`, space, it.Once, ms(tx.Now)).Scan(&p.ID)
		if err == nil {
			p.Duplicate = true
			return p, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return p, err
		}
	}
	if err := tx.Charge(tenant, 1, int64(len(it.Body))); err != nil {
		return p, err
	}
	most := it.Attempts
	if most == 0 {
		most = attempts
	}
	err = tx.QueryRow(`insert into queue_item (space, state, ready, body, most, pushed) values (?, 0, ?, ?, ?, ?) returning id`,
		space, ms(tx.Now)+it.DelayMs, bytes.Clone(it.Body), most, ms(tx.Now)).Scan(&p.ID)
	if err != nil || it.Once == "" {
		return p, err
	}
	_, err = tx.Exec(`insert into queue_once (space, key, id, until) values (?, ?, ?, ?)
		on conflict (space, key) do update set id = excluded.id, until = excluded.until`, space, it.Once, p.ID, ms(tx.Now.Add(onceFor)))
	return p, err
}
