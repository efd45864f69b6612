package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

const (
	queueLength = 1024
	maxBatch    = 256
)

// writer is the one goroutine that changes the file.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	log   *slog.Logger
	usage *usage
	feed  *feed
	queue chan *pending
	done  chan struct{}

	mu     sync.RWMutex // held for reading while sending on queue
	closed bool
	sweeps []Change
}

// pending is one change on its way. Its state decides the race between a caller
// that gives up and the writer that takes it: exactly one of them wins.
type pending struct {
	change Change
	state  atomic.Int32 // waiting, taken or abandoned
	answer chan answer  // one element
}

type answer struct {
	value any
	err   error
}

const (
	waiting int32 = iota
	taken
	abandoned
)

func openWriter(path string, raise bool, log *slog.Logger) (*writer, uint64, error) {
	db, err := openDB(path, 1, "")
	if err != nil {
		return nil, 0, err
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		db.Close()
		return nil, 0, err
	}
	epoch, err := prepare(conn, raise)
	if err != nil {
		conn.Close()
		db.Close()
		return nil, 0, err
	}
	w := &writer{
		db: db, conn: conn, log: log, feed: newFeed(epoch), usage: &usage{known: map[string]Usage{}, batch: map[string]Usage{}},
		queue: make(chan *pending, queueLength), done: make(chan struct{}),
	}
	go w.run()
	return w, epoch, nil
}

func (w *writer) submit(ctx context.Context, c Change) (any, error) {
	p := &pending{change: c, answer: make(chan answer, 1)}
	if err := w.enqueue(ctx, p); err != nil {
		return nil, err
	}
	select {
	case a := <-p.answer:
		return a.value, a.err
	case <-ctx.Done():
	}
	if p.state.CompareAndSwap(waiting, abandoned) {
		return nil, fault.Wrap(ctx.Err(), fault.Cancelled, "the write was given up before it began")
	}
	a := <-p.answer
	return a.value, a.err
}

func (w *writer) enqueue(ctx context.Context, p *pending) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return fault.New(fault.Unavailable, "the data store is closed").WithHint("quiltd is stopping; try again")
	}
	select {
	case w.queue <- p:
		return nil
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Cancelled, "the write was given up before it began")
	}
}

func (w *writer) close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.done
	w.conn.Close()
	return w.db.Close()
}

func (w *writer) run() {
	defer close(w.done)
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	for {
		select {
		case p, ok := <-w.queue:
			if !ok {
				return
			}
			w.commit(w.gather(p))
		case <-sweep.C:
			if err := w.sweep(time.Now()); err != nil {
				w.log.Warn("what has expired stays for now", "err", err)
			}
			w.sweepRooms()
		}
	}
}

// sweepRooms makes the changes of EachSweep, each by itself.
func (w *writer) sweepRooms() {
	w.mu.RLock()
	sweeps := slices.Clone(w.sweeps)
	w.mu.RUnlock()
	for _, c := range sweeps {
		p := &pending{change: c, answer: make(chan answer, 1)}
		w.commit([]*pending{p})
		if a := <-p.answer; a.err != nil {
			w.log.Warn("what has expired stays for now", "err", a.err)
		}
	}
}

// gather takes first and what else has queued up, and owns them from then on.
func (w *writer) gather(first *pending) []*pending {
	var batch []*pending
	take := func(p *pending) {
		if p.state.CompareAndSwap(waiting, taken) {
			batch = append(batch, p)
		}
	}
	take(first)
	for len(batch) < maxBatch {
		select {
		case p, ok := <-w.queue:
			if !ok {
				return batch
			}
			take(p)
		default:
			return batch
		}
	}
	return batch
}

// commit applies a batch as one transaction. If the file refuses, each change
// is tried alone, so that one that cannot be done does not fail the others.
func (w *writer) commit(batch []*pending) {
	if len(batch) == 0 {
		return
	}
	answers, changed, err := w.transact(batch)
	if err != nil && len(batch) > 1 {
		for _, p := range batch {
			w.commit([]*pending{p})
		}
		return
	}
	w.feed.publish(changed)
	for i, p := range batch {
		if err != nil {
			p.answer <- answer{err: readable(fmt.Errorf("write: %w", err))}
			continue
		}
		if answers[i].err == nil && p.change.Then != nil {
			p.change.Then()
		}
		p.answer <- answers[i]
	}
}

// transact returns an error only when nothing of the batch was written.
func (w *writer) transact(batch []*pending) (answers []answer, changed []Changed, err error) {
	clear(w.usage.batch)
	ctx := context.Background() // never half-way: a begun transaction is finished
	sqlTx, err := w.conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	defer sqlTx.Rollback()
	now := time.Now()
	for _, p := range batch {
		tx := &Tx{Tx: sqlTx, Now: now, usage: w.usage}
		value, refused, err := w.step(tx, p.change)
		if err != nil {
			return nil, nil, err
		}
		if refused == nil {
			w.usage.add(tx.charged)
			changed = append(changed, tx.changed...)
		}
		answers = append(answers, answer{value: value, err: refused})
	}
	if err := w.usage.flush(sqlTx); err != nil {
		return nil, nil, err
	}
	if err := sqlTx.Commit(); err != nil {
		return nil, nil, err
	}
	w.usage.settle()
	return answers, changed, nil
}
