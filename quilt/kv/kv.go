// Package kv is what stands behind kv tokens: operations on the entries of a
// namespace, transactions over several, snapshots and watches, each checked
// against the caller's tokens and its fence. The data is quilt/store's; the wire
// form is docs/spec/harness.md's.
package kv

import (
	"context"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

// Store is the data.
type Store interface {
	reader
	Write(ctx context.Context, w store.Write) (store.Written, error)
	Commit(ctx context.Context, b store.Batch) ([]store.Written, error)
	Snapshot(ctx context.Context) (*store.Snapshot, error)
	Watch(ctx context.Context, sp store.Space, prefix string, since uint64, max int, wait time.Duration) store.News
}

// reader is the data as it is, or as it was.
type reader interface {
	Get(ctx context.Context, sp store.Space, key string) (store.Item, bool, error)
	List(ctx context.Context, sp store.Space, q store.Query) (store.Page, error)
}

// New makes the service over data.
func New(data Store) broker.Service {
	s := &service{data: data, spans: spans{open: map[broker.Opened]*span{}}}
	return broker.Service{
		Scheme: "kv", Repeats: true,
		Ops: map[string]broker.Op{
			"kv.get": s.get, "kv.list": s.list, "kv.put": s.put, "kv.cas": s.swap, "kv.delete": s.remove,
			"kv.begin": s.begin, "kv.commit": s.commit, "kv.end": s.end, "kv.watch": s.watch,
		},
		Live:  []string{"kv.begin", "kv.end"},
		Leave: s.leave, Enter: s.enter,
		Nature: broker.Natures{
			"kv.get": broker.Read, "kv.list": broker.Read, "kv.watch": broker.Read, "kv.begin": broker.Read, "kv.end": broker.Read,
			"kv.put": broker.Keyed, "kv.cas": broker.Keyed, "kv.delete": broker.Keyed, "kv.commit": broker.Keyed,
		}.Of,
	}
}

type service struct {
	data Store
	spans
}

func (s *service) get(ctx context.Context, c broker.Call) (any, error) {
	a, err := parse(c)
	if err != nil {
		return nil, err
	}
	from, done, err := s.reading(ctx, c, a)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := checkKey(a.Key); err != nil {
		return nil, err
	}
	it, ok, err := from.Get(ctx, space(c, a.NS), a.Key)
	if err != nil || !ok {
		return nil, err
	}
	return kvItem{Value: it.Value, Version: it.Version}, nil
}

func (s *service) list(ctx context.Context, c broker.Call) (any, error) {
	a, err := parse(c)
	if err != nil {
		return nil, err
	}
	from, done, err := s.reading(ctx, c, a)
	if err != nil {
		return nil, err
	}
	defer done()
	q, err := a.query()
	if err != nil {
		return nil, err
	}
	page, err := from.List(ctx, space(c, a.NS), q)
	if err != nil {
		return nil, err
	}
	out := items(page)
	if a.Tx != 0 {
		out.Sum = page.Sum()
	}
	return out, nil
}

func (s *service) put(ctx context.Context, c broker.Call) (any, error) {
	return s.write(ctx, c, func(a kvArgs, w *store.Write) error {
		w.Kind = store.Put
		return setValue(a, w)
	})
}

func (s *service) swap(ctx context.Context, c broker.Call) (any, error) {
	return s.write(ctx, c, func(a kvArgs, w *store.Write) error {
		if a.Version < 0 {
			return fault.New(fault.Invalid, "kv.cas: version %d is negative", a.Version).WithHint("0 means: the key must not exist")
		}
		w.Expect = uint64(a.Version)
		if a.Delete {
			w.Kind = store.SwapAway
			return nil
		}
		w.Kind = store.Swap
		return setValue(a, w)
	})
}

func (s *service) remove(ctx context.Context, c broker.Call) (any, error) {
	return s.write(ctx, c, func(_ kvArgs, w *store.Write) error {
		w.Kind = store.Remove
		return nil
	})
}

func (s *service) write(ctx context.Context, c broker.Call, fill func(kvArgs, *store.Write) error) (any, error) {
	a, err := parse(c)
	if err != nil {
		return nil, err
	}
	hold, err := claim(ctx, c, a.NS, token.Atomic)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if err := checkKey(a.Key); err != nil {
		return nil, err
	}
	w := store.Write{Space: space(c, a.NS), Key: a.Key, Fence: hold.Fence, Shared: hold.Token.Verb() == token.Atomic, Once: c.Key}
	if err := fill(a, &w); err != nil {
		return nil, err
	}
	done, err := s.data.Write(ctx, w)
	if err != nil {
		return nil, err
	}
	if w.Kind == store.Remove {
		return map[string]bool{"deleted": done.Removed}, nil
	}
	return map[string]uint64{"version": done.Version}, nil
}
