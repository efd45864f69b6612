package kv

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

// Each operation under each kind of token.
func TestOperationsNeedTheirTokens(t *testing.T) {
	data, err := store.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	ops := New(data).Ops
	const yes, no, bad = "", "denied", "invalid"
	for _, test := range []struct{ token, op, args, want string }{
		{"kv:a:r", "kv.get", `{"ns":"a","key":"k"}`, yes},
		{"kv:a:s", "kv.get", `{"ns":"a","key":"k"}`, yes},
		{"kv:a:a", "kv.list", `{"ns":"a"}`, yes},
		{"kv:a:rw", "kv.list", `{"ns":"a","limit":10}`, yes},
		{"kv:a:r", "kv.put", `{"ns":"a","key":"k","value":1}`, no},
		{"kv:a:u", "kv.put", `{"ns":"a","key":"k","value":1}`, no},
		{"kv:a:s", "kv.delete", `{"ns":"a","key":"k"}`, no},
		{"kv:a:a", "kv.cas", `{"ns":"a","key":"k","value":1,"version":0}`, yes},
		{"kv:a:rw", "kv.put", `{"ns":"a","key":"k","value":1,"ttlMs":1000}`, yes},
		{"kv:a:rw", "kv.put", `{"ns":"a/b","key":"k","value":1}`, yes},
		{"kv:a/b:rw", "kv.put", `{"ns":"a","key":"k","value":1}`, no},
		{"kv:a:rw", "kv.get", `{"ns":"b","key":"k"}`, no},
		{"kv:a:rw", "kv.get", `{"ns":"*","key":"k"}`, bad},
		{"kv:a:rw", "kv.get", `{"ns":"","key":"k"}`, bad},
		{"kv:a:rw", "kv.get", `{"ns":"a:rw?hold=exec&x","key":"k"}`, bad},
		{"kv:a:rw", "kv.get", `{"ns":"a","key":""}`, bad},
		{"kv:a:rw", "kv.get", `{"ns":"a","key":"\u0000"}`, bad},
		{"kv:a:rw", "kv.put", `{"ns":"a","key":"k"}`, bad},
		{"kv:a:rw", "kv.put", `{"ns":"a","key":"k","value":1,"ttlMs":-1}`, bad},
		{"kv:a:rw", "kv.put", `{"ns":"a","key":"k","value":"` + strings.Repeat("x", maxValue) + `"}`, bad},
		{"kv:a:rw", "kv.list", `{"ns":"a","limit":100000}`, bad},
		{"kv:a:rw", "kv.cas", `{"ns":"a","key":"k","value":1,"version":-1}`, bad},
		{"kv:a:rw", "kv.cas", `{"ns":"a","key":"k","value":1,"version":7}`, "conflict"},
		{"kv:a:rw", "kv.get", `7`, bad},
	} {
		set, err := token.ParseSet([]string{test.token})
		if err != nil {
			t.Fatal(err)
		}
		_, err = ops[test.op](t.Context(), broker.Call{Grant: broker.Grant{Tokens: set, Fence: 1}, Args: json.RawMessage(test.args)})
		if got := string(fault.CodeOf(err)); err == nil && test.want != yes || err != nil && got != test.want {
			t.Errorf("%s %s %.80s: %v, want %q", test.token, test.op, test.args, err, test.want)
		}
	}
}
