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

// Room refuses, as Charge would, so many bytes more. It is for what is written
// beside the file before it is charged.
func (s *Store) Room(ctx context.Context, tenant string, bytes int64) error {
	if s.writer.usage.quota == nil {
		return nil
	}
	have, err := s.Usage(ctx, tenant)
	if err != nil {
		return err
	}
	return s.writer.usage.quota(tenant).holds(Usage{have.Items, have.Bytes + bytes})
}

// holds: a quota of 0 bounds nothing.
func (most Usage) holds(u Usage) error {
	switch {
	case most.Items > 0 && u.Items > most.Items:
		return fault.New(fault.Exhausted, "this tenant may keep %d items, and this would be number %d", most.Items, u.Items).
			WithHint("delete some, or raise tenant_items of quiltd")
	case most.Bytes > 0 && u.Bytes > most.Bytes:
		return fault.New(fault.Exhausted, "this tenant may keep %.1f MiB, and this would make it %.1f MiB", mib(most.Bytes), mib(u.Bytes)).
			WithHint("delete something, or raise tenant_bytes of quiltd")
	}
	return nil
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

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
	have, err := u.of(tx, tenant)
	if err != nil {
		return err
	}
	b := u.batch[tenant]
	return u.quota(tenant).holds(Usage{have.Items + b.Items + add.Items, have.Bytes + b.Bytes + add.Bytes})
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
