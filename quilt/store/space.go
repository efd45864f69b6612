package store

import (
	"database/sql"
	"errors"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Space names what one token of one tenant opens.
type Space struct {
	Tenant string
	// Name is the path of its token. Spaces of other schemes than kv have the
	// scheme in front: "orders", "queue:jobs". A path never holds a colon.
	Name string
}

func (s Space) token() string {
	if strings.Contains(s.Name, ":") {
		return s.Name
	}
	return "kv:" + s.Name
}

// Lease is under what a space is written.
type Lease struct {
	Space Space
	// Fence is the lease's. Shared says that the lease lets others write at the
	// same time (verb a), so only a later exclusive lease makes it stale.
	Fence  uint64
	Shared bool
}

type spaceRow struct {
	id                int64
	exclusive, shared int64
	floor             int64
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
func checkFence(sp spaceRow, w Lease) error {
	fence := int64(w.Fence)
	if fence < sp.exclusive || (!w.Shared && fence < sp.shared) {
		return fault.New(fault.Conflict, "stale lease: %s has been written under a later one", w.Space.token()).
			WithHint("the execution lost its lease; start it again")
	}
	return nil
}

func raiseFence(tx *sql.Tx, sp *spaceRow, w Lease) error {
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
