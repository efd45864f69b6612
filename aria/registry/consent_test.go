package registry

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

func TestAddAgreed(t *testing.T) {
	r := opened(t, t.TempDir())
	try := func(version string, tokens []string, accept ...string) error {
		_, _, err := r.AddAgreed(t.Context(), packed(t, "shop", version, "", tokens, "shop.get"), Register, accept)
		return err
	}
	if err := try("1.0.0", []string{"kv:a:rw"}); err != nil {
		t.Fatalf("a first version needs no yes: %v", err)
	}
	if err := try("1.1.0", []string{"kv:a:r"}); err != nil {
		t.Fatalf("less needs no yes: %v", err)
	}
	for _, c := range []struct {
		shows  string
		accept []string
	}{{"nothing agreed", nil}, {"half of it", []string{"kv:a:rw"}}, {"something else", []string{"kv:a:rw", "kv:c:rw"}}, {"less of it", []string{"kv:a:rw", "kv:b:r"}}} {
		err := try("1.2.0", []string{"kv:a:rw", "kv:b:rw"}, c.accept...)
		f, ok := fault.As(err)
		if !ok || f.Code != fault.Denied || !strings.Contains(f.Message, "kv:b:rw") || f.Hint == "" {
			t.Errorf("%s: %v", c.shows, err)
		}
	}
	if err := try("1.2.0", []string{"kv:a:rw", "kv:b:rw"}, "kv:a:rw", "kv:b:rw"); err != nil {
		t.Errorf("all of it: %v", err)
	}
	if _, _, err := r.AddAgreed(t.Context(), packed(t, "shop", "1.3.0", "", []string{"kv:z:rw"}, "shop.get"), Isolated, nil); err != nil {
		t.Errorf("an isolated bundle follows nobody: %v", err)
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	r := opened(t, dir)
	b, _ := add(t, r, packed(t, "shop", "1.0.0", "", nil, "shop.get"), Register)
	no := errors.New("in use")
	_, err := r.Remove(t.Context(), b.Digest, func() error {
		if _, err := r.Resolve("shop#shop.get"); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("while it is asked who uses it, nobody can begin to: %v", err)
		}
		return no
	})
	if !errors.Is(err, no) {
		t.Errorf("in use: %v", err)
	}
	if _, err := r.Resolve("shop#shop.get"); err != nil {
		t.Errorf("it stays: %v", err)
	}
	yes := func() error { return nil }
	if _, err := r.Remove(t.Context(), b.Digest, yes); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Remove(t.Context(), b.Digest, yes); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("twice: %v", err)
	}
	if _, err := os.Stat(r.path(b.Digest)); !os.IsNotExist(err) {
		t.Errorf("its file: %v", err)
	}
	if again := opened(t, dir); len(again.Bundles()) != 0 {
		t.Errorf("after a restart: %v", again.Bundles())
	}
	if _, held := add(t, r, packed(t, "shop", "1.0.0", "", nil, "shop.get"), Register); held {
		t.Error("it can be uploaded again")
	}
}
