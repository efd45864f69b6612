package queue

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

const maxListed = 100

// counts of a queue.
type counts struct {
	Waiting  int64 `json:"waiting"` // can be claimed now
	Delayed  int64 `json:"delayed"`
	Claimed  int64 `json:"claimed"`
	Dead     int64 `json:"dead"`
	OldestMs int64 `json:"oldestMs"` // age of the oldest that waits
}

func (s *service) stats(ctx context.Context, c broker.Call) (any, error) {
	o, err := open(ctx, c, token.Snapshot)
	if err != nil {
		return nil, err
	}
	defer o.done()
	now := ms(time.Now())
	var n counts
	var oldest int64
	err = s.data.Reader().QueryRowContext(ctx, `select
			coalesce(sum(state < 2 and ready <= ?1), 0), coalesce(sum(state = 0 and ready > ?1), 0),
			coalesce(sum(state = 1 and ready > ?1), 0), coalesce(sum(state = 2), 0),
			coalesce(min(case when state < 2 and ready <= ?1 then pushed end), ?1)
		from queue_item join space on space.id = queue_item.space where space.tenant = ?2 and space.name = ?3`,
		now, o.space.Tenant, o.space.Name).Scan(&n.Waiting, &n.Delayed, &n.Claimed, &n.Dead, &oldest)
	n.OldestMs = max(0, now-oldest)
	return n, err
}

// corpse is a dead item.
type corpse struct {
	ID       int64           `json:"id"`
	Body     json.RawMessage `json:"body"`
	Attempts int64           `json:"attempts"`
	Error    string          `json:"error"`
	PushedMs int64           `json:"pushedMs"`
}

func (s *service) dead(ctx context.Context, c broker.Call) (any, error) {
	o, err := open(ctx, c, token.Snapshot)
	if err != nil {
		return nil, err
	}
	defer o.done()
	limit := min(max(o.Limit, 1), maxListed)
	rows, err := s.data.Reader().QueryContext(ctx, `select queue_item.id, body, claims, error, pushed
		from queue_item join space on space.id = queue_item.space
		where space.tenant = ? and space.name = ? and state = 2 and queue_item.id > ? order by queue_item.id limit ?`,
		o.space.Tenant, o.space.Name, o.After, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	items := []corpse{}
	for rows.Next() {
		var d corpse
		var body []byte
		if err := rows.Scan(&d.ID, &body, &d.Attempts, &d.Error, &d.PushedMs); err != nil {
			return nil, err
		}
		d.Body = body
		items = append(items, d)
	}
	return map[string]any{"items": items}, rows.Err()
}

// redrive lets dead items wait again, as if they were new.
func (s *service) redrive(ctx context.Context, c broker.Call) (any, error) {
	return s.change(ctx, c, func(tx *store.Tx, space int64, o opening) (any, error) {
		n, err := o.eachDead(tx, space, `update queue_item set state = 0, claims = 0, error = '', ready = ?2 where id = ?1`, ms(tx.Now))
		return map[string]int64{"moved": n}, err
	})
}

// discard removes dead items.
func (s *service) discard(ctx context.Context, c broker.Call) (any, error) {
	return s.change(ctx, c, func(tx *store.Tx, space int64, o opening) (any, error) {
		var bytes int64
		n, err := o.eachDead(tx, space, `delete from queue_item where id = ?1 returning length(body)`, 0, &bytes)
		if err != nil {
			return nil, err
		}
		return map[string]int64{"removed": n}, tx.Charge(c.Grant.Tenant, -n, -bytes)
	})
}

// eachDead runs a statement for the named dead items, or for the first thousand.
func (o opening) eachDead(tx *store.Tx, space int64, statement string, at int64, sums ...*int64) (n int64, err error) {
	ids := o.IDs
	if len(ids) > maxItems {
		return 0, fault.New(fault.Invalid, "%d items at once; at most %d are allowed", len(ids), maxItems).WithHint("leave ids out for all")
	}
	if ids == nil {
		if ids, err = deadIDs(tx, space); err != nil {
			return 0, err
		}
	}
	for _, id := range ids {
		var dead bool
		if err := tx.QueryRow(`select exists (select 1 from queue_item where space = ? and id = ? and state = 2)`, space, id).Scan(&dead); err != nil {
			return n, err
		}
		if !dead {
			continue
		}
		n++
		if len(sums) == 0 {
			if _, err := tx.Exec(statement, id, at); err != nil {
				return n, err
			}
			continue
		}
		var size int64
		if err := tx.QueryRow(statement, id).Scan(&size); err != nil {
			return n, err
		}
		*sums[0] += size
	}
	return n, nil
}

func deadIDs(tx *store.Tx, space int64) (ids []int64, err error) {
	rows, err := tx.Query(`select id from queue_item where space = ? and state = 2 order by id limit 1000`, space)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
