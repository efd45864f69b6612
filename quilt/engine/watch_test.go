package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

var errEnough = errors.New("enough")

func watched(t *testing.T, e *Engine, after uint64, n int) (kinds []string) {
	t.Helper()
	last := after
	err := e.Watch(t.Context(), after, func(n2 TokenNews) error {
		if n2.Snapshot {
			kinds = append(kinds, "snapshot")
		} else {
			if n2.Seq != last+1 {
				t.Errorf("event %d after %d", n2.Seq, last)
			}
			kinds = append(kinds, n2.Kind+" "+n2.Execution)
		}
		if last = n2.Seq; len(kinds) == n {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	return kinds
}

// TestWatch: events in order from any number; a snapshot where they are gone.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	audit, err := OpenAudit(dir, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	e := New(Config{Epoch: 1, Audit: audit})
	l := e.leases
	if _, err := l.acquire(t.Context(), asks(t, "a", "kv:x:rw"), func(Queued) {}); err != nil {
		t.Fatal(err)
	}
	l.open(asks(t, "b", "kv:x:r"))
	l.release("a")
	want := []string{"snapshot", "granted a", "queued b", "released a", "granted b"}
	if diff := cmp.Diff(want[2:], watched(t, e, 1, 3)); diff != "" {
		t.Errorf("after 1 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"snapshot"}, watched(t, e, 99, 1)); diff != "" {
		t.Errorf("after an earlier start's number (-want +got):\n%s", diff)
	}
	for range journalSize {
		l.tell("b", TokenEvent{Kind: "queued"})
	}
	if diff := cmp.Diff([]string{"snapshot"}, watched(t, e, 1, 1)); diff != "" {
		t.Errorf("after one that is gone (-want +got):\n%s", diff)
	}
	err = e.Watch(t.Context(), l.news.last-1, func(TokenNews) error {
		for range journalSize + 300 {
			l.tell("b", TokenEvent{Kind: "queued"})
		}
		return nil
	})
	if fault.CodeOf(err) != fault.Exhausted {
		t.Errorf("a slow watcher got %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := e.Watch(ctx, l.news.last, func(TokenNews) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a watcher that left got %v", err)
	}
	if diff := cmp.Diff([]string{"granted a", "granted b"}, audited(t, dir)); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func audited(t *testing.T, dir string) (out []string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if len(r.Authority) != 3 || len(r.Tokens) == 0 {
			t.Errorf("a record without its chain: %s", lines.Text())
		}
		out = append(out, r.Kind+" "+r.Execution)
	}
	return out
}

// TestAuditIsBounded: full files are put aside and the oldest go; a new start
// adds to what is there.
func TestAuditIsBounded(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	for range auditOlder + 3 {
		a, err := OpenAudit(dir, log)
		if err != nil {
			t.Fatal(err)
		}
		a.put(TokenEvent{Kind: "granted", Execution: "x", Tokens: []string{"kv:x:rw"}})
		a.size = auditBytes
		a.put(TokenEvent{Kind: "refused", Execution: "y", Tokens: []string{"kv:x:rw"}})
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != auditOlder+1 {
		t.Errorf("%d files, %v", len(files), err)
	}
	if diff := cmp.Diff([]string{"refused y"}, audited(t, dir)); diff != "" {
		t.Errorf("newest file (-want +got):\n%s", diff)
	}
}
