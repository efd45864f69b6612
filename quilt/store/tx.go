package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Tx is the writer's transaction as one change sees it. Rows that a change
// writes are its own room's; the space and what a tenant has are kept here.
type Tx struct {
	*sql.Tx
	Now time.Time

	usage   *usage
	charged map[string]Usage // by this change
	changed []Changed        // kv keys, for who watches them
}

// Enter checks the lease's fence, raises that of the space, and returns the
// space's id. Fault: Conflict when a later lease has written.
func (t *Tx) Enter(l Lease) (int64, error) {
	sp, err := t.enter(l)
	return sp.id, err
}

func (t *Tx) enter(l Lease) (spaceRow, error) {
	sp, err := findSpace(t.Tx, l.Space)
	if err != nil {
		return sp, err
	}
	if err := checkFence(sp, l); err != nil {
		return sp, err
	}
	return sp, raiseFence(t.Tx, &sp, l)
}

// Charge adds to what the tenant has. Fault: Exhausted beyond its quota; giving
// back is never refused.
func (t *Tx) Charge(tenant string, items, bytes int64) error {
	had := t.charged[tenant]
	add := Usage{had.Items + items, had.Bytes + bytes}
	if err := t.usage.allows(t.Tx, tenant, add, items > 0 || bytes > 0); err != nil {
		return err
	}
	if t.charged == nil {
		t.charged = map[string]Usage{}
	}
	t.charged[tenant] = add
	return nil
}

// Change is one change of the data, all or nothing.
type Change struct {
	Tenant string
	// Key makes it happen once: a change whose key was applied answers as it did
	// then and does nothing. "": no such promise.
	Key string
	// Do makes the change. It may run again when a batch has to be split. A fault
	// is the caller's answer, and nothing of the change stays.
	Do func(tx *Tx) (any, error)
	// Then, if not nil, runs when the change is durable and before it is answered,
	// in the order of the changes. It must be quick and change nothing here.
	Then func()

	single bool // Do refuses before it writes, so nothing is there to undo
}

// Change applies c and returns when it is durable or refused, with what Do
// returned, or with the json.RawMessage of what it returned the first time.
// Faults: Do's, Exhausted (the disk is full), Cancelled (ctx ended before it was
// begun; once begun it is always finished, so an answer is never a guess).
func (s *Store) Change(ctx context.Context, c Change) (any, error) {
	return s.writer.submit(ctx, c)
}

// keepAnswers is how long the answer to a key is known.
const keepAnswers = 7 * 24 * time.Hour

// step applies one change of a batch. refused leaves nothing behind; err means
// that the file itself failed.
func (w *writer) step(tx *Tx, c Change) (value any, refused, err error) {
	if c.Key != "" {
		told, ok, err := tx.told(c)
		if ok || err != nil {
			return told, nil, err
		}
	}
	if !c.single {
		if _, err := tx.Exec(`savepoint change`); err != nil {
			return nil, nil, err
		}
	}
	value, err = c.Do(tx)
	if err == nil && c.Key != "" {
		err = tx.tell(c, value)
	}
	if err != nil {
		if _, ok := fault.As(err); !ok || isFull(err) {
			return nil, nil, err
		}
		return nil, err, c.end(tx, `rollback to change; release change`)
	}
	return value, nil, c.end(tx, `release change`)
}

func (c Change) end(tx *Tx, how string) error {
	if c.single {
		return nil
	}
	_, err := tx.Exec(how)
	return err
}

func (t *Tx) told(c Change) (any, bool, error) {
	var answer []byte
	err := t.QueryRow(`select answer from told where tenant = ? and key = ?`, c.Tenant, c.Key).Scan(&answer)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return json.RawMessage(answer), err == nil, err
}

func (t *Tx) tell(c Change, value any) error {
	answer, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = t.Exec(`insert into told (tenant, key, answer, until) values (?, ?, ?, ?)`,
		c.Tenant, c.Key, answer, t.Now.Add(keepAnswers).UnixMilli())
	return err
}
