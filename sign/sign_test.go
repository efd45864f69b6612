package sign

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// fixed is the same key in every run.
func fixed(t testing.TB, seed byte) SecretKey {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	s := SecretKey{key: key}
	copy(s.Public.ID[:], []byte{seed, 0xab, 3, 4, 5, 6, 7, 8})
	copy(s.Public.key[:], key.Public().(ed25519.PublicKey))
	return s
}

func TestKeyFiles(t *testing.T) {
	s, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"", "correct horse"} {
		file, err := s.File(password)
		if err != nil {
			t.Fatal(err)
		}
		if Encrypted(file) != (password != "") {
			t.Errorf("Encrypted = %v with password %q", Encrypted(file), password)
		}
		back, err := ParseSecret(file, password)
		if err != nil || back.Public != s.Public || !back.key.Equal(s.key) {
			t.Errorf("with password %q: %v, %v", password, back.Public, err)
		}
	}
	file, _ := s.File("correct horse")
	for _, wrong := range []string{"", "incorrect horse"} {
		if _, err := ParseSecret(file, wrong); fault.CodeOf(err) != fault.Denied {
			t.Errorf("password %q: %v", wrong, err)
		}
	}
	for _, text := range [][]byte{s.Public.File(), []byte(s.Public.String()), []byte(s.Public.String() + "\r\n")} {
		if p, err := ParsePublic(text); err != nil || p != s.Public {
			t.Errorf("ParsePublic(%q) = %v, %v", text, p, err)
		}
	}
	id, err := ParseKeyID(s.Public.ID.String())
	if err != nil || id != s.Public.ID {
		t.Errorf("key id %s came back as %s, %v", s.Public.ID, id, err)
	}
}

func TestDamagedKeys(t *testing.T) {
	s := fixed(t, 1)
	file, err := s.File("")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := secretBlob(file)
	if err != nil {
		t.Fatal(err)
	}
	blob := func(change func(b []byte)) []byte {
		b := bytes.Clone(raw)
		change(b)
		return []byte(untrusted + "x\n" + base64Text(b) + "\n")
	}
	for _, c := range []struct {
		says string
		file []byte
	}{
		{"not a secret key file", nil},
		{"not a secret key file", s.Public.File()[:40]},
		{"not a secret key of minisign's format", s.Public.File()},
		{"checksum differs", blob(func(b []byte) { b[sealedAt+9] ^= 1 })},
		{"unknown kind", blob(func(b []byte) { b[2] = 'X' })},
		{"another's", func() []byte {
			odd := s
			odd.key = bytes.Clone(s.key)
			other := fixed(t, 2).Public
			copy(odd.key[32:], other.key[:])
			f, _ := odd.File("")
			return f
		}()},
	} {
		_, err := ParseSecret(c.file, "")
		if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.60q: %v, want %q", c.file, err, c.says)
		}
	}
	greedy := blob(func(b []byte) { copy(b[2:], scryptKDF); b[memAt+5] = 1 })
	if _, err := ParseSecret(greedy, "x"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a key that asks for a terabyte: %v", err)
	}
}

// The default limits of libsodium give the N and p that libsodium uses.
func TestScryptCost(t *testing.T) {
	for _, c := range []struct {
		ops, mem uint64
		n, p     int
		ok       bool
	}{
		{33554432, 1 << 30, 1 << 20, 1, true}, // SENSITIVE, minisign's default
		{524288, 16 << 20, 1 << 14, 1, true},  // INTERACTIVE
		{ourOps, ourMem, 1 << 17, 1, true},
		{0, 16 << 20, 1 << 10, 1, true},
		{1 << 40, 1 << 20, 0, 0, false},
		{1 << 20, 1 << 40, 0, 0, false},
	} {
		if n, p, ok := scryptCost(c.ops, c.mem); n != c.n || p != c.p || ok != c.ok {
			t.Errorf("scryptCost(%d, %d) = %d, %d, %v", c.ops, c.mem, n, p, ok)
		}
	}
}

func TestDetached(t *testing.T) {
	s, other := fixed(t, 1), fixed(t, 2)
	content := []byte("some bytes")
	sig, err := s.Detached(content, "sha256:abc acme/orders 1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	if comment, err := s.Public.VerifyDetached(content, sig); err != nil || comment != "sha256:abc acme/orders 1.2.3" {
		t.Errorf("%q, %v", comment, err)
	}
	forged := other.Public
	forged.ID = s.Public.ID
	for _, c := range []struct {
		name    string
		key     PublicKey
		content string
		sig     []byte
		code    fault.Code
	}{
		{"other content", s.Public, "some byteS", sig, fault.Denied},
		{"other key", other.Public, "some bytes", sig, fault.Denied},
		{"other key under the same id", forged, "some bytes", sig, fault.Denied},
		{"other comment", s.Public, "some bytes", bytes.Replace(sig, []byte("1.2.3"), []byte("1.2.4"), 1), fault.Denied},
		{"cut", s.Public, "some bytes", sig[:100], fault.Invalid},
		{"nothing", s.Public, "some bytes", nil, fault.Invalid},
	} {
		if _, err := c.key.VerifyDetached([]byte(c.content), c.sig); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := s.Detached(content, "two\nlines"); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a comment of two lines: %v", err)
	}
}

