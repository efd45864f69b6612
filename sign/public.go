package sign

import (
	"crypto/ed25519"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// PublicKey checks signatures. Equal keys are ==.
type PublicKey struct {
	ID  KeyID
	key [ed25519.PublicKeySize]byte
}

const publicSize = 2 + 8 + ed25519.PublicKeySize

const hintPublic = `a public key is the line beginning with "RW" in a .pub file`

// ParsePublic reads a .pub file of minisign, or its second line alone.
func ParsePublic(text []byte) (PublicKey, error) {
	var p PublicKey
	lines := textLines(text)
	if len(lines) == 2 && strings.HasPrefix(lines[0], untrusted) {
		lines = lines[1:]
	}
	if len(lines) != 1 {
		return p, fault.New(fault.Invalid, "not a public key: it has %d lines", len(lines)).WithHint(hintPublic)
	}
	raw, err := base64Line(strings.TrimSpace(lines[0]))
	if err != nil || len(raw) != publicSize || string(raw[:2]) != algorithm {
		return p, fault.New(fault.Invalid, "not a public key: %.20q", lines[0]).WithHint(hintPublic)
	}
	copy(p.ID[:], raw[2:10])
	copy(p.key[:], raw[10:])
	return p, nil
}

// String is the key as one line of base64, 56 characters that begin with "RW".
func (p PublicKey) String() string {
	return base64Text(append(append([]byte(algorithm), p.ID[:]...), p.key[:]...))
}

// File is the .pub file.
func (p PublicKey) File() []byte {
	return []byte(untrusted + "minisign public key " + p.ID.String() + "\n" + p.String() + "\n")
}

func (p PublicKey) verify(message, sig []byte) bool {
	return len(sig) == ed25519.SignatureSize && ed25519.Verify(p.key[:], message, sig)
}
