package kv

import (
	"bytes"
	"context"
	"encoding/json"
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

// kvArgs are the arguments of the operations on one key; which count depends on it.
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
	Tx      int64           `json:"tx"`   // of kv.begin
	Snap    int64           `json:"snap"` // of kv.begin with snapshot
}

type kvItem struct {
	Key     string          `json:"key,omitempty"`
	Value   json.RawMessage `json:"value"`
	Version uint64          `json:"version"`
}

type kvPage struct {
	Items []kvItem `json:"items"`
	Next  string   `json:"next"`
	Sum   string   `json:"sum,omitempty"` // inside a transaction
}

func items(page store.Page) kvPage {
	out := kvPage{Items: make([]kvItem, len(page.Items)), Next: page.Next}
	for i, it := range page.Items {
		out.Items[i] = kvItem{Key: it.Key, Value: it.Value, Version: it.Version}
	}
	return out
}

func parse(c broker.Call) (kvArgs, error) {
	var a kvArgs
	return a, c.Into(&a)
}

func (a kvArgs) query() (store.Query, error) {
	if a.Limit < 0 || a.Limit > store.MaxPage {
		return store.Query{}, fault.New(fault.Invalid, "kv.list: limit %d is not in 0 to %d", a.Limit, store.MaxPage).
			WithHint("ask for pages: pass next of one page as after of the following")
	}
	for what, s := range map[string]string{"prefix": a.Prefix, "after": a.After} {
		if err := checkText(what, s); err != nil {
			return store.Query{}, err
		}
	}
	return store.Query{Prefix: a.Prefix, After: a.After, Limit: a.Limit}, nil
}

// claim asks for the namespace ns with verb.
func claim(ctx context.Context, c broker.Call, ns string, verb token.Verb) (broker.Hold, error) {
	need, err := broker.Need("kv", ns, verb)
	if err != nil {
		return broker.Hold{}, err
	}
	return c.Hold(ctx, need)
}

func space(c broker.Call, ns string) store.Space {
	return store.Space{Tenant: c.Grant.Tenant, Name: ns}
}

// checkKey refuses keys that are none. A lone half of a surrogate pair came as
// the replacement character, because UTF-8 has none: two different strings of
// JavaScript would be one key.
func checkKey(key string) error {
	if len(key) == 0 || len(key) > maxKey {
		return fault.New(fault.Invalid, "a kv key is 1 to %d bytes of UTF-8 without NUL; this one has %d bytes", maxKey, len(key)).
			WithHint("shorten the key, or hash the long part")
	}
	return checkText("key", key)
}

func checkText(what, s string) error {
	if strings.ContainsRune(s, 0) || strings.ContainsRune(s, utf8.RuneError) || !utf8.ValidString(s) {
		return fault.New(fault.Invalid, "a kv %s is Unicode text without NUL and without U+FFFD, which stands for what could not be read", what).
			WithHint("half of a surrogate pair is no character; encode binary keys as hex or base64url")
	}
	return nil
}

func checkTTL(ms int64) error {
	if ms < 0 || ms > maxTTL.Milliseconds() {
		return fault.New(fault.Invalid, "ttlMs %d is not a time to live", ms).WithHint("give milliseconds from now; 0 means for ever")
	}
	return nil
}

func setValue(a kvArgs, w *store.Write) error {
	if len(a.Value) == 0 {
		return fault.New(fault.Invalid, "a kv value is missing for key %q", w.Key).WithHint("undefined is not a value; use null or delete")
	}
	if len(a.Value) > maxValue {
		return fault.New(fault.Invalid, "the value of key %q has %d bytes; at most %d are allowed", w.Key, len(a.Value), maxValue).
			WithHint("split it over several keys, or store it as a blob")
	}
	if err := checkTTL(a.TTLMs); err != nil {
		return err
	}
	w.Value = bytes.Clone(a.Value)
	w.TTL = time.Duration(a.TTLMs) * time.Millisecond
	return nil
}
