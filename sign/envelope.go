package sign

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// PayloadType of the envelopes in a bundle: what they state is about a manifest.
const PayloadType = "application/vnd.aria.manifest.v1+json"

// MaxEnvelope is the most bytes an envelope may have.
const MaxEnvelope = 4 << 10

// Statement is what a signer says: this digest is that name and version.
type Statement struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  string `json:"digest"` // "sha256:" and 64 hex digits
}

// Envelope is a DSSE envelope (secure-systems-lab/dsse, version 1) with one
// signature. Parsing one proves nothing; Verify does.
type Envelope struct {
	KeyID     KeyID
	Statement Statement

	payload []byte
	sig     []byte
	raw     []byte
}

// wire is the envelope's JSON, fields in the order in which they are written.
type wire struct {
	Payload     string          `json:"payload"`
	PayloadType string          `json:"payloadType"`
	Signatures  []wireSignature `json:"signatures"`
}

type wireSignature struct {
	KeyID string `json:"keyid"`
	Sig   string `json:"sig"`
}

// Seal signs a statement. The same statement and key give the same bytes.
func (s SecretKey) Seal(st Statement) (Envelope, error) {
	payload, err := compact(st)
	if err != nil {
		return Envelope{}, err
	}
	sig, err := s.sign(pae(PayloadType, payload))
	if err != nil {
		return Envelope{}, err
	}
	e := Envelope{KeyID: s.Public.ID, Statement: st, payload: payload, sig: sig}
	e.raw, err = e.encode()
	return e, err
}

// pae is DSSE's pre-authentication encoding: what is really signed.
func pae(kind string, body []byte) []byte {
	b := []byte("DSSEv1 " + strconv.Itoa(len(kind)) + " " + kind + " " + strconv.Itoa(len(body)) + " ")
	return append(b, body...)
}

// Verify says whether p made the envelope's signature.
func (e Envelope) Verify(p PublicKey) bool {
	return e.KeyID == p.ID && p.verify(pae(PayloadType, e.payload), e.sig)
}

// Bytes is the file; the caller must not change it.
func (e Envelope) Bytes() []byte { return e.raw }

func (e Envelope) encode() ([]byte, error) {
	return compact(wire{base64Text(e.payload), PayloadType, []wireSignature{{e.KeyID.String(), base64Text(e.sig)}}})
}

// compact is the one spelling of a value: no blanks, no escapes but the needed
// ones, one LF at the end.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "a signature cannot be written")
	}
	return b.Bytes(), nil
}

// ParseEnvelope takes an envelope in the one form that Seal writes: envelopes
// that mean the same are the same bytes. Errors are fault.Invalid.
func ParseEnvelope(raw []byte) (Envelope, error) {
	if len(raw) > MaxEnvelope {
		return Envelope{}, malformed("it is larger than %d KiB", MaxEnvelope>>10)
	}
	var w wire
	if err := strict(raw, &w); err != nil {
		return Envelope{}, malformed("%s", err)
	}
	if w.PayloadType != PayloadType {
		return Envelope{}, malformed("its payloadType is %.80q, not %q", w.PayloadType, PayloadType)
	}
	if len(w.Signatures) != 1 {
		return Envelope{}, malformed("it has %d signatures, not one", len(w.Signatures))
	}
	id, err := ParseKeyID(w.Signatures[0].KeyID)
	if err != nil {
		return Envelope{}, malformed("%s", err)
	}
	e := Envelope{KeyID: id, raw: bytes.Clone(raw)}
	if e.payload, err = base64Line(w.Payload); err != nil {
		return Envelope{}, malformed("its payload is not base64")
	}
	if e.sig, err = base64Line(w.Signatures[0].Sig); err != nil || len(e.sig) != ed25519.SignatureSize {
		return Envelope{}, malformed("its signature is not %d bytes of base64", ed25519.SignatureSize)
	}
	if err := strict(e.payload, &e.Statement); err != nil {
		return Envelope{}, malformed("its payload: %s", err)
	}
	if again, err := compact(e.Statement); err != nil || !bytes.Equal(again, e.payload) {
		return Envelope{}, malformed("its payload is not in the fixed form")
	}
	if again, err := e.encode(); err != nil || !bytes.Equal(again, raw) {
		return Envelope{}, malformed("it is not in the fixed form")
	}
	return e, nil
}

func malformed(format string, args ...any) *fault.Error {
	e := fault.New(fault.Invalid, format, args...)
	e.Message = "not a signature envelope: " + e.Message
	return e.WithHint(`sign again with "arc sign"`)
}

// strict decodes one JSON value without unknown fields. Keys that stand twice
// and all other odd spellings fail later, when the bytes are compared.
func strict(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fault.New(fault.Invalid, "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
