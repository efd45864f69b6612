package kv

import (
	"context"
	"encoding/json"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

// Bounds of one transaction; the 4 MiB of a frame bound its values.
const (
	maxReads  = 2000
	maxWrites = 1000
)

type commitArgs struct {
	ID     int64        `json:"id"`
	Reads  []readArgs   `json:"reads"`
	Lists  []listedArgs `json:"lists"`
	Writes []kvArgs     `json:"writes"`
}

type readArgs struct {
	NS      string `json:"ns"`
	Key     string `json:"key"`
	Version uint64 `json:"version"`
}

type listedArgs struct {
	kvArgs
	Sum string `json:"sum"`
}

// commit writes all of a transaction or nothing, if what it read is still so,
// and closes the span. A span of a session that crashed is not there any more: its
// namespaces are claimed again, and the check of what was read says whether
// anybody wrote meanwhile.
func (s *service) commit(ctx context.Context, c broker.Call) (any, error) {
	var a commitArgs
	if err := c.Into(&a); err != nil {
		return nil, err
	}
	if len(a.Reads)+len(a.Lists) > maxReads || len(a.Writes) > maxWrites {
		return nil, fault.New(fault.Invalid, "a transaction reads at most %d keys and writes at most %d", maxReads, maxWrites).
			WithHint("split it")
	}
	sp := s.forget(broker.Opened{Execution: c.Execution, ID: a.ID})
	if sp == nil || sp.snapshot != nil {
		sp = &span{}
		if err := sp.take(ctx, c, a.needs()); err != nil {
			return nil, err
		}
	}
	defer sp.close()
	if err := sp.lapsed(); err != nil {
		return nil, err
	}
	b, err := a.batch(c, sp)
	if err != nil {
		return nil, err
	}
	done, err := s.data.Commit(ctx, b)
	if err != nil {
		return nil, err
	}
	versions := make([]uint64, len(done))
	for i, d := range done {
		versions[i] = d.Version
	}
	return map[string]any{"versions": versions}, nil
}

func (a commitArgs) needs() map[string]token.Verb {
	need := map[string]token.Verb{}
	for _, r := range a.Reads {
		need[r.NS] = token.Snapshot
	}
	for _, l := range a.Lists {
		need[l.NS] = token.Snapshot
	}
	for _, w := range a.Writes {
		need[w.NS] = token.Atomic
	}
	return need
}

func (a commitArgs) batch(c broker.Call, sp *span) (store.Batch, error) {
	b := store.Batch{Tenant: c.Grant.Tenant, Once: c.Key}
	for _, r := range a.Reads {
		if err := sp.has(r.NS); err != nil {
			return b, err
		}
		b.Reads = append(b.Reads, store.Read{Space: space(c, r.NS), Key: r.Key, Version: r.Version})
	}
	for _, l := range a.Lists {
		if err := sp.has(l.NS); err != nil {
			return b, err
		}
		q, err := l.query()
		if err != nil {
			return b, err
		}
		b.Lists = append(b.Lists, store.Listed{Space: space(c, l.NS), Query: q, Sum: l.Sum})
	}
	for _, w := range a.Writes {
		write, err := sp.write(c, w)
		if err != nil {
			return b, err
		}
		b.Writes = append(b.Writes, write)
	}
	return b, nil
}

func (sp *span) has(ns string) error {
	if _, ok := sp.holds[ns]; ok {
		return nil
	}
	return fault.New(fault.Invalid, "the transaction does not have %q", broker.Clip(ns, 80)).
		WithHint("name every handle when the transaction begins")
}

func (sp *span) write(c broker.Call, a kvArgs) (store.Write, error) {
	hold, ok := sp.holds[a.NS]
	if !ok {
		return store.Write{}, sp.has(a.NS)
	}
	need, err := broker.Need("kv", a.NS, token.Atomic)
	if err != nil {
		return store.Write{}, err
	}
	if !hold.Token.Covers(need) || hold.Token.Verb() == token.Update {
		return store.Write{}, fault.New(fault.Denied, "this transaction holds %s, which does not write", hold.Token).
			WithHint("begin it with a handle that may write")
	}
	if err := checkKey(a.Key); err != nil {
		return store.Write{}, err
	}
	w := store.Write{Space: space(c, a.NS), Key: a.Key, Fence: hold.Fence, Shared: hold.Token.Verb() == token.Atomic, Kind: store.Remove}
	if a.Delete {
		return w, nil
	}
	w.Kind = store.Put
	return w, setValue(a, &w)
}

// UnmarshalJSON keeps the two parts of the arguments together.
func (l *listedArgs) UnmarshalJSON(b []byte) error {
	var sum struct {
		Sum string `json:"sum"`
	}
	if err := json.Unmarshal(b, &sum); err != nil {
		return err
	}
	l.Sum = sum.Sum
	return json.Unmarshal(b, &l.kvArgs)
}
