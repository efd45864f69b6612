package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
)

func TestWatchResumesWhereItWasCut(t *testing.T) {
	p := &peer{events: 9, cutAt: []uint64{3, 4, 8}}
	c := newPeer(t, p)
	var seqs []uint64
	err := c.Watch(t.Context(), "run_1", 1, func(e Event) error {
		seqs = append(seqs, e.Seq)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{2, 3, 4, 5, 6, 7, 8, 9}, seqs); diff != "" {
		t.Errorf("events lost or doubled: %s", diff)
	}
	if len(p.afters) != 4 || p.afters[0] != 1 {
		t.Errorf("connections asked for %v, want four that begin at 1", p.afters)
	}
}

func TestWatchEnds(t *testing.T) {
	c := newPeer(t, &peer{events: 3})
	own := errors.New("own")
	if err := c.Watch(t.Context(), "run_1", 0, func(Event) error { return own }); !errors.Is(err, own) {
		t.Errorf("emit's error: got %v", err)
	}
	if err := c.Watch(t.Context(), "run_1", 0, func(Event) error { return ErrStop }); err != nil {
		t.Errorf("ErrStop: got %v", err)
	}
	f := wantFault(t, c.Watch(t.Context(), "run_2", 0, func(Event) error { return nil }), fault.NotFound)
	if f.Hint != "arc ls runs" {
		t.Errorf("hint is %q", f.Hint)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Watch(ctx, "run_1", 0, func(e Event) error {
		cancel()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled in the middle: got %v", err)
	}
}

func TestStartKeepsItsKeyWhenTriedAgain(t *testing.T) {
	p := &peer{}
	c := newPeer(t, p)
	p.cuts.Store(2)
	run, err := c.Start(t.Context(), Task{Unit: "orders.get", Input: json.RawMessage(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	if run.ID != "run_1" || run.State != "pending" {
		t.Errorf("run is %+v", run)
	}
	if _, err := c.Start(t.Context(), Task{Unit: "orders.get", Key: "mine"}); err != nil {
		t.Fatal(err)
	}
	if len(p.keys) != 2 || len(p.keys[0]) < 20 || p.keys[1] != "mine" {
		t.Errorf("keys are %q", p.keys)
	}
}

func TestUpload(t *testing.T) {
	p := &peer{}
	c := newPeer(t, p)
	b, held, err := c.Upload(t.Context(), []byte("abc"), true)
	if err != nil {
		t.Fatal(err)
	}
	if b.Mode != "isolated" || b.Size != 3 || !held || p.uploads[0].GetIdempotencyKey() == "" {
		t.Errorf("got %+v, held %v, key %q", b, held, p.uploads[0].GetIdempotencyKey())
	}
}

func TestErrors(t *testing.T) {
	full := &ariav1.Error{Code: "deadlock", Message: "would wait for itself", Hint: "h", Run: "run_7", Stack: "at x"}
	for _, c := range []struct {
		shows   string
		answer  *connect.Error
		code    fault.Code
		message string
	}{
		{"a detail says all", detailed(connect.CodeAborted, full), fault.Deadlock, "would wait for itself (run run_7)"},
		{"a code that is newer than us is kept", detailed(connect.CodeUnknown, &ariav1.Error{Code: "brand_new", Message: "m"}), "brand_new", "m"},
		{"without a detail the code decides", connect.NewError(connect.CodeResourceExhausted, errors.New("full")), fault.Exhausted, "full"},
		{"an unknown bare error is internal", connect.NewError(connect.CodeDataLoss, errors.New("x")), fault.Internal, "x"},
	} {
		t.Run(c.shows, func(t *testing.T) {
			client := newPeer(t, &peer{answer: c.answer})
			_, err := client.Start(t.Context(), Task{Unit: "u"})
			f := wantFault(t, err, c.code)
			if f.Message != c.message {
				t.Errorf("message is %q, want %q", f.Message, c.message)
			}
		})
	}
}

func TestWrongCredential(t *testing.T) {
	good := newPeer(t, &peer{})
	c, err := New(good.Server(), "wrong")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Start(t.Context(), Task{Unit: "u"})
	wantFault(t, err, fault.Unauthenticated)
	err = c.Watch(t.Context(), "run_1", 0, func(Event) error { return nil })
	wantFault(t, err, fault.Unauthenticated)
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := "http://" + l.Addr().String()
	l.Close()
	c, err := New(at, "x")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err = c.Info(t.Context())
	f := wantFault(t, err, fault.Unavailable)
	if !strings.Contains(f.Hint, "ariad up") || !strings.Contains(f.Message, at) {
		t.Errorf("got %q, %q", f.Message, f.Hint)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("a refused connection took %s to report", took)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, at := range []string{"", "127.0.0.1:7600", "ftp://x", "http://", "http://x/y", "http://u:p@127.0.0.1", "http://10.0.0.1:7600", "http://example.com"} {
		if _, err := New(at, "x"); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("New(%q): got %v, want invalid", at, err)
		}
	}
	for _, at := range []string{"http://127.0.0.1:1", "http://localhost:1/", "http://[::1]:1", "https://example.com"} {
		if _, err := New(at, "x"); err != nil {
			t.Errorf("New(%q): %v", at, err)
		}
	}
}

func TestFindCredential(t *testing.T) {
	home, xdg := t.TempDir(), t.TempDir()
	env := func(key string) string { return map[string]string{"HOME": home, "XDG_CONFIG_HOME": xdg}[key] }
	put := func(path, text string, mode os.FileMode) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want := func(file, cred string) {
		t.Helper()
		if got, err := FindCredential(file, env); err != nil || got != cred {
			t.Errorf("FindCredential(%q) = %q, %v, want %q", file, got, err, cred)
		}
	}
	refuse := func(file, message, hint string) {
		t.Helper()
		_, err := FindCredential(file, env)
		f := wantFault(t, err, fault.Unauthenticated)
		if !strings.Contains(f.Message, message) || !strings.Contains(f.Hint, hint) {
			t.Errorf("got %q, hint %q; want %q, %q", f.Message, f.Hint, message, hint)
		}
	}
	put(filepath.Join(home, ".local/share/aria/aria/credential"), "rootless\n", 0o600)
	want("", "rootless")
	put(filepath.Join(home, ".config/aria/credential"), "home\n", 0o600)
	want("", "home")
	put(filepath.Join(xdg, "aria/credential"), "xdg\n", 0o600)
	want("", "xdg")
	own := put(filepath.Join(t.TempDir(), "own"), "own", 0o400)
	want(own, "own")
	refuse(put(own, "own", 0o640), "can be read by others (mode 0640)", "chmod 600")
	refuse(put(own, " \n", 0o600), "does not hold a credential", "one line")
	refuse(put(own, "two\nlines", 0o600), "does not hold a credential", "one line")
	refuse(put(own, strings.Repeat("x", maxCredential+1), 0o600), "is not a credential file", "")
	refuse(own+".gone", "does not exist", "ariad up")
	put(filepath.Join(xdg, "aria/credential"), "xdg\n", 0o644)
	refuse("", "can be read by others", "chmod 600")
}
