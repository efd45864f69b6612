// Package storetest is the suite every kv store behind the tokens has to pass.
package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/store"
)

// KV is what the broker uses of a store.
type KV interface {
	Get(ctx context.Context, sp store.Space, key string) (store.Item, bool, error)
	List(ctx context.Context, sp store.Space, q store.Query) (store.Page, error)
	Write(ctx context.Context, w store.Write) (store.Written, error)
}

// Run runs the suite; open makes an empty store that ends with the test.
func Run(t *testing.T, open func(t *testing.T) KV) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, kv)
	}{
		{"a value comes back as it was put", roundTrip},
		{"versions rise by one and are never reused", versions},
		{"compare-and-set applies only at its version", swaps},
		{"namespaces and tenants do not see one another", walls},
		{"list pages in byte order", lists},
		{"an expired key is not there", expiry},
		{"an older exclusive fence is refused", fences},
		{"shared leases write side by side", sharedFences},
		{"concurrent increments by compare-and-set lose nothing", increments},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, kv{T: t, KV: open(t)}) })
	}
}

var orders = store.Space{Name: "orders"}

// kv is a store with the test's short words.
type kv struct {
	*testing.T
	KV
}

func (k kv) write(w store.Write) store.Written {
	k.Helper()
	if w.Space == (store.Space{}) {
		w.Space = orders
	}
	done, err := k.Write(k.Context(), w)
	if err != nil {
		k.Fatalf("write %+v: %v", w, err)
	}
	return done
}

func (k kv) refuse(w store.Write, want fault.Code) {
	k.Helper()
	if w.Space == (store.Space{}) {
		w.Space = orders
	}
	if _, err := k.Write(k.Context(), w); fault.CodeOf(err) != want {
		k.Fatalf("write %+v: %v, want %s", w, err, want)
	}
}

func (k kv) want(sp store.Space, key, value string, version uint64) {
	k.Helper()
	it, ok, err := k.Get(k.Context(), sp, key)
	if err != nil {
		k.Fatal(err)
	}
	got, want := fmt.Sprint(ok, " ", string(it.Value), " ", it.Version), fmt.Sprint(version > 0, " ", value, " ", version)
	if got != want {
		k.Fatalf("%s: got %s, want %s", key, got, want)
	}
}

func put(key, value string) store.Write {
	return store.Write{Key: key, Value: []byte(value), Fence: 1}
}

func swap(key, value string, expect uint64) store.Write {
	return store.Write{Key: key, Value: []byte(value), Kind: store.Swap, Expect: expect, Fence: 1}
}

func roundTrip(t *testing.T, k kv) {
	k.want(orders, "a", "", 0)
	for _, key := range []string{"a", "ä/%_", "\x01", strings.Repeat("k", 512)} {
		k.write(put(key, `{"n":1}`))
		k.want(orders, key, `{"n":1}`, 1)
	}
}

func versions(t *testing.T, k kv) {
	for want := uint64(1); want <= 3; want++ {
		if got := k.write(put("a", "1")).Version; got != want {
			t.Fatalf("put %d gave version %d", want, got)
		}
	}
	if !k.write(store.Write{Key: "a", Kind: store.Remove, Fence: 1}).Removed {
		t.Fatal("delete of a key that was there: removed nothing")
	}
	if k.write(store.Write{Key: "a", Kind: store.Remove, Fence: 1}).Removed {
		t.Fatal("delete of a key that is gone: removed something")
	}
	k.want(orders, "a", "", 0)
	if got := k.write(put("a", "1")).Version; got != 4 {
		t.Fatalf("put after delete gave version %d, want 4", got)
	}
	k.write(store.Write{Key: "a", Kind: store.SwapAway, Expect: 4, Fence: 1})
	if got := k.write(swap("a", "1", 0)).Version; got != 5 {
		t.Fatalf("swap after delete gave version %d, want 5", got)
	}
}

