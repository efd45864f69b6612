package store

import (
	"context"
	"fmt"
)

// Backup writes the data as it is at one moment into a new file, whole and
// without free space, while everything goes on.
func (s *Store) Backup(ctx context.Context, path string) error {
	db, err := openDB(s.path, 1, "") // a connection of its own: readers may not, and the writer is busy
	if err != nil {
		return readable(fmt.Errorf("backup: %w", err))
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, path); err != nil {
		return readable(fmt.Errorf("backup: %w", err))
	}
	return nil
}
