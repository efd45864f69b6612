package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Batch is several writes, of one or several namespaces, that happen together or
// not at all, provided that what was read before is still so.
type Batch struct {
	Tenant string
	Once   string // the Key of its Change
	Reads  []Read
	Lists  []Listed
	Writes []Write // Put or Remove
}

// Read is a key as it was read; Version 0: it was not there.
type Read struct {
	Space   Space
	Key     string
	Version uint64
}

// Listed is a page as it was read, with its Sum.
type Listed struct {
	Space Space
	Query Query
	Sum   string
}

// Sum tells pages apart that differ in keys or versions.
func (p Page) Sum() string {
	h := sha256.New()
	for _, it := range p.Items {
		b := binary.BigEndian.AppendUint64(nil, uint64(len(it.Key)))
		h.Write(binary.BigEndian.AppendUint64(append(b, it.Key...), it.Version))
	}
	h.Write([]byte(p.Next))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Commit applies b and answers what each write did. Faults: Conflict (something
// that was read has changed, or a fence does not hold), and those of Change.
func (s *Store) Commit(ctx context.Context, b Batch) ([]Written, error) {
	value, err := s.writer.submit(ctx, Change{Tenant: b.Tenant, Key: b.Once, Do: func(tx *Tx) (any, error) {
		if err := b.check(ctx, tx); err != nil {
			return nil, err
		}
		out := make([]Written, len(b.Writes))
		for i, w := range b.Writes {
			done, err := apply(tx, w)
			if err != nil {
				return nil, err
			}
			out[i] = done
		}
		return out, nil
	}})
	return answerOf[[]Written](value, err)
}

func (b Batch) check(ctx context.Context, tx *Tx) error {
	for _, r := range b.Reads {
		sp, err := findSpace(tx.Tx, r.Space)
		if err != nil {
			return err
		}
		old, err := current(tx, sp.id, r.Key)
		if err != nil {
			return err
		}
		if err := expect(r.Key, r.Version, old); err != nil {
			return err
		}
	}
	for _, l := range b.Lists {
		page, err := list(ctx, tx, l.Space, l.Query)
		if err != nil {
			return err
		}
		if page.Sum() != l.Sum {
			return fault.New(fault.Conflict, "%s has changed under %q since it was listed", l.Space.token(), l.Query.Prefix).
				WithHint("read it again and decide anew")
		}
	}
	return nil
}
