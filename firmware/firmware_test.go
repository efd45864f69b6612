package firmware

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

var someKey = Secret{1, 2, 3}

func someHeader() Header {
	part := func(text string) Part {
		d, n, _ := Sum(strings.NewReader(text))
		return Part{n, d}
	}
	return Header{Version: "1.2.3", Arch: "x86_64", Root: part("the root"), Linux: part("a kernel")}
}

func sign(t *testing.T, h Header, k Secret) []byte {
	t.Helper()
	raw, err := Sign(h, k)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestSignAndOpen(t *testing.T) {
	raw := sign(t, someHeader(), someKey)
	if len(raw) != HeaderSize || !bytes.Equal(raw, sign(t, someHeader(), someKey)) {
		t.Fatal("the same header and key do not give the same HeaderSize bytes")
	}
	got, err := Open(raw, []Public{NewSecret().Public(), someKey.Public()})
	if err != nil || got != someHeader() {
		t.Errorf("Open = %+v, %v", got, err)
	}
}

// Every single changed byte must be refused.
func TestEveryByteCounts(t *testing.T) {
	keys := []Public{someKey.Public()}
	raw := sign(t, someHeader(), someKey)
	for i := range raw {
		for _, x := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(raw)
			bad[i] ^= x
			if _, err := Open(bad, keys); err == nil {
				t.Fatalf("byte %d changed by %#x and it still opens", i, x)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	known := []Public{someKey.Public()}
	good := sign(t, someHeader(), someKey)
	swap := func(old, new string) []byte {
		b := bytes.Replace(good, []byte(old), []byte(new), 1)
		return append(b, make([]byte, HeaderSize)...)[:HeaderSize]
	}
	for _, c := range []struct {
		name string
		raw  []byte
		keys []Public
		code fault.Code
		text string
	}{
		{"empty", nil, known, fault.Invalid, "not an Aria firmware image"},
		{"a GPT disk", make([]byte, HeaderSize), known, fault.Invalid, "not an Aria firmware image"},
		{"cut", good[:4000], known, fault.Invalid, "not an Aria firmware image"},
		{"signed by a stranger", sign(t, someHeader(), NewSecret()), known, fault.Denied, "does not trust"},
		{"no key known", good, nil, fault.Denied, "does not trust"},
		{"another version under the same signature", swap("1.2.3", "1.2.4"), known, fault.Denied, "bad signature"},
		{"no signature", swap("ed25519 ", "none "), known, fault.Invalid, "signature line"},
	} {
		_, err := Open(c.raw, c.keys)
		if fault.CodeOf(err) != c.code || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, spoil := range []func(*Header){
		func(h *Header) { h.Version = "a b" },
		func(h *Header) { h.Arch = "X" },
		func(h *Header) { h.Root.Size = 0 },
		func(h *Header) { h.Linux.Size = MaxPart + 1 },
		func(h *Header) { h.Linux.Digest = "sha256:0" },
	} {
		h := someHeader()
		spoil(&h)
		if _, err := Sign(h, someKey); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%+v was signed: %v", h, err)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	k := NewSecret()
	if got, err := ReadSecret(write("k.key", k.Text(), 0o600)); err != nil || got != k {
		t.Errorf("secret: %v", err)
	}
	if _, err := ReadSecret(write("open.key", k.Text(), 0o644)); fault.CodeOf(err) != fault.Denied {
		t.Errorf("a key that others can read: %v", err)
	}
	if _, err := ReadSecret(write("pub.key", k.Public().Text(), 0o600)); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a public key as a secret: %v", err)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); strings.Count(s, "(secret)") != 4 {
		t.Errorf("a secret prints as %s", s)
	}
	two := "# ours\n\n" + k.Public().Text() + someKey.Public().Text()
	if keys, err := ReadPublic(write("two.pub", two, 0o644)); err != nil || len(keys) != 2 || keys[0] != k.Public() {
		t.Errorf("public: %v, %v", keys, err)
	}
	for name, text := range map[string]string{"none": "# nothing\n", "odd": two + "what\n", "secret": k.Text()} {
		if _, err := ReadPublic(write(name+".pub", text, 0o644)); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestImageFile(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "i")
	for name, text := range map[string]string{"root.img": "the root", "linux.efi": "a kernel"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h, err := WriteImage(image, filepath.Join(dir, "root.img"), filepath.Join(dir, "linux.efi"), "1.2.3", "x86_64", someKey)
	if err != nil || h != someHeader() {
		t.Fatalf("WriteImage = %+v, %v", h, err)
	}
	f, raw, peeked, err := OpenImage(image)
	if err != nil || peeked != h {
		t.Fatalf("OpenImage = %+v, %v", peeked, err)
	}
	defer f.Close()
	if _, err := Open(raw, []Public{someKey.Public()}); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(f); err != nil || string(rest) != "the roota kernel" {
		t.Errorf("payload: %q, %v", rest, err)
	}
	whole, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 10, HeaderSize, len(whole) - 1} {
		if err := os.WriteFile(image, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := OpenImage(image); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("an image of %d bytes: %v", n, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	raw, err := Sign(someHeader(), someKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Open(b, []Public{someKey.Public()})
		if err == nil && (h.check() != nil || !bytes.Equal(b, raw)) {
			t.Errorf("opened what was not signed: %+v", h)
		}
		_, _ = Peek(b)
	})
}
