// Package vector is what stands behind vector tokens: documents with a vector,
// found by nearness and by their metadata. Rows are in quilt/store's file; an
// index in memory is made of them when they are first searched and dropped when
// nobody has searched for a while.
//
// Nearness is the cosine. Texts become vectors by llm/embed; vectors that the
// unit brings are taken as they are, made length 1.
package vector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

// Embedder turns a text into a vector of length 1, all zero for no text.
type Embedder interface {
	Embed(text string) ([]float32, error)
}

// Data is what is used of quilt/store.
type Data interface {
	Change(ctx context.Context, c store.Change) (any, error)
	Ensure(ctx context.Context, tables string) error
	Reader() *sql.DB
	EachSweep(c store.Change)
}

// New makes the service over data. Folder is for files that hold nothing that is
// not in data too.
func New(data Data, folder string, words Embedder, log *slog.Logger) (broker.Service, error) {
	if err := data.Ensure(context.Background(), tables); err != nil {
		return broker.Service{}, fmt.Errorf("vector tables: %w", err)
	}
	s := &service{data: data, words: words, indexes: newIndexes(data.Reader(), folder, log), turn: make(chan struct{}, 1)}
	data.EachSweep(s.expiry())
	return broker.Service{Scheme: "vector", Repeats: true, Nature: broker.Natures{
		"vector.get": broker.Read, "vector.query": broker.Read, "vector.info": broker.Read,
		"vector.upsert": broker.Keyed, "vector.delete": broker.Keyed,
	}.Of, Ops: map[string]broker.Op{
		"vector.upsert": s.upsert, "vector.delete": s.remove, "vector.get": s.get, "vector.query": s.query, "vector.info": s.info,
	}}, nil
}

type service struct {
	data    Data
	words   Embedder
	indexes *indexes
	turn    chan struct{} // one text at a time is embedded: it costs a core
}

// args are the arguments of every operation; which count depends on it.
type args struct {
	NS    string   `json:"ns"`
	Dims  int      `json:"dims"` // what the handle says; 0: nothing
	Items []doc    `json:"items"`
	IDs   []string `json:"ids"`
	V     []byte   `json:"v"`
	Text  string   `json:"text"`
	K     int      `json:"k"`
	Where any      `json:"where"`
	Min   float64  `json:"min"`
}

// claim reads the arguments and asks for the store with verb.
func claim(ctx context.Context, c broker.Call, verb token.Verb) (args, broker.Hold, error) {
	var a args
	if err := c.Into(&a); err != nil {
		return a, broker.Hold{}, err
	}
	need, err := broker.Need("vector", a.NS, verb)
	if err != nil {
		return a, broker.Hold{}, err
	}
	hold, err := c.Hold(ctx, need)
	return a, hold, err
}

func space(c broker.Call, a args) store.Space {
	return store.Space{Tenant: c.Grant.Tenant, Name: "vector:" + a.NS}
}

func (s *service) upsert(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Atomic)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	rows, shape, err := s.rows(ctx, a)
	if err != nil {
		return nil, err
	}
	lease := store.Lease{Space: space(c, a), Fence: hold.Fence, Shared: hold.Token.Verb() == token.Atomic}
	var id int64
	return s.data.Change(ctx, store.Change{
		Tenant: c.Grant.Tenant, Key: c.Key,
		Do: func(tx *store.Tx) (any, error) {
			if id, err = tx.Enter(lease); err != nil {
				return nil, err
			}
			if err := shape.agree(tx, id); err != nil {
				return nil, err
			}
			for i := range rows {
				if err := rows[i].put(tx, id, c.Grant.Tenant); err != nil {
					return nil, err
				}
			}
			return map[string]int{"stored": len(rows)}, nil
		},
		Then: func() { s.indexes.note(id, rows, nil) },
	})
}

func (s *service) remove(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Atomic)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if len(a.IDs) > maxItems {
		return nil, tooMany(len(a.IDs))
	}
	lease := store.Lease{Space: space(c, a), Fence: hold.Fence, Shared: hold.Token.Verb() == token.Atomic}
	var id int64
	var gone []int64
	return s.data.Change(ctx, store.Change{
		Tenant: c.Grant.Tenant, Key: c.Key,
		Do: func(tx *store.Tx) (any, error) {
			gone = nil
			if id, err = tx.Enter(lease); err != nil {
				return nil, err
			}
			for _, key := range a.IDs {
				row, err := removeRow(tx, id, key, c.Grant.Tenant)
				if err != nil {
					return nil, err
				}
				if row != 0 {
					gone = append(gone, row)
				}
			}
			return map[string]int{"deleted": len(gone)}, nil
		},
		Then: func() { s.indexes.note(id, nil, gone) },
	})
}

func (s *service) query(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Snapshot)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if a.K == 0 {
		a.K = 10
	}
	if a.K < 0 || a.K > maxK {
		return nil, fault.New(fault.Invalid, "k is %d; it may be 1 to %d", a.K, maxK).WithHint("ask for fewer, or narrow with where")
	}
	cond, err := parseWhere(a.Where)
	if err != nil {
		return nil, err
	}
	shape, err := s.shape(ctx, space(c, a))
	if err != nil || shape.dims == 0 {
		return page{Hits: []hit{}}, err
	}
	q, err := s.vectorOf(ctx, doc{V: a.V, Text: a.Text}, shape.dims)
	if err != nil {
		return nil, err
	}
	if len(q) != shape.dims {
		return nil, shape.differs(len(q))
	}
	near, err := s.indexes.search(ctx, shape, q, a.K, cond)
	if err != nil {
		return nil, err
	}
	return s.hits(ctx, near, a.Min)
}

func (s *service) get(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Snapshot)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if len(a.IDs) > maxItems {
		return nil, tooMany(len(a.IDs))
	}
	return s.fetch(ctx, space(c, a), a.IDs)
}

func (s *service) info(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Snapshot)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	shape, err := s.shape(ctx, space(c, a))
	if err != nil {
		return nil, err
	}
	out := struct {
		Count int64  `json:"count"`
		Dims  int    `json:"dims"`
		Model string `json:"model"`
	}{Dims: shape.dims, Model: shape.model}
	err = s.data.Reader().QueryRowContext(ctx, `select count(*) from vec where space = ? and expires > ?`, shape.space, time.Now().UnixMilli()).Scan(&out.Count)
	return out, err
}

// shape is what all vectors of a store have in common; the zero shape: none yet.
func (s *service) shape(ctx context.Context, sp store.Space) (shape, error) {
	var out shape
	err := s.data.Reader().QueryRowContext(ctx, `select space.id, vec_space.dims, vec_space.model from vec_space
		join space on space.id = vec_space.space where space.tenant = ? and space.name = ?`, sp.Tenant, sp.Name).
		Scan(&out.space, &out.dims, &out.model)
	if errors.Is(err, sql.ErrNoRows) {
		return shape{}, nil
	}
	return out, err
}
