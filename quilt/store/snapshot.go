package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Bounds of snapshots: an open one keeps the log file from shrinking.
const (
	maxSnapshots = 16
	snapshotLife = 10 * time.Second
)

// Snapshot is the data as it was at one moment.
type Snapshot struct {
	mu  sync.Mutex // a transaction does one thing at a time
	tx  *sql.Tx    // nil: closed
	end func()
}

// Snapshot opens one; it ends with ctx, with Close, or after ten seconds. Fault:
// Exhausted when too many are open.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	select {
	case s.snapshots <- struct{}{}:
	default:
		return nil, fault.New(fault.Exhausted, "%d snapshots are open, which is the most there may be", maxSnapshots).
			WithHint("try again in a moment; a snapshot lives %s at most", snapshotLife)
	}
	ctx, cancel := context.WithTimeout(ctx, snapshotLife)
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err == nil {
		// SQLite begins to hold still with the first read.
		err = tx.QueryRow(`select value from meta where name = 'epoch'`).Scan(new(int64))
	}
	if err != nil {
		cancel()
		<-s.snapshots
		return nil, readable(fmt.Errorf("snapshot: %w", err))
	}
	snap := &Snapshot{tx: tx}
	snap.end = sync.OnceFunc(func() { cancel(); <-s.snapshots })
	context.AfterFunc(ctx, snap.Close)
	return snap, nil
}

// Close ends the snapshot; further reads are refused.
func (s *Snapshot) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tx != nil {
		s.tx.Rollback()
		s.tx = nil
	}
	s.end()
}

// Get and List read as those of Store do.
func (s *Snapshot) Get(ctx context.Context, sp Space, key string) (it Item, ok bool, err error) {
	err = s.with(func(tx *sql.Tx) error {
		it, ok, err = get(ctx, tx, sp, key)
		return err
	})
	return it, ok, err
}

// List reads a page as it was then.
func (s *Snapshot) List(ctx context.Context, sp Space, q Query) (p Page, err error) {
	err = s.with(func(tx *sql.Tx) error {
		p, err = list(ctx, tx, sp, q)
		return err
	})
	return p, err
}

func (s *Snapshot) with(read func(*sql.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tx == nil {
		return fault.New(fault.Timeout, "the snapshot is over; one lives %s at most", snapshotLife).
			WithHint("read less in one snapshot, or read pages one by one outside of it")
	}
	return read(s.tx)
}
