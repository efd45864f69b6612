package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Two fences per namespace: the newest exclusive lease that wrote, and the
// newest shared one. floor is the highest version that was ever removed; a new
// key starts above it, so that no key sees a version twice.
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
`

const formatVersion = 1

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
	if _, err := tx.Exec(schema + fmt.Sprintf("pragma user_version = %d;", formatVersion)); err != nil {
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

type spaceRow struct {
	id                int64
	exclusive, shared int64
	floor             int64
}

// apply does one write inside tx. refused is an answer for its caller and
// leaves nothing behind; err means the file itself failed.
func apply(tx *sql.Tx, w Write, now time.Time) (done Written, refused, err error) {
	sp, err := findSpace(tx, w.Space)
	if err != nil {
		return Written{}, nil, err
	}
	if err := checkFence(sp, w); err != nil {
		return Written{}, err, nil
	}
	old, there, err := current(tx, sp.id, w.Key, now)
	if err != nil {
		return Written{}, nil, err
	}
	if refused := checkVersion(w, old, there); refused != nil {
		return Written{}, refused, nil
	}
	if err := raiseFence(tx, &sp, w); err != nil {
		return Written{}, nil, err
	}
	if w.Kind == Remove || w.Kind == SwapAway {
		if old == 0 {
			return Written{}, nil, nil
		}
		return Written{Removed: there}, nil, remove(tx, sp, w.Key, old)
	}
	version := max(old, sp.floor) + 1
	if old > 0 {
		version = old + 1
	}
	expires := never
	if w.TTL > 0 {
		expires = now.Add(w.TTL).UnixMilli()
	}
	_, err = tx.Exec(`insert into kv (space, key, value, version, expires) values (?, ?, ?, ?, ?)
		on conflict (space, key) do update set value = excluded.value, version = excluded.version, expires = excluded.expires`,
		sp.id, []byte(w.Key), w.Value, version, expires)
	return Written{Version: uint64(version)}, nil, err
}

func findSpace(tx *sql.Tx, s Space) (spaceRow, error) {
	var r spaceRow
	err := tx.QueryRow(`select id, exclusive_fence, shared_fence, floor from space where tenant = ? and name = ?`,
		s.Tenant, s.Name).Scan(&r.id, &r.exclusive, &r.shared, &r.floor)
	if !errors.Is(err, sql.ErrNoRows) {
		return r, err
	}
	err = tx.QueryRow(`insert into space (tenant, name) values (?, ?) returning id`, s.Tenant, s.Name).Scan(&r.id)
	return r, err
}

// checkFence: nobody may write after a later exclusive lease has; an exclusive
// lease is also stale once a later shared one has written. Shared leases that
// hold at the same time do not make one another stale.
func checkFence(sp spaceRow, w Write) error {
	fence := int64(w.Fence)
	if fence < sp.exclusive || (!w.Shared && fence < sp.shared) {
		return fault.New(fault.Conflict, "stale lease: kv:%s has been written under a later one", w.Space.Name).
			WithHint("the execution lost its lease; start it again")
	}
	return nil
}

func raiseFence(tx *sql.Tx, sp *spaceRow, w Write) error {
	fence := int64(w.Fence)
	last, column := &sp.exclusive, "exclusive_fence"
	if w.Shared {
		last, column = &sp.shared, "shared_fence"
	}
	if fence <= *last {
		return nil
	}
	*last = fence
	_, err := tx.Exec(`update space set `+column+` = ? where id = ?`, fence, sp.id)
	return err
}

// current returns the stored version (0: no row) and whether the key is there
// for readers: an expired row is not.
func current(tx *sql.Tx, space int64, key string, now time.Time) (version int64, there bool, err error) {
	var expires int64
	err = tx.QueryRow(`select version, expires from kv where space = ? and key = ?`, space, []byte(key)).Scan(&version, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return version, expires > now.UnixMilli(), err
}

func checkVersion(w Write, old int64, there bool) error {
	if w.Kind != Swap && w.Kind != SwapAway {
		return nil
	}
	is := uint64(0)
	if there {
		is = uint64(old)
	}
	if w.Expect == is {
		return nil
	}
	const hint = "read it again and decide anew"
	switch {
	case w.Expect == 0:
		return fault.New(fault.Conflict, "%q is there already, at version %d", w.Key, is).WithHint(hint)
	case is == 0:
		return fault.New(fault.Conflict, "%q is not there; expected version %d", w.Key, w.Expect).WithHint(hint)
	}
	return fault.New(fault.Conflict, "%q is at version %d, not %d", w.Key, is, w.Expect).WithHint(hint)
}

func remove(tx *sql.Tx, sp spaceRow, key string, version int64) error {
	if version > sp.floor {
		if _, err := tx.Exec(`update space set floor = ? where id = ?`, version, sp.id); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`delete from kv where space = ? and key = ?`, sp.id, []byte(key))
	return err
}

// sweep removes expired keys, a bounded number at a time so that writes do not
// wait for it.
func (w *writer) sweep(now time.Time) error {
	tx, err := w.conn.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	const chosen = `select space, key from kv where expires <= ?1 order by expires limit 1000`
	if _, err := tx.Exec(`update space set floor = max(floor, (
			select coalesce(max(version), 0) from kv where kv.space = space.id and expires <= ?1))
		where id in (select space from (`+chosen+`))`, now.UnixMilli()); err != nil {
		return err
	}
	if _, err := tx.Exec(`delete from kv where (space, key) in (`+chosen+`)`, now.UnixMilli()); err != nil {
		return err
	}
	return tx.Commit()
}
