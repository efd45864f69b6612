// Package kv is what stands behind kv tokens: single operations on the entries of
// a namespace, each checked against the caller's tokens and its fence. The data
// is quilt/store's; the wire form is docs/spec/harness.md's.
package kv

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

const (
	maxKey   = 512
	maxValue = 1 << 20
	maxTTL   = 10 * 365 * 24 * time.Hour
)

// kvArgs are the arguments of every kv operation; which count depends on it.
type kvArgs struct {
	NS      string          `json:"ns"`
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
	TTLMs   int64           `json:"ttlMs"`
	Version int64           `json:"version"`
	Delete  bool            `json:"delete"`
	Prefix  string          `json:"prefix"`
	After   string          `json:"after"`
	Limit   int             `json:"limit"`
}

type kvItem struct {
	Key     string          `json:"key,omitempty"`
	Value   json.RawMessage `json:"value"`
	Version uint64          `json:"version"`
}

type kvPage struct {
	Items []kvItem `json:"items"`
	Next  string   `json:"next"`
}

// Store is the data.
type Store interface {
	Get(ctx context.Context, sp store.Space, key string) (store.Item, bool, error)
	List(ctx context.Context, sp store.Space, q store.Query) (store.Page, error)
	Write(ctx context.Context, w store.Write) (store.Written, error)
}

// New makes the service over data.
func New(data Store) broker.Service {
	s := service{data}
	return broker.Service{Scheme: "kv", Repeats: true, Ops: map[string]broker.Op{
		"kv.get": s.get, "kv.list": s.list, "kv.put": s.put, "kv.cas": s.swap, "kv.delete": s.remove,
	}}
}

type service struct{ data Store }

func (s service) get(ctx context.Context, c broker.Call) (any, error) {
	a, done, err := s.read(ctx, c)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := checkKey(a.Key); err != nil {
		return nil, err
	}
	it, ok, err := s.data.Get(ctx, space(c, a), a.Key)
	if err != nil || !ok {
		return nil, err
	}
	return kvItem{Value: it.Value, Version: it.Version}, nil
}

func (s service) list(ctx context.Context, c broker.Call) (any, error) {
	a, done, err := s.read(ctx, c)
	if err != nil {
		return nil, err
	}
	defer done()
	if a.Limit < 0 || a.Limit > store.MaxPage {
		return nil, fault.New(fault.Invalid, "kv.list: limit %d is not in 0 to %d", a.Limit, store.MaxPage).
			WithHint("ask for pages: pass next of one page as after of the following")
	}
	page, err := s.data.List(ctx, space(c, a), store.Query{Prefix: a.Prefix, After: a.After, Limit: a.Limit})
	if err != nil {
		return nil, err
	}
	out := kvPage{Items: make([]kvItem, len(page.Items)), Next: page.Next}
	for i, it := range page.Items {
		out.Items[i] = kvItem{Key: it.Key, Value: it.Value, Version: it.Version}
	}
	return out, nil
}

func (s service) put(ctx context.Context, c broker.Call) (any, error) {
	return s.write(ctx, c, func(a kvArgs, w *store.Write) error {
		w.Kind = store.Put
		return setValue(a, w)
	})
}

func (s service) swap(ctx context.Context, c broker.Call) (any, error) {
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

func (s service) remove(ctx context.Context, c broker.Call) (any, error) {
	return s.write(ctx, c, func(_ kvArgs, w *store.Write) error {
		w.Kind = store.Remove
		return nil
	})
}

func (s service) write(ctx context.Context, c broker.Call, fill func(kvArgs, *store.Write) error) (any, error) {
	a, err := parseArgs(c.Args)
	if err != nil {
		return nil, err
	}
	need, err := kvToken(a.NS, token.Atomic)
	if err != nil {
		return nil, err
	}
	hold, err := c.Hold(ctx, need)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if err := checkKey(a.Key); err != nil {
		return nil, err
	}
	w := store.Write{Space: space(c, a), Key: a.Key, Fence: hold.Fence, Shared: hold.Token.Verb() == token.Atomic}
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

// read claims the namespace for reading.
func (s service) read(ctx context.Context, c broker.Call) (kvArgs, func(), error) {
	a, err := parseArgs(c.Args)
	if err != nil {
		return a, nil, err
	}
	need, err := kvToken(a.NS, token.Snapshot)
	if err != nil {
		return a, nil, err
	}
	hold, err := c.Hold(ctx, need)
	if err != nil {
		return a, nil, err
	}
	return a, hold.Done, nil
}

func space(c broker.Call, a kvArgs) store.Space {
	return store.Space{Tenant: c.Grant.Tenant, Name: a.NS}
}

// kvToken is the authority an operation on ns needs. The name comes from
// inside: only what the grammar takes as exactly this path passes.
func kvToken(ns string, verb token.Verb) (token.Token, error) {
	t, err := token.Parse(fmt.Sprintf("kv:%s:%s", ns, verb))
	if err != nil || t.Path() != ns || t.Verb() != verb || t.Params() != (token.Params{}) {
		return token.Token{}, fault.New(fault.Invalid, "%q is not the name of a kv namespace", broker.Clip(ns, 80)).
			WithHint("names are letters, digits, - _ . ~ in segments split by /")
	}
	return t, nil
}

func parseArgs(raw json.RawMessage) (kvArgs, error) {
	var a kvArgs
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, fault.Wrap(err, fault.Invalid, "the arguments of the kv operation are not valid").
			WithHint("use the kv handle of @aria/sdk")
	}
	return a, nil
}

func checkKey(key string) error {
	if len(key) == 0 || len(key) > maxKey || strings.ContainsRune(key, 0) || !utf8.ValidString(key) {
		return fault.New(fault.Invalid, "a kv key is 1 to %d bytes of UTF-8 without NUL; this one has %d bytes", maxKey, len(key)).
			WithHint("shorten the key, or hash the long part")
	}
	return nil
}

func setValue(a kvArgs, w *store.Write) error {
	if len(a.Value) == 0 {
		return fault.New(fault.Invalid, "a kv value is missing for key %q", w.Key).WithHint("undefined is not a value; use null or delete")
	}
	if len(a.Value) > maxValue {
		return fault.New(fault.Invalid, "the value of key %q has %d bytes; at most %d are allowed", w.Key, len(a.Value), maxValue).
			WithHint("split it over several keys")
	}
	if a.TTLMs < 0 || a.TTLMs > maxTTL.Milliseconds() {
		return fault.New(fault.Invalid, "ttlMs %d is not a time to live", a.TTLMs).WithHint("give milliseconds from now; 0 means for ever")
	}
	w.Value = bytes.Clone(a.Value)
	w.TTL = time.Duration(a.TTLMs) * time.Millisecond
	return nil
}
