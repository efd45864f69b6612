package firmware

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Secret is the seed of a signing key. It prints as nothing.
type Secret [ed25519.SeedSize]byte

// Public is the half that machines know.
type Public [ed25519.PublicKeySize]byte

const (
	secretKind = "aria-firmware-secret/v1"
	publicKind = "aria-firmware-public/v1"
)

// NewSecret makes a key from the system's randomness.
func NewSecret() Secret {
	var s Secret
	_, _ = rand.Read(s[:]) // never fails
	return s
}

func (s Secret) private() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(s[:]) }

// Public half of the key.
func (s Secret) Public() Public { return Public(s.private().Public().(ed25519.PublicKey)) }

func (Secret) String() string   { return "(secret)" }
func (Secret) GoString() string { return "(secret)" }

// Text is the key file's one line.
func (s Secret) Text() string {
	return secretKind + " " + base64.StdEncoding.EncodeToString(s[:]) + "\n"
}

// ID is the first 8 bytes of the key's sha256 in hex.
func (p Public) ID() string {
	sum := sha256.Sum256(p[:])
	return hex.EncodeToString(sum[:8])
}

// Text is the line of a file of public keys.
func (p Public) Text() string {
	return publicKind + " " + base64.StdEncoding.EncodeToString(p[:]) + "\n"
}

// ReadSecret reads a key file. One that others can read is refused.
func ReadSecret(path string) (Secret, error) {
	var s Secret
	st, err := os.Stat(path)
	if err != nil {
		return s, fault.Wrap(err, fault.NotFound, "the signing key %s cannot be read", path).WithHint("arc firmware key NAME makes one")
	}
	if st.Mode().Perm()&0o077 != 0 {
		return s, fault.New(fault.Denied, "the signing key %s can be read by others (mode %04o)", path, st.Mode().Perm()).
			WithHint("chmod 600 it; if others may have read it, make a new one")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return s, fault.Wrap(err, fault.Denied, "the signing key %s cannot be read", path)
	}
	if err := decode(s[:], secretKind, strings.TrimSuffix(string(raw), "\n")); err != nil {
		return Secret{}, fault.New(fault.Invalid, "%s is not a firmware signing key", path).WithHint("arc firmware key NAME makes one")
	}
	return s, nil
}

// ReadPublic reads a file of public keys, one a line; empty lines and lines that
// begin with # are comments. A file without any is an error.
func ReadPublic(path string) ([]Public, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(err, fault.NotFound, "the firmware keys in %s cannot be read", path)
	}
	var keys []Public
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var k Public
		if err := decode(k[:], publicKind, line); err != nil {
			return nil, fault.New(fault.Invalid, "%s:%d: not a public firmware key", path, n).WithHint("a line is %q and 44 characters of base64", publicKind)
		}
		keys = append(keys, k)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("firmware keys %s: %w", path, err)
	}
	if len(keys) == 0 {
		return nil, fault.New(fault.Invalid, "%s holds no firmware key", path).WithHint("put the .pub file of arc firmware key there")
	}
	return keys, nil
}

func decode(to []byte, kind, line string) error {
	first, code, _ := strings.Cut(line, " ")
	b, err := base64.StdEncoding.Strict().DecodeString(code)
	if err != nil || first != kind || len(b) != len(to) {
		return fault.New(fault.Invalid, "not a key")
	}
	copy(to, b)
	return nil
}
