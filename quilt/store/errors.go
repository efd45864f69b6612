package store

import (
	"errors"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// readable gives errors that an operator can cure their fault: a full disk and
// a folder that cannot be written. Others stay as they are.
func readable(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := fault.As(err); ok {
		return err
	}
	if isFull(err) {
		return fault.Wrap(err, fault.Exhausted, "the disk of the data folder is full").
			WithHint("free some space and try again; nothing was half written")
	}
	code, ok := sqliteCode(err)
	if errors.Is(err, fs.ErrPermission) || ok && (code == sqlite3.SQLITE_READONLY || code == sqlite3.SQLITE_CANTOPEN) {
		return fault.Wrap(err, fault.Unavailable, "the data folder cannot be written").
			WithHint("it must belong to the user the engine runs as, and that user must be able to pass the folders above it (chmod o+x)")
	}
	return err
}

func isFull(err error) bool {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return true
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() {
	// A full disk shows as one of these, by the file that could not grow: the
	// data or log (FULL, WRITE, FSYNC), the shared-memory index (SHMSIZE).
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC,
		sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_TRUNCATE:
		return true
	}
	return e.Code()&0xff == sqlite3.SQLITE_FULL
}

func sqliteCode(err error) (int, bool) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.Code() & 0xff, true
}
