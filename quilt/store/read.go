package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// querier is a database or a transaction of it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Get reads one key. The second result says whether it is there.
func (s *Store) Get(ctx context.Context, sp Space, key string) (Item, bool, error) {
	return get(ctx, s.read, sp, key)
}

func get(ctx context.Context, db querier, sp Space, key string) (Item, bool, error) {
	it := Item{Key: key}
	var version int64
	err := db.QueryRowContext(ctx, `
		select kv.value, kv.version from kv join space on space.id = kv.space
		where space.tenant = ? and space.name = ? and kv.key = ? and kv.expires > ?`,
		sp.Tenant, sp.Name, []byte(key), time.Now().UnixMilli()).Scan(&it.Value, &version)
	if errors.Is(err, sql.ErrNoRows) {
		return Item{}, false, nil
	}
	if err != nil {
		return Item{}, false, readable(fmt.Errorf("get: %w", err))
	}
	it.Version = uint64(version)
	return it, true, nil
}

// List reads keys in byte order from one snapshot. A page ends early when its
// values are large; Next then goes on.
func (s *Store) List(ctx context.Context, sp Space, q Query) (Page, error) {
	return list(ctx, s.read, sp, q)
}

func list(ctx context.Context, db querier, sp Space, q Query) (Page, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = DefaultPage
	}
	limit = min(limit, MaxPage)
	rows, err := db.QueryContext(ctx, `
		select kv.key, kv.value, kv.version from kv join space on space.id = kv.space
		where space.tenant = ? and space.name = ? and kv.key >= ? and kv.key > ?
		  and (? is null or kv.key < ?) and kv.expires > ?
		order by kv.key limit ?`,
		sp.Tenant, sp.Name, []byte(q.Prefix), []byte(q.After),
		prefixEnd(q.Prefix), prefixEnd(q.Prefix), time.Now().UnixMilli(), limit+1)
	if err != nil {
		return Page{}, readable(fmt.Errorf("list: %w", err))
	}
	defer rows.Close()
	page := Page{Items: []Item{}}
	size := 0
	for rows.Next() {
		var key, value []byte
		var version int64
		if err := rows.Scan(&key, &value, &version); err != nil {
			return Page{}, readable(fmt.Errorf("list: %w", err))
		}
		full := len(page.Items) == limit || (size+len(value) > maxPageBytes && len(page.Items) > 0)
		if full {
			page.Next = page.Items[len(page.Items)-1].Key
			return page, nil
		}
		size += len(key) + len(value)
		page.Items = append(page.Items, Item{Key: string(key), Value: value, Version: uint64(version)})
	}
	if err := rows.Err(); err != nil {
		return Page{}, readable(fmt.Errorf("list: %w", err))
	}
	return page, nil
}

// prefixEnd is the first byte string above all with this prefix, nil if there
// is none.
func prefixEnd(prefix string) []byte {
	b := []byte(prefix)
	for len(b) > 0 && b[len(b)-1] == 0xff {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return nil
	}
	b[len(b)-1]++
	return b
}
