package store

import (
	"database/sql"
	"errors"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// entry is a kv row as a writer finds it.
type entry struct {
	version int64 // 0: no row
	size    int64 // of key and value
	there   bool  // for readers: an expired row is not
}

// apply does one write inside tx. A fault means that nothing was written but the
// fence.
func apply(tx *Tx, w Write) (Written, error) {
	sp, err := findSpace(tx.Tx, w.Space)
	if err != nil {
		return Written{}, err
	}
	lease := Lease{Space: w.Space, Fence: w.Fence, Shared: w.Shared}
	if err := checkFence(sp, lease); err != nil {
		return Written{}, err
	}
	old, err := current(tx, sp.id, w.Key)
	if err != nil {
		return Written{}, err
	}
	if err := checkVersion(w, old); err != nil {
		return Written{}, err
	}
	if err := raiseFence(tx.Tx, &sp, lease); err != nil {
		return Written{}, err
	}
	if w.Kind == Remove || w.Kind == SwapAway {
		return removeEntry(tx, sp, w, old)
	}
	return putEntry(tx, sp, w, old)
}

func putEntry(tx *Tx, sp spaceRow, w Write, old entry) (Written, error) {
	items, size := int64(1), int64(len(w.Key)+len(w.Value))
	if old.version > 0 {
		items = 0
	}
	if err := tx.Charge(w.Space.Tenant, items, size-old.size); err != nil {
		return Written{}, err
	}
	version := max(old.version, sp.floor) + 1
	if old.version > 0 {
		version = old.version + 1
	}
	expires := never
	if w.TTL > 0 {
		expires = tx.Now.Add(w.TTL).UnixMilli()
	}
	_, err := tx.Exec(`insert into kv (space, key, value, version, expires) values (?, ?, ?, ?, ?)
		on conflict (space, key) do update set value = excluded.value, version = excluded.version, expires = excluded.expires`,
		sp.id, []byte(w.Key), w.Value, version, expires)
	tx.changed = append(tx.changed, Changed{Space: w.Space, Key: w.Key})
	return Written{Version: uint64(version)}, err
}

func removeEntry(tx *Tx, sp spaceRow, w Write, old entry) (Written, error) {
	if old.version == 0 {
		return Written{}, nil
	}
	if err := tx.Charge(w.Space.Tenant, -1, -old.size); err != nil {
		return Written{}, err
	}
	tx.changed = append(tx.changed, Changed{Space: w.Space, Key: w.Key})
	return Written{Removed: old.there}, remove(tx.Tx, sp, w.Key, old.version)
}

func current(tx *Tx, space int64, key string) (e entry, err error) {
	var expires int64
	err = tx.QueryRow(`select version, expires, length(key) + length(value) from kv where space = ? and key = ?`,
		space, []byte(key)).Scan(&e.version, &expires, &e.size)
	if errors.Is(err, sql.ErrNoRows) {
		return entry{}, nil
	}
	e.there = expires > tx.Now.UnixMilli()
	return e, err
}

func checkVersion(w Write, old entry) error {
	if w.Kind != Swap && w.Kind != SwapAway {
		return nil
	}
	return expect(w.Key, w.Expect, old)
}

// expect: a version of 0 means that the key is not there.
func expect(key string, version uint64, old entry) error {
	is := uint64(0)
	if old.there {
		is = uint64(old.version)
	}
	if version == is {
		return nil
	}
	const hint = "read it again and decide anew"
	switch {
	case version == 0:
		return fault.New(fault.Conflict, "%q is there already, at version %d", key, is).WithHint(hint)
	case is == 0:
		return fault.New(fault.Conflict, "%q is not there; expected version %d", key, version).WithHint(hint)
	}
	return fault.New(fault.Conflict, "%q is at version %d, not %d", key, is, version).WithHint(hint)
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
