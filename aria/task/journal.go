package task

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// journal is the one writer: whatever gathers while a transaction is being
// synced goes into the next one together, so many runs share one fsync.
type journal struct {
	db *sql.DB

	mu     sync.Mutex
	queue  []op
	closed bool
	wake   chan struct{}
	gone   chan struct{}
}

// op is one write. do may run more than once, done runs exactly once, from the
// journal's goroutine, in the order in which the ops were added.
type op struct {
	do   func(*sql.Tx) error
	done func(error)
}

// maxBatch bounds one transaction.
const maxBatch = 512

func newJournal(db *sql.DB) *journal {
	j := &journal{db: db, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	go j.loop()
	return j
}

func (j *journal) add(o op) {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		go o.done(errJournalClosed)
		return
	}
	j.queue = append(j.queue, o)
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

var errJournalClosed = errors.New("journal is closed")

// wait adds a write and waits until it is on disk or refused.
func (j *journal) wait(do func(*sql.Tx) error) error {
	done := make(chan error, 1)
	j.add(op{do: do, done: func(err error) { done <- err }})
	return <-done
}

// flush returns when everything queued so far is on disk or refused.
func (j *journal) flush() error { return j.wait(func(*sql.Tx) error { return nil }) }

func (j *journal) loop() {
	defer close(j.gone)
	for range j.wake {
		for {
			batch, closed := j.take()
			if len(batch) > 0 {
				j.commit(batch)
				continue
			}
			if closed {
				return
			}
			break
		}
	}
}

func (j *journal) take() ([]op, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := min(len(j.queue), maxBatch)
	batch := j.queue[:n:n]
	if j.queue = j.queue[n:]; len(j.queue) == 0 {
		j.queue = nil
	}
	return batch, j.closed
}

// commit writes the batch at once; if that fails, each op alone, so that one
// bad write cannot take others down.
func (j *journal) commit(batch []op) {
	if err := j.transact(batch); err == nil {
		for _, o := range batch {
			o.done(nil)
		}
		return
	}
	for _, o := range batch {
		o.done(j.transact([]op{o}))
	}
}

func (j *journal) transact(batch []op) error {
	tx, err := j.db.BeginTx(context.Background(), nil)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	for _, o := range batch {
		if err := o.do(tx); err != nil {
			_ = tx.Rollback()
			return fmt.Errorf("journal: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		_ = tx.Rollback()
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// close writes what is queued and stops.
func (j *journal) close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
	<-j.gone
}

// unwritable is what a person reads when the journal cannot take a write.
func unwritable(err error) error {
	if _, ok := fault.As(err); ok {
		return err
	}
	if full(err) {
		return fault.Wrap(err, fault.Exhausted, "the journal of runs cannot be written: the disk is full").
			WithHint("free some space in the data folder; ariad goes on by itself")
	}
	if errors.Is(err, errJournalClosed) {
		return fault.Wrap(err, fault.Unavailable, "ariad is stopping").WithHint("try again when it is up")
	}
	return fault.Wrap(err, fault.Internal, "the journal of runs cannot be written").WithHint("see the log of ariad")
}

// full knows SQLite's words too: its errors do not wrap the errno, and on a
// full disk the write-ahead log answers "disk I/O error".
func full(err error) bool {
	s := err.Error()
	return errors.Is(err, syscall.ENOSPC) || strings.Contains(s, "disk is full") || strings.Contains(s, "disk I/O error")
}
