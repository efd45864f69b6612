package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Two fences per namespace: the newest exclusive lease that wrote, and the
// newest shared one. floor is the highest version that was ever removed; a new
// key starts above it, so that no key sees a version twice. told has what changes
// with a key were answered.
const schema = `
create table if not exists meta (name text primary key, value integer not null) without rowid;
create table if not exists space (
	id integer primary key,
	tenant text not null,
	name text not null,
	exclusive_fence integer not null default 0,
	shared_fence integer not null default 0,
	floor integer not null default 0,
	unique (tenant, name)
);
create table if not exists kv (
	space integer not null,
	key blob not null,
	value blob not null,
	version integer not null,
	expires integer not null, -- unix ms
	primary key (space, key)
) without rowid;
create index if not exists kv_expires on kv (expires) where expires < 9223372036854775807;
create table if not exists usage (
	tenant text primary key,
	items integer not null,
	bytes integer not null
) without rowid;
create table if not exists told (
	tenant text not null,
	key text not null,
	answer blob not null, -- JSON
	until integer not null, -- unix ms
	primary key (tenant, key)
) without rowid;
create index if not exists told_until on told (until);
`

// Format 2 added usage and told.
const formatVersion = 2

const countUsage = `insert into usage (tenant, items, bytes)
	select tenant, count(*), sum(length(key) + length(value)) from kv join space on space.id = kv.space group by tenant;`

// never is the expiry of a key that has none.
const never = int64(math.MaxInt64)

// prepare makes the tables and raises the boot epoch, if asked to.
func prepare(conn *sql.Conn, raise bool) (uint64, error) {
	ctx := context.Background()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	var format int
	if err := tx.QueryRow(`pragma user_version`).Scan(&format); err != nil {
		return 0, err
	}
	if format > formatVersion {
		return 0, fault.New(fault.Invalid, "the data folder was written by a newer quiltd (format %d, this one knows %d)", format, formatVersion).
			WithHint("start the newer quiltd, or give another data folder")
	}
	grow := ""
	if format == 1 {
		grow = countUsage
	}
	if _, err := tx.Exec(schema + grow + fmt.Sprintf("pragma user_version = %d;", formatVersion)); err != nil {
		return 0, err
	}
	var epoch int64
	step := 0
	if raise {
		step = 1
	}
	err = tx.QueryRow(`insert into meta (name, value) values ('epoch', 1)
		on conflict (name) do update set value = value + ? returning value`, step).Scan(&epoch)
	if err != nil {
		return 0, err
	}
	return uint64(epoch), tx.Commit()
}

// sweepRows bounds one sweep, so that writes do not wait for it.
const sweepRows = 1000

// sweep removes expired keys and answers that nobody asks for any more.
func (w *writer) sweep(now time.Time) error {
	sqlTx, err := w.conn.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer sqlTx.Rollback()
	clear(w.usage.batch)
	gone, err := expire(sqlTx, now, w.usage)
	if err != nil {
		return err
	}
	if _, err := sqlTx.Exec(`delete from told where (tenant, key) in (select tenant, key from told where until <= ? order by until limit ?)`,
		now.UnixMilli(), sweepRows); err != nil {
		return err
	}
	if err := w.usage.flush(sqlTx); err != nil {
		return err
	}
	if err := sqlTx.Commit(); err != nil {
		return err
	}
	w.usage.settle()
	w.feed.publish(gone)
	return nil
}

func expire(tx *sql.Tx, now time.Time, u *usage) (gone []Changed, err error) {
	rows, err := tx.Query(`select kv.space, space.tenant, space.name, kv.key, kv.version, length(kv.key) + length(kv.value)
		from kv join space on space.id = kv.space where kv.expires <= ? order by kv.expires limit ?`, now.UnixMilli(), sweepRows)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []spaceRow
	for rows.Next() {
		var c Changed
		var r spaceRow
		var size int64
		var key []byte
		if err := rows.Scan(&r.id, &c.Space.Tenant, &c.Space.Name, &key, &r.floor, &size); err != nil {
			return nil, err
		}
		c.Key = string(key)
		gone, found = append(gone, c), append(found, r)
		u.add(map[string]Usage{c.Space.Tenant: {-1, -size}})
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i, r := range found {
		if _, err := tx.Exec(`update space set floor = max(floor, ?) where id = ?`, r.floor, r.id); err != nil {
			return nil, err
		}
		if _, err := tx.Exec(`delete from kv where space = ? and key = ?`, r.id, []byte(gone[i].Key)); err != nil {
			return nil, err
		}
	}
	return gone, nil
}
