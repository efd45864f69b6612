package task

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Unused is nil if no open run is pinned to the bundle, else a Conflict that
// names one.
func (t *Tasks) Unused(ctx context.Context, d bundle.Digest) error {
	var id ID
	var unit string
	err := t.db.QueryRowContext(ctx, `SELECT id, unit FROM runs
		WHERE state IN ('pending', 'running', 'waiting') AND bundle = ? LIMIT 1`, d).Scan(&id, &unit)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("runs of a bundle: %w", err)
	}
	return fault.New(fault.Conflict, "run %s of %s needs this bundle", id, unit).
		WithHint("wait until it has ended, or: arc cancel %s", id)
}
