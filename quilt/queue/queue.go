// Package queue is what stands behind queue tokens: items that are pushed, claimed
// for a time, and acknowledged. An item is delivered at least once: what is not
// acknowledged in time, or whose execution ended, comes back, and after too many
// tries it is put aside as dead.
package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

// State of an item; ready is when it can be claimed next: for a claimed one, when
// its claim is over.
const tables = `
create table if not exists queue_item (
	id integer primary key autoincrement,
	space integer not null,
	state integer not null, -- 0 waiting, 1 claimed, 2 dead
	ready integer not null, -- unix ms
	body blob not null, -- JSON
	claims integer not null default 0, -- so far
	most integer not null,
	pushed integer not null, -- unix ms
	expires integer not null, -- unix ms; of one that waits
	holder text not null default '', -- the execution of a claimed one
	error text not null default ''
);
create index if not exists queue_ready on queue_item (space, ready, id) where state < 2;
create index if not exists queue_dead on queue_item (space, id) where state = 2;
create index if not exists queue_expires on queue_item (expires) where expires < 9223372036854775807;
create index if not exists queue_holder on queue_item (holder) where state = 1;
create table if not exists queue_once (
	space integer not null,
	key text not null,
	id integer not null,
	until integer not null, -- unix ms
	primary key (space, key)
) without rowid;
create index if not exists queue_once_until on queue_once (until);
`

// Data is what is used of quilt/store.
type Data interface {
	Change(ctx context.Context, c store.Change) (any, error)
	Ensure(ctx context.Context, tables string) error
	Reader() *sql.DB
	EachSweep(c store.Change)
}

// New makes the service over data. Fresh: no execution of an earlier quiltd goes
// on, so nobody holds a claim.
func New(data Data, fresh bool, log *slog.Logger) (broker.Service, error) {
	ctx := context.Background()
	if err := data.Ensure(ctx, tables); err != nil {
		return broker.Service{}, fmt.Errorf("queue tables: %w", err)
	}
	if fresh {
		if err := giveBack(ctx, data, ""); err != nil {
			return broker.Service{}, fmt.Errorf("claims of an earlier start: %w", err)
		}
	}
	s := &service{data: data, log: log, holders: map[string]func() bool{}, bells: map[store.Space]chan struct{}{}}
	data.EachSweep(store.Change{Do: expire})
	return broker.Service{Scheme: "queue", Repeats: true, Nature: broker.Natures{
		"queue.stats": broker.Read, "queue.dead": broker.Read,
		"queue.push": broker.Keyed, "queue.claim": broker.Keyed, "queue.ack": broker.Keyed, "queue.nack": broker.Keyed, "queue.extend": broker.Keyed, "queue.redrive": broker.Keyed, "queue.discard": broker.Keyed,
	}.Of, Ops: map[string]broker.Op{
		"queue.push": s.push, "queue.claim": s.claim, "queue.ack": s.ack, "queue.nack": s.nack, "queue.extend": s.extend,
		"queue.stats": s.stats, "queue.dead": s.dead, "queue.redrive": s.redrive, "queue.discard": s.discard,
	}}, nil
}

type service struct {
	data Data
	log  *slog.Logger

	mu      sync.Mutex
	holders map[string]func() bool        // executions with claims: stops what gives them back
	bells   map[store.Space]chan struct{} // closed when something was pushed or came back
}

// args are the arguments of every operation; which count depends on it.
type args struct {
	NS           string  `json:"ns"`
	Items        []item  `json:"items"`
	Max          int     `json:"max"`
	VisibilityMs int64   `json:"visibilityMs"`
	WaitMs       int64   `json:"waitMs"`
	ID           int64   `json:"id"`
	Claim        int64   `json:"claim"`
	DelayMs      *int64  `json:"delayMs"`
	Error        string  `json:"error"`
	IDs          []int64 `json:"ids"` // nil: all
	After        int64   `json:"after"`
	Limit        int     `json:"limit"`
}

// item is one to push.
type item struct {
	Body     json.RawMessage `json:"body"`
	DelayMs  int64           `json:"delayMs"`
	Once     string          `json:"once"` // a second push of the same within a day is none
	Attempts int64           `json:"attempts"`
	TTLMs    int64           `json:"ttlMs"` // not delivered by then: gone; 0: for ever
}

// opening is a call with what it asks for granted.
type opening struct {
	args
	space store.Space
	lease store.Lease
	done  func()
}

func open(ctx context.Context, c broker.Call, verb token.Verb) (opening, error) {
	var o opening
	if err := c.Into(&o.args); err != nil {
		return o, err
	}
	need, err := broker.Need("queue", o.NS, verb)
	if err != nil {
		return o, err
	}
	hold, err := c.Hold(ctx, need)
	if err != nil {
		return o, err
	}
	o.space = store.Space{Tenant: c.Grant.Tenant, Name: "queue:" + o.NS}
	o.lease = store.Lease{Space: o.space, Fence: hold.Fence, Shared: hold.Token.Verb() == token.Atomic}
	o.done = hold.Done
	return o, nil
}

// change opens the call for writing and makes one change.
func (s *service) change(ctx context.Context, c broker.Call, do func(tx *store.Tx, space int64, o opening) (any, error)) (any, error) {
	o, err := open(ctx, c, token.Atomic)
	if err != nil {
		return nil, err
	}
	defer o.done()
	return s.apply(ctx, c, o, c.Key, do)
}

func (s *service) apply(ctx context.Context, c broker.Call, o opening, key string, do func(tx *store.Tx, space int64, o opening) (any, error)) (any, error) {
	return s.data.Change(ctx, store.Change{
		Tenant: c.Grant.Tenant, Key: key,
		Do: func(tx *store.Tx) (any, error) {
			space, err := tx.Enter(o.lease)
			if err != nil {
				return nil, err
			}
			return do(tx, space, o)
		},
		Then: func() { s.ring(o.space) },
	})
}

// bell is closed at the next change of the queue.
func (s *service) bell(sp store.Space) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bells[sp] == nil {
		s.bells[sp] = make(chan struct{})
	}
	return s.bells[sp]
}

func (s *service) ring(sp store.Space) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.bells[sp]; b != nil {
		close(b)
		delete(s.bells, sp)
	}
}

// hold sees to it that the claims of an execution come back when it ends.
func (s *service) hold(ctx context.Context, execution string, sp store.Space) {
	ctx = broker.Lasting(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	key := execution + "\n" + sp.Name
	if s.holders[key] != nil {
		return
	}
	s.holders[key] = context.AfterFunc(ctx, func() { // the session's: it ends with the execution
		s.mu.Lock()
		delete(s.holders, key)
		s.mu.Unlock()
		if broker.Moved(ctx) {
			return
		}
		if err := giveBack(context.Background(), s.data, execution); err != nil {
			s.log.Warn("claims of an ended execution come back when their time is over", "execution", execution, "err", err)
		}
		s.ring(sp)
	})
}

// giveBack ends the claims of one execution, or of all. What was never said to
// be done waits again, at the front.
func giveBack(ctx context.Context, data Data, execution string) error {
	_, err := data.Change(ctx, store.Change{Do: func(tx *store.Tx) (any, error) {
		_, err := tx.Exec(`update queue_item set state = 0, ready = min(ready, ?1), holder = '',
			error = 'the execution that had claimed it ended' where state = 1 and (?2 = '' or holder = ?2)`,
			tx.Now.UnixMilli(), execution)
		return nil, err
	}})
	return err
}

func ms(t time.Time) int64 { return t.UnixMilli() }
