package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	_ "modernc.org/sqlite" // the driver of the plain SQLite that is compared

	"github.com/ariacomputecompany/firmware/quilt/store"
)

// sides write durably side by side: 64 writers for the throughput.
const sides = 64

// kvRows measures one durable put of 256 bytes at a time, and many at once.
func kvRows(n int) ([]row, error) {
	dir, err := os.MkdirTemp(".", ".bench-tokens-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var rows []row
	for _, engine := range []struct {
		name string
		open func(dir string) (put func(key string, value []byte) error, end func(), err error)
	}{{"kv put, quilt/store (fenced)", openStore}, {"kv put, plain SQLite", openSQLite}, {"kv put, bbolt", openBolt}} {
		sub := filepath.Join(dir, fmt.Sprint(len(rows)))
		if err := os.Mkdir(sub, 0o700); err != nil {
			return nil, err
		}
		put, end, err := engine.open(sub)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", engine.name, err)
		}
		p50, rate, err := measure(n, put)
		end()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", engine.name, err)
		}
		rows = append(rows,
			row{name: engine.name + ", p50", got: p50, unit: "µs", noted: "one writer, durable"},
			row{name: engine.name + ", at once", got: rate, unit: "/s", noted: fmt.Sprintf("%d writers, durable", sides)})
	}
	return rows, nil
}

func measure(n int, put func(string, []byte) error) (p50, rate float64, err error) {
	value := make([]byte, 256)
	times := make([]float64, n/2)
	for i := range times {
		began := time.Now()
		if err := put(fmt.Sprint("a", i), value); err != nil {
			return 0, 0, err
		}
		times[i] = float64(time.Since(began).Nanoseconds()) / 1000
	}
	slices.Sort(times)
	var all sync.WaitGroup
	failed := make(chan error, sides)
	began := time.Now()
	for w := range sides {
		all.Go(func() {
			for i := range max(n/sides, 1) {
				if err := put(fmt.Sprint("b", w, "/", i), value); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	took := time.Since(began).Seconds()
	select {
	case err = <-failed:
	default:
	}
	return times[len(times)/2], float64(sides*max(n/sides, 1)) / took, err
}

func openStore(dir string) (func(string, []byte) error, func(), error) {
	s, err := store.Open(dir, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return nil, nil, err
	}
	fence := s.FirstFence() + 1
	return func(key string, value []byte) error {
		_, err := s.Write(context.Background(), store.Write{Space: store.Space{Name: "bench"}, Key: key, Value: value, Fence: fence})
		return err
	}, func() { s.Close() }, nil
}

// openSQLite is what one would write without thinking of leases: WAL, full sync,
// one transaction for each put.
func openSQLite(dir string) (func(string, []byte) error, func(), error) {
	db, err := sql.Open("sqlite", filepath.Join(dir, "plain.db")+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("create table kv (key text primary key, value blob) without rowid"); err != nil {
		db.Close()
		return nil, nil, err
	}
	put, err := db.Prepare("insert into kv (key, value) values (?, ?) on conflict (key) do update set value = excluded.value")
	if err != nil {
		db.Close()
		return nil, nil, err
	}
	return func(key string, value []byte) error {
		_, err := put.Exec(key, value)
		return err
	}, func() { db.Close() }, nil
}

func openBolt(dir string) (func(string, []byte) error, func(), error) {
	db, err := bolt.Open(filepath.Join(dir, "plain.bolt"), 0o600, nil)
	if err != nil {
		return nil, nil, err
	}
	name := []byte("kv")
	if err := db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket(name); return err }); err != nil {
		db.Close()
		return nil, nil, err
	}
	// Batch is bbolt's own group commit; alone it waits for company, so a single
	// writer uses Update.
	var busy sync.Mutex
	return func(key string, value []byte) error {
		put := func(tx *bolt.Tx) error { return tx.Bucket(name).Put([]byte(key), value) }
		if busy.TryLock() {
			defer busy.Unlock()
			return db.Update(put)
		}
		return db.Batch(put)
	}, func() { db.Close() }, nil
}
