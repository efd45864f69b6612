package bundle

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

func newKey(t *testing.T) sign.SecretKey {
	t.Helper()
	key, err := sign.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signedSeed is a signed bundle for the fuzzer to start from.
func signedSeed(f *testing.F) []byte {
	b, err := Open(packed(f))
	if err != nil {
		f.Fatal(err)
	}
	key, err := sign.NewKey()
	if err != nil {
		f.Fatal(err)
	}
	env, err := key.Seal(b.Statement())
	if err != nil {
		f.Fatal(err)
	}
	data, err := b.WithSignatures(env)
	if err != nil {
		f.Fatal(err)
	}
	return data
}

func open(t *testing.T, data []byte) *Bundle {
	t.Helper()
	b, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func signed(t *testing.T, b *Bundle, keys ...sign.SecretKey) []byte {
	t.Helper()
	var list []sign.Envelope
	for _, k := range keys {
		env, err := k.Seal(b.Statement())
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, env)
	}
	data, err := b.WithSignatures(list...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Signatures change neither the digest nor the files, whoever signs and in
// whatever order, and signing again changes nothing.
func TestSigned(t *testing.T) {
	plain := open(t, packed(t))
	k1, k2 := newKey(t), newKey(t)
	both := open(t, signed(t, plain, k1, k2))
	if both.Digest != plain.Digest {
		t.Errorf("digest %s became %s", plain.Digest, both.Digest)
	}
	if diff := cmp.Diff(plain.Files(), both.Files()); diff != "" {
		t.Error(diff)
	}
	if len(both.Signatures) != 2 {
		t.Fatalf("%d signatures", len(both.Signatures))
	}
	for _, k := range []sign.SecretKey{k1, k2} {
		if n := slices.IndexFunc(both.Signatures, func(e sign.Envelope) bool { return e.Verify(k.Public) }); n < 0 {
			t.Errorf("no sound signature by %s", k.Public.ID)
		}
	}
	stepwise := signed(t, open(t, signed(t, plain, k2)), k1)
	if !bytes.Equal(stepwise, both.data) || !bytes.Equal(signed(t, both, k1), both.data) {
		t.Error("the bytes depend on who signed first, or on signing twice")
	}
	if again, err := plain.WithSignatures(); err != nil || !bytes.Equal(again, plain.data) {
		t.Errorf("without signatures the bytes differ (%v)", err)
	}
}

func TestForeignSignature(t *testing.T) {
	b := open(t, packed(t))
	st := b.Statement()
	st.Version = "1.2.4"
	env, err := newKey(t).Seal(st)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.WithSignatures(env); fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), "is for acme/orders 1.2.4") {
		t.Errorf("a signature for another version: %v", err)
	}
	var keys []sign.SecretKey
	for range MaxSignatures + 1 {
		keys = append(keys, newKey(t))
	}
	full := open(t, signed(t, b, keys[1:]...))
	env, err = keys[0].Seal(b.Statement())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := full.WithSignatures(env); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("%d signatures: %v", MaxSignatures+1, err)
	}
}

// The vectors: golden.aria, signed by signer.key, is golden-signed.aria, byte
// for byte, and signer.pub checks it. The key is for this test and no other use.
func TestGoldenSigned(t *testing.T) {
	read := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	key, err := sign.ParseSecret(read("signer.key"), "")
	if err != nil {
		t.Fatal(err)
	}
	got := signed(t, open(t, read("golden.aria")), key)
	if *update {
		if err := os.WriteFile("testdata/golden-signed.aria", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := read("golden-signed.aria")
	if !bytes.Equal(got, want) {
		t.Error("the same key and bundle give other bytes than golden-signed.aria")
	}
	pub, err := sign.ParsePublic(read("signer.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if b := open(t, want); len(b.Signatures) != 1 || !b.Signatures[0].Verify(pub) {
		t.Error("signer.pub does not check it")
	}
}
