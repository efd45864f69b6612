package sign

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"

	"golang.org/x/crypto/blake2b"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

const trusted = "trusted comment: "

const minisigSize = 2 + 8 + ed25519.SignatureSize

// Detached is a .minisig file for content, in the prehashed form that minisign
// writes today. The comment is signed too; it is one line. The same content,
// comment and key give the same bytes.
func (s SecretKey) Detached(content []byte, comment string) ([]byte, error) {
	if strings.ContainsAny(comment, "\r\n") {
		return nil, fault.New(fault.Invalid, "the comment of a signature is one line")
	}
	h := blake2b.Sum512(content)
	sig, err := s.sign(h[:])
	if err != nil {
		return nil, err
	}
	global, err := s.sign(append(append([]byte{}, sig...), comment...))
	if err != nil {
		return nil, err
	}
	blob := append(append([]byte(prehashed), s.Public.ID[:]...), sig...)
	return []byte(untrusted + "signature from key " + s.Public.ID.String() + "\n" + base64Text(blob) + "\n" +
		trusted + comment + "\n" + base64Text(global) + "\n"), nil
}

func (s SecretKey) sign(message []byte) ([]byte, error) {
	if len(s.key) != ed25519.PrivateKeySize {
		return nil, fault.New(fault.Internal, "no secret key to sign with")
	}
	return s.key.Sign(rand.Reader, message, &ed25519.Options{})
}

// VerifyDetached checks a .minisig file against content and gives its trusted
// comment. What is not sound is fault.Denied, what is no such file Invalid.
func (p PublicKey) VerifyDetached(content, minisig []byte) (comment string, err error) {
	lines := textLines(minisig)
	if len(lines) != 4 || !strings.HasPrefix(lines[0], untrusted) || !strings.HasPrefix(lines[2], trusted) {
		return "", fault.New(fault.Invalid, "not a .minisig file")
	}
	blob, err := base64Line(lines[1])
	global, gerr := base64Line(lines[3])
	if err != nil || gerr != nil || len(blob) != minisigSize {
		return "", fault.New(fault.Invalid, "not a .minisig file: its base64 is damaged")
	}
	switch string(blob[:2]) {
	case prehashed:
		h := blake2b.Sum512(content)
		content = h[:]
	case algorithm:
	default:
		return "", fault.New(fault.Invalid, "not a .minisig file: unknown algorithm %q", blob[:2])
	}
	if KeyID(blob[2:10]) != p.ID {
		return "", fault.New(fault.Denied, "the signature is of key %s, not %s", KeyID(blob[2:10]), p.ID)
	}
	comment = strings.TrimPrefix(lines[2], trusted)
	sig := blob[10:]
	if !p.verify(content, sig) {
		return "", fault.New(fault.Denied, "the signature of key %s does not fit the file", p.ID)
	}
	if !p.verify(append(append([]byte{}, sig...), comment...), global) {
		return "", fault.New(fault.Denied, "the comment of the signature was changed")
	}
	return comment, nil
}
