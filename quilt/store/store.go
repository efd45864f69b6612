// Package store keeps the data behind the tokens: the kv namespaces, the boot
// epoch that makes fences rise across restarts, what each tenant has used of its
// quota, and one writer that the rooms beside it (quilt/queue and its like) bring
// their own tables to. It is one SQLite file.
//
// Every write is on disk before it is answered. All writes pass one goroutine,
// which commits whatever has queued up as one transaction, so many writers
// share one fsync; reads run beside it on snapshots and never wait.
//
// It does not know who may do what: the broker asks the tokens first. It does
// check fences, in the transaction of the write, because a lease that was lost
// a moment ago is something only the data can see.
package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

// Item is one key with its value. Version rises by one with each write of the
// key; a key that was removed comes back above every version it ever had.
type Item struct {
	Key     string
	Value   []byte // JSON, as it was put
	Version uint64
}

// Kind of a write.
type Kind int

const (
	Put      Kind = iota // set the value, whatever is there
	Swap                 // set it if the version is Expect; 0: if there is none
	SwapAway             // remove it if the version is Expect
	Remove               // remove it, whatever is there
)

// Write is one change under one lease.
type Write struct {
	Space  Space
	Key    string
	Kind   Kind
	Value  []byte
	Expect uint64
	TTL    time.Duration // 0: for ever
	Once   string        // the Key of its Change

	// Fence is the lease's. Shared says that the lease lets others write at the
	// same time (verb a), so only a later exclusive lease makes it stale.
	Fence  uint64
	Shared bool
}

// Written is what a write did.
type Written struct {
	Version uint64 // of the key now; 0 when it was removed
	Removed bool   // something was there and is gone
}

// Query asks for keys in byte order.
type Query struct {
	Prefix string
	After  string // exclusive
	Limit  int    // 0: DefaultPage; at most MaxPage
}

// Page is one answer to a Query. Next is the After of the following page, ""
// at the end.
type Page struct {
	Items []Item
	Next  string
}

// Bounds of a page.
const (
	DefaultPage   = 100
	MaxPage       = 1000
	maxPageBytes  = 4 << 20
	readers       = 4 + maxSnapshots
	sweepInterval = time.Minute
)

// Store is one open data file. Its methods may be called concurrently.
type Store struct {
	path      string
	epoch     uint64
	read      prepared
	writer    *writer
	snapshots chan struct{} // one place each
}

// Open opens or makes the data file in dir, raises the boot epoch by one and
// makes that durable. One process may have it open.
func Open(dir string, log *slog.Logger) (*Store, error) { return open(dir, true, log) }

// Resume opens the data file under the epoch it has, for a process that goes on
// with the leases of one that has just closed it.
func Resume(dir string, log *slog.Logger) (*Store, error) { return open(dir, false, log) }

func open(dir string, raise bool, log *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, readable(fmt.Errorf("data folder: %w", err))
	}
	path := filepath.Join(dir, "quilt.db")
	if err := private(path); err != nil {
		return nil, readable(fmt.Errorf("data file: %w", err))
	}
	w, epoch, err := openWriter(path, raise, log)
	if err != nil {
		return nil, readable(fmt.Errorf("open %s: %w", path, err))
	}
	read, err := openDB(path, readers, "&_pragma=query_only(1)")
	if err != nil {
		w.close()
		return nil, readable(fmt.Errorf("open %s: %w", path, err))
	}
	get, err := read.Prepare(getText)
	if err != nil {
		read.Close()
		w.close()
		return nil, readable(fmt.Errorf("open %s: %w", path, err))
	}
	return &Store{path: path, epoch: epoch, read: prepared{read, get}, writer: w, snapshots: make(chan struct{}, maxSnapshots)}, nil
}

// private makes the data file its owner's alone before SQLite opens it: the
// files beside it get its mode, but those of an earlier start have the old one.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Chmod(path+suffix, 0o600); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// Epoch is the number of times this data has been opened. Fences of one epoch
// are epoch<<40 | counter, so they rise over restarts.
func (s *Store) Epoch() uint64 { return s.epoch }

// FirstFence is the fence below all fences of this epoch.
func (s *Store) FirstFence() uint64 { return s.epoch << 40 }

// Write applies w and returns when it is durable or refused. Faults: Conflict
// (a version or the fence does not hold), Exhausted (the disk is full),
// Cancelled (ctx ended before it was begun; once begun it is always finished,
// so an answer is never a guess).
func (s *Store) Write(ctx context.Context, w Write) (Written, error) {
	value, err := s.writer.submit(ctx, Change{
		Tenant: w.Space.Tenant, Key: w.Once, single: true,
		Do: func(tx *Tx) (any, error) { return apply(tx, w) },
	})
	return answerOf[Written](value, err)
}

// answerOf is what a change answered, now or the first time.
func answerOf[T any](value any, err error) (T, error) {
	var t T
	if err != nil {
		return t, err
	}
	if told, ok := value.(json.RawMessage); ok {
		return t, json.Unmarshal(told, &t)
	}
	return value.(T), nil
}

// Close finishes the queued writes and closes the file.
func (s *Store) Close() error {
	werr := s.writer.close()
	if err := s.read.Close(); err != nil {
		return err
	}
	return werr
}

// Reader is for the reads of other rooms: each statement, and each transaction,
// sees one snapshot of what is committed. It refuses to write.
func (s *Store) Reader() *sql.DB { return s.read.DB }

// Ensure makes the tables of a room ("create table if not exists ...").
func (s *Store) Ensure(ctx context.Context, tables string) error {
	_, err := s.Change(ctx, Change{Do: func(tx *Tx) (any, error) {
		_, err := tx.Exec(tables)
		return nil, err
	}})
	return err
}

// EachSweep has c made once a minute, for what a room has that expires.
func (s *Store) EachSweep(c Change) {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	s.writer.sweeps = append(s.writer.sweeps, c)
}

func openDB(path string, conns int, more string) (*sql.DB, error) {
	// Small caches: the kernel's page cache already has the file.
	dsn := "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=busy_timeout(5000)&_pragma=cache_size(-256)&_pragma=journal_size_limit(4194304)" + more
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(1)
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}