func swaps(t *testing.T, k kv) {
	k.refuse(swap("a", "1", 3), fault.Conflict)
	k.write(swap("a", "1", 0))
	k.refuse(swap("a", "2", 0), fault.Conflict)
	k.refuse(swap("a", "2", 2), fault.Conflict)
	k.write(swap("a", "2", 1))
	k.want(orders, "a", "2", 2)
	k.refuse(store.Write{Key: "a", Kind: store.SwapAway, Expect: 1, Fence: 1}, fault.Conflict)
	k.want(orders, "a", "2", 2)
}

func walls(t *testing.T, k kv) {
	other := store.Space{Tenant: "t2", Name: "orders"}
	k.write(put("a", "1"))
	k.want(other, "a", "", 0)
	k.want(store.Space{Name: "orders2"}, "a", "", 0)
	w := put("a", "2")
	w.Space = other
	k.write(w)
	k.want(orders, "a", "1", 1)
	k.want(other, "a", "2", 1)
}

func lists(t *testing.T, k kv) {
	for _, key := range []string{"b/2", "a", "b/10", "b/1", "c", "b"} {
		k.write(put(key, `"`+key+`"`))
	}
	for _, test := range []struct {
		q    store.Query
		want string
	}{
		{store.Query{}, "a b b/1 b/10 b/2 c | "},
		{store.Query{Prefix: "b/"}, "b/1 b/10 b/2 | "},
		{store.Query{Limit: 2}, "a b | b"},
		{store.Query{Limit: 2, After: "b"}, "b/1 b/10 | b/10"},
		{store.Query{Prefix: "b/", After: "b/10", Limit: 1}, "b/2 | "},
		{store.Query{Prefix: "x"}, " | "},
	} {
		page, err := k.List(t.Context(), orders, test.q)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, it := range page.Items {
			keys = append(keys, it.Key)
		}
		got := strings.Join(keys, " ") + " | " + page.Next
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.q, diff)
		}
	}
}

func expiry(t *testing.T, k kv) {
	w := put("a", "1")
	w.TTL = 300 * time.Millisecond
	k.write(w)
	k.want(orders, "a", "1", 1)
	time.Sleep(350 * time.Millisecond)
	k.want(orders, "a", "", 0)
	k.refuse(swap("a", "2", 1), fault.Conflict)
	if got := k.write(swap("a", "2", 0)).Version; got != 2 {
		t.Fatalf("a key that expired came back at version %d, want 2", got)
	}
}

func fenced(fence uint64, shared bool) store.Write {
	return store.Write{Key: "a", Value: []byte("1"), Fence: fence, Shared: shared}
}

func fences(t *testing.T, k kv) {
	k.write(fenced(5, false))
	k.write(fenced(5, false))
	k.write(fenced(7, false))
	k.refuse(fenced(5, false), fault.Conflict)
	k.refuse(fenced(6, true), fault.Conflict)
	w := fenced(5, false)
	w.Space = store.Space{Name: "elsewhere"}
	k.write(w)
	k.want(orders, "a", "1", 3)
}

func sharedFences(t *testing.T, k kv) {
	k.write(fenced(5, true))
	k.write(fenced(9, true))
	k.write(fenced(5, true))
	k.refuse(fenced(7, false), fault.Conflict)
	k.write(fenced(10, false))
	k.refuse(fenced(9, true), fault.Conflict)
}

func increments(t *testing.T, k kv) {
	const workers, each = 8, 20
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for done := 0; done < each; {
				it, _, err := k.Get(t.Context(), orders, "n")
				if err != nil {
					t.Error(err)
					return
				}
				w := swap("n", "1", it.Version)
				w.Space = orders
				_, err = k.Write(t.Context(), w)
				if err == nil {
					done++
				} else if fault.CodeOf(err) != fault.Conflict {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	k.want(orders, "n", "1", workers*each)
}