var statement = Statement{Name: "acme/orders", Version: "1.2.3", Digest: "sha256:" + strings.Repeat("0a", 32)}

func TestEnvelope(t *testing.T) {
	s, other := fixed(t, 1), fixed(t, 2)
	e, err := s.Seal(statement)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseEnvelope(e.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(statement, back.Statement); diff != "" || back.KeyID != s.Public.ID {
		t.Errorf("statement of %s:\n%s", back.KeyID, diff)
	}
	forged := other.Public
	forged.ID = s.Public.ID
	if !back.Verify(s.Public) || back.Verify(other.Public) || back.Verify(forged) {
		t.Error("the envelope does not verify with its key, or does with another")
	}
	again, _ := s.Seal(statement)
	if !bytes.Equal(again.Bytes(), e.Bytes()) {
		t.Error("sealing twice gives other bytes")
	}
}

// The encoding is that of the DSSE specification's own example.
func TestPAE(t *testing.T) {
	if got := string(pae("http://example.com/HelloWorld", []byte("hello world"))); got != "DSSEv1 29 http://example.com/HelloWorld 11 hello world" {
		t.Error(got)
	}
}

func TestBadEnvelopes(t *testing.T) {
	e, err := fixed(t, 1).Seal(statement)
	if err != nil {
		t.Fatal(err)
	}
	good := string(e.Bytes())
	payload := base64Text(e.payload)
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in %s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	stated := func(s string) string { return swap(payload, base64Text([]byte(s))) }
	for _, c := range []struct{ name, says, text string }{
		{"empty", "EOF", ""},
		{"text", "invalid character", "hello"},
		{"list", "cannot unmarshal", "[]"},
		{"too large", "larger than", good + strings.Repeat(" ", MaxEnvelope)},
		{"behind", "fixed form", good + "{}\n"},
		{"no LF", "fixed form", strings.TrimSpace(good)},
		{"blank", "fixed form", swap(`{"payload"`, `{ "payload"`)},
		{"unknown field", "unknown field", swap(`{"payload"`, `{"x":1,"payload"`)},
		{"key twice", "fixed form", swap(`{"payload"`, `{"payload":"","payload"`)},
		{"other type", "payloadType", swap("aria.manifest", "aria.other")},
		{"no signature", "0 signatures", good[:strings.Index(good, `[{`)] + "[]}\n"},
		{"two signatures", "2 signatures", swap(`"signatures":[`, `"signatures":[{"keyid":"","sig":""},`)},
		{"key id", "16 upper-case", swap(e.KeyID.String(), strings.ToLower(e.KeyID.String()))},
		{"payload", "payload is not base64", swap(payload, "*")},
		{"signature", "64 bytes", swap(base64Text(e.sig), "aGk=")},
		{"statement is text", "its payload", stated("hello")},
		{"statement with blank", "payload is not in the fixed form", stated(`{"name": "a","version":"1.0.0","digest":"sha256:00"}` + "\n")},
		{"statement with more", "unknown field", stated(`{"name":"a","version":"1.0.0","digest":"sha256:00","x":1}` + "\n")},
	} {
		_, err := ParseEnvelope([]byte(c.text))
		if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

// Whatever parses is in the one form, and no bytes make the parser fall.
func FuzzEnvelope(f *testing.F) {
	e, err := fixed(f, 1).Seal(statement)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(e.Bytes())
	f.Add([]byte(`{"payload":"e30=","payloadType":"application/vnd.aria.manifest.v1+json","signatures":[{"keyid":"0000000000000001","sig":""}]}`))
	key := fixed(f, 1).Public
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := ParseEnvelope(raw)
		if err != nil {
			if fault.CodeOf(err) != fault.Invalid {
				t.Fatalf("refused as %s: %v", fault.CodeOf(err), err)
			}
			return
		}
		if again, err := got.encode(); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("read %q, writes %q (%v)", raw, again, err)
		}
		if got.Verify(key) && !bytes.Equal(raw, e.Bytes()) && got.Statement == statement {
			t.Fatalf("another envelope verifies: %q", raw)
		}
	})
}
