// Package sign makes and checks ed25519 signatures: keys in minisign's file
// format, detached .minisig files that any minisign verifies, and DSSE envelopes
// about a bundle. The forms are specified in docs/spec/signature.md. It says
// whether a signature is sound and by which key; whose key that is and what it
// may sign is package trust's to say. It reads and writes no file.
package sign

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Algorithms of minisign: what the first two bytes of its blobs say.
const (
	algorithm = "Ed" // a key, or a signature of the message itself
	prehashed = "ED" // a signature of the message's BLAKE2b-512
	checksum  = "B2" // BLAKE2b-256
	scryptKDF = "Sc"
	noKDF     = "\x00\x00"
)

const untrusted = "untrusted comment: "

// KeyID names a key: 8 bytes that stand beside its signatures. Anybody can make
// a key with a given id, so it finds a key and never proves one.
type KeyID [8]byte

// String is what minisign prints: the id as a little-endian number in 16
// upper-case hex digits.
func (id KeyID) String() string { return fmt.Sprintf("%016X", binary.LittleEndian.Uint64(id[:])) }

// ParseKeyID reads what String writes, and nothing else.
func ParseKeyID(s string) (KeyID, error) {
	var n uint64
	var id KeyID
	if len(s) != 16 || strings.Trim(s, "0123456789ABCDEF") != "" {
		return id, fault.New(fault.Invalid, "key id %.40q is not 16 upper-case hex digits", s)
	}
	if _, err := fmt.Sscanf(s, "%016X", &n); err != nil {
		return id, fault.Wrap(err, fault.Invalid, "key id %q cannot be read", s)
	}
	binary.LittleEndian.PutUint64(id[:], n)
	return id, nil
}

// base64Line decodes one strict line of base64.
func base64Line(s string) ([]byte, error) { return base64.StdEncoding.Strict().DecodeString(s) }

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// textLines splits a small text file and drops the line ends; a final one is
// not a line.
func textLines(text []byte) []string {
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return lines
}
