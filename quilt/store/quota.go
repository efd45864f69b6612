package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Usage is what a tenant keeps behind all its tokens: keys, vectors, queue
// items, blobs and files, and the bytes of their names and values.
type Usage struct {
	Items, Bytes int64
}

// usage knows what each tenant has. It belongs to the writer's goroutine; quota
// is set before the first change.
type usage struct {
	quota func(tenant string) Usage // 0: no bound
	known map[string]Usage          // as committed
	batch map[string]Usage          // added by the batch under way
}

// Limit bounds what each tenant may keep. It is called before the first change.
func (s *Store) Limit(quota func(tenant string) Usage) { s.writer.usage.quota = quota }

// Usage is what a tenant keeps.
func (s *Store) Usage(ctx context.Context, tenant string) (Usage, error) {
	var u Usage
	err := s.read.QueryRowContext(ctx, `select items, bytes from usage where tenant = ?`, tenant).Scan(&u.Items, &u.Bytes)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return u, err
}

func (u *usage) of(tx *sql.Tx, tenant string) (Usage, error) {
	if have, ok := u.known[tenant]; ok {
		return have, nil
	}
	var have Usage
	err := tx.QueryRow(`select items, bytes from usage where tenant = ?`, tenant).Scan(&have.Items, &have.Bytes)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return have, err
	}
	if len(u.known) >= 1024 {
		clear(u.known)
	}
	u.known[tenant] = have
	return have, nil
}

func (u *usage) allows(tx *sql.Tx, tenant string, add Usage, grows bool) error {
	if u.quota == nil || !grows {
		return nil
	}
	most := u.quota(tenant)
	have, err := u.of(tx, tenant)
	if err != nil {
		return err
	}
	items, bytes := have.Items+u.batch[tenant].Items+add.Items, have.Bytes+u.batch[tenant].Bytes+add.Bytes
	switch {
	case most.Items > 0 && items > most.Items:
		return fault.New(fault.Exhausted, "this tenant may keep %d items, and this would be number %d", most.Items, items).
			WithHint("delete some, or raise tenant_items of quiltd")
	case most.Bytes > 0 && bytes > most.Bytes:
		return fault.New(fault.Exhausted, "this tenant may keep %d MiB, and this would make it %.1f MiB", most.Bytes>>20, float64(bytes)/(1<<20)).
			WithHint("delete something, or raise tenant_bytes of quiltd")
	}
	return nil
}

// add takes over what one change charged.
func (u *usage) add(charged map[string]Usage) {
	for tenant, c := range charged {
		b := u.batch[tenant]
		u.batch[tenant] = Usage{b.Items + c.Items, b.Bytes + c.Bytes}
	}
}

// flush writes the batch's sums; settle or drop follows.
func (u *usage) flush(tx *sql.Tx) error {
	for tenant, b := range u.batch {
		if b == (Usage{}) {
			continue
		}
		if _, err := tx.Exec(`insert into usage (tenant, items, bytes) values (?1, max(0, ?2), max(0, ?3))
			on conflict (tenant) do update set items = max(0, items + ?2), bytes = max(0, bytes + ?3)`, tenant, b.Items, b.Bytes); err != nil {
			return err
		}
	}
	return nil
}

func (u *usage) settle() {
	for tenant, b := range u.batch {
		if have, ok := u.known[tenant]; ok {
			u.known[tenant] = Usage{max(0, have.Items+b.Items), max(0, have.Bytes+b.Bytes)}
		}
	}
	clear(u.batch)
}
