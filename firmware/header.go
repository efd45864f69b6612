// Package firmware is the signed firmware image: the header in front of the
// bytes that a slot takes, how it is signed and checked, and the key files. It
// is a contract between arc, ariad, init and mkboot (docs/spec/firmware-update.md)
// and does no more than read and write that format: slots are boot/slot's.
package firmware

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// HeaderSize in bytes; the payload follows it.
const HeaderSize = 4096

// MaxPart bounds what a header may announce for each part.
const MaxPart = 1 << 30

const magic = "aria-firmware/v1\n"

// Header says what the payload is: the root file system with its hash tree, then
// the kernel file. It is signed as a whole.
type Header struct {
	Version string `json:"version"` // "0.1.0"
	Arch    string `json:"arch"`    // "x86_64"
	Root    Part   `json:"root"`    // root.img of docs/design/010
	Linux   Part   `json:"linux"`   // linux.efi
}

// Part is one file of the payload.
type Part struct {
	Size   int64  `json:"size"` // bytes
	Digest Digest `json:"digest"`
}

// Size of the whole payload in bytes.
func (h Header) Size() int64 { return h.Root.Size + h.Linux.Size }

// ID names the image: the digest of the header as it is signed.
func (h Header) ID() Digest {
	sum := sha256.Sum256(h.signed())
	return DigestOf(sum[:])
}

// signed is what the signature covers.
func (h Header) signed() []byte {
	text, err := json.Marshal(h)
	if err != nil {
		panic(err) // strings and numbers can always be written
	}
	return []byte(magic + string(text) + "\n")
}

// Digest is "sha256:" and the 64 hex digits of the payload's sha256.
type Digest string

// Sum is the digest of everything in r, and its length.
func Sum(r io.Reader) (Digest, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return DigestOf(h.Sum(nil)), n, err
}

// DigestOf a finished sha256.
func DigestOf(sum []byte) Digest { return Digest("sha256:" + hex.EncodeToString(sum)) }

var (
	digests  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	versions = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$`)
	arches   = regexp.MustCompile(`^[a-z0-9_]{1,16}$`)
)

func (h Header) check() error {
	switch {
	case !versions.MatchString(h.Version):
		return fault.New(fault.Invalid, "firmware header: %.80q is not a version", h.Version).WithHint("letters, digits, dots, plus and minus, at most 64")
	case !arches.MatchString(h.Arch):
		return fault.New(fault.Invalid, "firmware header: %.40q is not an architecture", h.Arch)
	}
	for _, p := range []Part{h.Root, h.Linux} {
		if !digests.MatchString(string(p.Digest)) {
			return fault.New(fault.Invalid, "firmware header: %.80q is not a sha256 digest", p.Digest)
		}
		if p.Size < 1 || p.Size > MaxPart {
			return fault.New(fault.Invalid, "firmware header: a part of %d bytes is not between 1 byte and 1 GiB", p.Size)
		}
	}
	return nil
}

// Sign makes the header's bytes, HeaderSize of them.
func Sign(h Header, key Secret) ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	signed := h.signed()
	sig := ed25519.Sign(key.private(), signed)
	out := make([]byte, HeaderSize)
	copy(out, fmt.Sprintf("%sed25519 %s %s\n", signed, key.Public().ID(), base64.StdEncoding.EncodeToString(sig)))
	return out, nil
}

// Open checks the first HeaderSize bytes of an image: the form, and that one of
// the keys has signed them. Nothing of the header is believed before. Errors are
// fault.Invalid (no image of ours) and fault.Denied (not signed by a known key).
func Open(raw []byte, keys []Public) (Header, error) {
	signed, text, sig, err := split(raw)
	if err != nil {
		return Header{}, err
	}
	kind, rest, _ := strings.Cut(sig, " ")
	id, code, _ := strings.Cut(rest, " ")
	mac, err := base64.StdEncoding.Strict().DecodeString(code)
	if kind != "ed25519" || err != nil || len(mac) != ed25519.SignatureSize {
		return Header{}, fault.New(fault.Invalid, "the image's signature line cannot be read").WithHint("make the image again")
	}
	for _, k := range keys {
		if k.ID() != id {
			continue
		}
		if !ed25519.Verify(ed25519.PublicKey(k[:]), signed, mac) {
			return Header{}, fault.New(fault.Denied, "bad signature: the image's header is not what key %s signed", id).
				WithHint("the file was changed after signing; fetch or make it again")
		}
		return parse(text)
	}
	return Header{}, fault.New(fault.Denied, "the image is signed by key %.32q, which this machine does not trust", id).
		WithHint("sign it with the key whose public half is baked into the running image")
}

// Peek reads a header without believing it: for showing, never for installing.
func Peek(raw []byte) (Header, error) {
	_, text, _, err := split(raw)
	if err != nil {
		return Header{}, err
	}
	return parse(text)
}

// split takes the raw header apart: magic line, JSON line, signature line, zeros.
func split(raw []byte) (signed, text []byte, sig string, err error) {
	odd := fault.New(fault.Invalid, "this is not an Aria firmware image").
		WithHint(`it begins with the line %q; "make image" and "arc firmware sign" make one`, strings.TrimSpace(magic))
	if len(raw) != HeaderSize || !bytes.HasPrefix(raw, []byte(magic)) {
		return nil, nil, "", odd
	}
	body := raw[len(magic):]
	n := bytes.IndexByte(body, '\n')
	if n < 0 {
		return nil, nil, "", odd
	}
	text, rest := body[:n], body[n+1:]
	m := bytes.IndexByte(rest, '\n')
	if m < 0 || len(bytes.Trim(rest[m+1:], "\x00")) > 0 {
		return nil, nil, "", odd
	}
	return raw[:len(magic)+n+1], text, string(rest[:m]), nil
}

func parse(text []byte) (Header, error) {
	var h Header
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return Header{}, fault.New(fault.Invalid, "firmware header: %s", err)
	}
	if again, err := json.Marshal(h); err != nil || !bytes.Equal(again, text) {
		return Header{}, fault.New(fault.Invalid, "firmware header: not in its one form").WithHint("make the image again")
	}
	return h, h.check()
}
