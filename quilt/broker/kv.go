package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ariacomputecompany/firmware/internal/fault"
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

func (s *session) kvGet(ctx context.Context, raw json.RawMessage) (any, error) {
	a, sp, err := s.read(raw)
	if err != nil {
		return nil, err
	}
	if err := checkKey(a.Key); err != nil {
		return nil, err
	}
	it, ok, err := s.cfg.Store.Get(ctx, sp, a.Key)
	if err != nil || !ok {
		return nil, err
	}
	return kvItem{Value: it.Value, Version: it.Version}, nil
}

func (s *session) kvList(ctx context.Context, raw json.RawMessage) (any, error) {
	a, sp, err := s.read(raw)
	if err != nil {
		return nil, err
	}
	if a.Limit < 0 || a.Limit > store.MaxPage {
		return nil, fault.New(fault.Invalid, "kv.list: limit %d is not in 0 to %d", a.Limit, store.MaxPage).
			WithHint("ask for pages: pass next of one page as after of the following")
	}
	page, err := s.cfg.Store.List(ctx, sp, store.Query{Prefix: a.Prefix, After: a.After, Limit: a.Limit})
	if err != nil {
		return nil, err
	}
	out := kvPage{Items: make([]kvItem, len(page.Items)), Next: page.Next}
	for i, it := range page.Items {
		out.Items[i] = kvItem{Key: it.Key, Value: it.Value, Version: it.Version}
	}
	return out, nil
}

func (s *session) kvPut(ctx context.Context, raw json.RawMessage) (any, error) {
	return s.kvWrite(ctx, raw, func(a kvArgs, w *store.Write) error {
		w.Kind = store.Put
		return setValue(a, w)
	})
}

func (s *session) kvSwap(ctx context.Context, raw json.RawMessage) (any, error) {
	return s.kvWrite(ctx, raw, func(a kvArgs, w *store.Write) error {
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

func (s *session) kvDelete(ctx context.Context, raw json.RawMessage) (any, error) {
	return s.kvWrite(ctx, raw, func(_ kvArgs, w *store.Write) error {
		w.Kind = store.Remove
		return nil
	})
}

func (s *session) kvWrite(ctx context.Context, raw json.RawMessage, fill func(kvArgs, *store.Write) error) (any, error) {
	a, err := parseArgs(raw)
	if err != nil {
		return nil, err
	}
	shared, err := s.mayWrite(a.NS)
	if err != nil {
		return nil, err
	}
	if err := checkKey(a.Key); err != nil {
		return nil, err
	}
	w := store.Write{Space: s.space(a.NS), Key: a.Key, Fence: s.cfg.Grant.Fence, Shared: shared}
	if err := fill(a, &w); err != nil {
		return nil, err
	}
	done, err := s.cfg.Store.Write(ctx, w)
	if err != nil {
		return nil, err
	}
	if w.Kind == store.Remove {
		return map[string]bool{"deleted": done.Removed}, nil
	}
	return map[string]uint64{"version": done.Version}, nil
}

func (s *session) read(raw json.RawMessage) (kvArgs, store.Space, error) {
	a, err := parseArgs(raw)
	if err != nil {
		return a, store.Space{}, err
	}
	asked, err := kvToken(a.NS, token.Snapshot)
	if err != nil {
		return a, store.Space{}, err
	}
	if !s.cfg.Grant.Tokens.Covers(asked) {
		return a, store.Space{}, s.deny(asked, "r")
	}
	return a, s.space(a.NS), nil
}

// mayWrite says whether the lease writes beside others (verb a) or alone. An
// exclusive token wins when both are held; u only announces a later write.
func (s *session) mayWrite(ns string) (shared bool, err error) {
	asked, err := kvToken(ns, token.Atomic)
	if err != nil {
		return false, err
	}
	for _, t := range s.cfg.Grant.Tokens {
		if t.Covers(asked) && t.Verb() == token.Write {
			return false, nil
		}
		shared = shared || (t.Covers(asked) && t.Verb() == token.Atomic)
	}
	if !shared {
		return false, s.deny(asked, "rw")
	}
	return true, nil
}

func (s *session) space(ns string) store.Space {
	return store.Space{Tenant: s.cfg.Grant.Tenant, Name: ns}
}

func (s *session) deny(asked token.Token, verb string) error {
	held := "no tokens"
	if len(s.cfg.Grant.Tokens) > 0 {
		held = strings.Join(s.cfg.Grant.Tokens.Strings(), ", ")
	}
	return fault.New(fault.Denied, "this unit holds no kv:%s:%s", asked.Path(), verb).
		WithHint("declare a kv handle of %q with mode %q in the class; it holds %s", asked.Path(), verb, clip(held, 400))
}

// kvToken is the authority an operation on ns needs. The name comes from
// inside: only what the grammar takes as exactly this path passes.
func kvToken(ns string, verb token.Verb) (token.Token, error) {
	t, err := token.Parse(fmt.Sprintf("kv:%s:%s", ns, verb))
	if err != nil || t.Path() != ns || t.Verb() != verb || t.Params() != (token.Params{}) {
		return token.Token{}, fault.New(fault.Invalid, "%q is not the name of a kv namespace", clip(ns, 80)).
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
