package task

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Retention says how long ended runs are kept.
type Retention struct {
	Keep     time.Duration // after their end; 0: for ever
	MaxBytes int64         // of the journal; beyond it the oldest go earlier; 0: no bound
}

// Pruned is what Prune took away.
type Pruned struct {
	Runs  int
	Bytes int64 // what the journal now takes
}

const (
	pruneBatch = 100 // runs in one transaction: others write in between
	// pruneEvery is how often Retain looks.
	pruneEvery = 10 * time.Minute
)

// Retain prunes now and then until ctx ends.
func (t *Tasks) Retain(ctx context.Context, r Retention) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		p, err := t.Prune(ctx, r)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			t.log.Error("runs cannot be pruned", "err", err)
		case p.Runs > 0:
			t.log.Info("runs pruned", "runs", p.Runs, "bytes", p.Bytes)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Prune takes away runs that ended too long ago, with all that they called, their
// events and effects, and gives the space back to the disk. A run that goes on,
// or one below which any does, stays whole, whatever its age.
func (t *Tasks) Prune(ctx context.Context, r Retention) (Pruned, error) {
	var out Pruned
	if r.Keep > 0 {
		n, err := t.pruneBefore(ctx, time.Now().Add(-r.Keep), -1)
		out.Runs += n
		if err != nil {
			return out, err
		}
	}
	for {
		size, err := t.size(ctx)
		if err != nil {
			return out, err
		}
		if out.Bytes = size; r.MaxBytes <= 0 || size <= r.MaxBytes {
			break
		}
		n, err := t.pruneBefore(ctx, time.Now(), pruneBatch)
		out.Runs += n
		if err != nil {
			return out, err
		}
		if n == 0 {
			break // all that is left goes on
		}
	}
	if out.Runs == 0 {
		return out, nil
	}
	return out, t.shrink(ctx)
}

// pruneBefore takes at most so many runs away that ended before a moment, the
// oldest first; -1 is all of them.
func (t *Tasks) pruneBefore(ctx context.Context, before time.Time, most int) (int, error) {
	n := 0
	for most < 0 || n < most {
		if ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		ids, err := t.old(ctx, before)
		if err != nil || len(ids) == 0 {
			return n, err
		}
		err = t.journal.wait(func(tx *sql.Tx) error {
			for _, id := range ids {
				if err := forget(tx, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		n += len(ids)
	}
	return n, nil
}

// old are runs that nobody called, that ended before a moment, and below which
// everything has ended.
func (t *Tasks) old(ctx context.Context, before time.Time) ([]ID, error) {
	rows, err := t.db.QueryContext(ctx, `SELECT id FROM runs AS r WHERE parent = '' AND ended > 0 AND ended < ?1
		AND NOT EXISTS (WITH RECURSIVE below(b) AS (SELECT r.id UNION SELECT runs.id FROM runs JOIN below ON runs.parent = b)
			SELECT 1 FROM runs JOIN below ON id = b WHERE ended = 0)
		ORDER BY id LIMIT ?2`, before.UnixMilli(), pruneBatch)
	if err != nil {
		return nil, fmt.Errorf("old runs: %w", err)
	}
	defer rows.Close()
	var out []ID
	for rows.Next() {
		var id ID
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("old runs: %w", err)
		}
		out = append(out, id)
	}
	return out, rows.Err()
}

// forget removes a run and all that it called.
func forget(tx *sql.Tx, id ID) error {
	const below = `WITH RECURSIVE below(b) AS (SELECT ?1 UNION SELECT runs.id FROM runs JOIN below ON runs.parent = b) `
	for _, q := range []string{
		`DELETE FROM events WHERE run IN (SELECT b FROM below)`,
		`DELETE FROM effects WHERE run IN (SELECT b FROM below)`,
		`DELETE FROM marks WHERE run IN (SELECT b FROM below)`,
		`DELETE FROM waits WHERE run IN (SELECT b FROM below)`,
		`DELETE FROM runs WHERE id IN (SELECT b FROM below)`,
	} {
		if _, err := tx.Exec(below+q, id); err != nil {
			return err
		}
	}
	return nil
}

// size is what the journal takes, free pages not counted.
func (t *Tasks) size(ctx context.Context) (int64, error) {
	var pages, free, size int64
	err := t.db.QueryRowContext(ctx, `SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size`).
		Scan(&pages, &free, &size)
	if err != nil {
		return 0, fmt.Errorf("size of the journal: %w", err)
	}
	return (pages - free) * size, nil
}

// shrink gives free pages back. A file from before they were kept count of is
// written anew once.
func (t *Tasks) shrink(ctx context.Context) error {
	c, err := t.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("shrink: %w", err)
	}
	defer c.Close()
	var mode int
	if err := c.QueryRowContext(ctx, `PRAGMA auto_vacuum`).Scan(&mode); err != nil {
		return fmt.Errorf("shrink: %w", err)
	}
	steps := []string{`PRAGMA incremental_vacuum`}
	if mode == 0 {
		steps = []string{`PRAGMA auto_vacuum = 2`, `VACUUM`}
	}
	for _, q := range append(steps, `PRAGMA wal_checkpoint(TRUNCATE)`) {
		rows, err := c.QueryContext(ctx, q)
		if err != nil {
			return fmt.Errorf("shrink: %w", err)
		}
		for rows.Next() { // each row of incremental_vacuum is a page given back
		}
		if err := rows.Close(); err != nil {
			return fmt.Errorf("shrink: %w", err)
		}
	}
	return nil
}
