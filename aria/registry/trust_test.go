package registry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
	"github.com/ariacomputecompany/firmware/trust"
)

func newKey(t *testing.T) sign.SecretKey {
	t.Helper()
	k, err := sign.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signed(t *testing.T, data []byte, k sign.SecretKey) []byte {
	t.Helper()
	b, err := bundle.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	env, err := k.Seal(b.Statement())
	if err != nil {
		t.Fatal(err)
	}
	if data, err = b.WithSignatures(env); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRequireTrust(t *testing.T) {
	dir := t.TempDir()
	r := opened(t, dir)
	path := filepath.Join(dir, trust.FileName)
	if err := r.RequireTrust(path); fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), "does not exist") {
		t.Fatalf("no trust file: %v", err)
	}
	ours, other := newKey(t), newKey(t)
	var tr trust.Trust
	if _, err := tr.Add("acme", ours.Public, ""); err != nil {
		t.Fatal(err)
	}
	if err := tr.Save(path); err != nil {
		t.Fatal(err)
	}
	if err := r.RequireTrust(path); err != nil {
		t.Fatal(err)
	}
	plain := packed(t, "acme/shop", "1.0.0", "", nil, "shop.get")
	for _, c := range []struct {
		name, says string
		data       []byte
	}{
		{"unsigned", "is not signed", plain},
		{"by another", "whom nobody trusts", signed(t, plain, other)},
		{"another's namespace", "no rule of the trust file", signed(t, packed(t, "shop", "1.0.0", "", nil, "shop.get"), ours)},
	} {
		_, _, err := r.Add(t.Context(), c.data, Register)
		if f, _ := fault.As(err); fault.CodeOf(err) != fault.Denied || !strings.Contains(f.Message, c.says) || f.Hint == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if len(r.Bundles()) != 0 {
		t.Errorf("taken in: %v", r.Bundles())
	}
	add(t, r, signed(t, plain, ours), Register)
	if err := os.WriteFile(path, []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Add(t.Context(), signed(t, plain, ours), Register); fault.CodeOf(err) != fault.Denied {
		t.Errorf("a broken trust file: %v", err)
	}
}

// A bundle that is held gets the signatures that come later, keeps those it
// has, and a damaged file is mended by an upload.
func TestCountersign(t *testing.T) {
	dir := t.TempDir()
	r := opened(t, dir)
	plain := packed(t, "acme/shop", "1.0.0", "", nil, "shop.get")
	k1, k2 := newKey(t), newKey(t)
	d, _ := add(t, r, plain, Register)
	add(t, r, signed(t, plain, k1), Register)
	b, held := add(t, r, signed(t, plain, k2), Register)
	if !held || b.Digest != d.Digest {
		t.Errorf("held %v, %s", held, b.Digest)
	}
	check := func(r *Registry) {
		t.Helper()
		got, err := r.Open(d.Digest)
		if err != nil || len(got.Signatures) != 2 {
			t.Fatalf("%d signatures, %v", len(got.Signatures), err)
		}
		info, err := os.Stat(r.path(d.Digest))
		if listed, _ := r.Get(d.Digest); err != nil || listed.Size != info.Size() {
			t.Errorf("the index says %d bytes of %d (%v)", listed.Size, info.Size(), err)
		}
	}
	check(r)
	impostor := newKey(t)
	impostor.Public.ID = k1.Public.ID
	add(t, r, signed(t, plain, impostor), Register)
	got, err := r.Open(d.Digest)
	if err != nil || !got.Signatures[0].Verify(k1.Public) && !got.Signatures[1].Verify(k1.Public) {
		t.Errorf("a signature was replaced (%v)", err)
	}
	check(opened(t, dir)) // from the disk

	if err := os.WriteFile(r.path(d.Digest), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := opened(t, dir)
	add(t, again, plain, Register)
	if _, err := again.Open(d.Digest); err != nil {
		t.Errorf("not mended: %v", err)
	}
}
