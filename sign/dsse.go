package sign

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// dsse is a DSSE envelope (secure-systems-lab/dsse, version 1) with one
// signature, whatever it states. The payload's type is part of what is signed,
// so an envelope of one type never passes for one of another.
type dsse struct {
	KeyID KeyID

	kind    string // the payload's type
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

// seal signs a statement. The same statement and key give the same bytes.
func (s SecretKey) seal(kind string, statement any) (dsse, error) {
	payload, err := compact(statement)
	if err != nil {
		return dsse{}, err
	}
	sig, err := s.sign(pae(kind, payload))
	if err != nil {
		return dsse{}, err
	}
	e := dsse{KeyID: s.Public.ID, kind: kind, payload: payload, sig: sig}
	e.raw, err = e.encode()
	return e, err
}

// pae is DSSE's pre-authentication encoding: what is really signed.
func pae(kind string, body []byte) []byte {
	b := []byte("DSSEv1 " + strconv.Itoa(len(kind)) + " " + kind + " " + strconv.Itoa(len(body)) + " ")
	return append(b, body...)
}

// Verify says whether p made the envelope's signature.
func (e dsse) Verify(p PublicKey) bool {
	return e.KeyID == p.ID && p.verify(pae(e.kind, e.payload), e.sig)
}

// Bytes is the file; the caller must not change it.
func (e dsse) Bytes() []byte { return e.raw }

func (e dsse) encode() ([]byte, error) {
	return compact(wire{base64Text(e.payload), e.kind, []wireSignature{{e.KeyID.String(), base64Text(e.sig)}}})
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

// parse takes an envelope of a kind in the one form that seal writes, and reads
// its payload into statement, a pointer: envelopes that mean the same are the
// same bytes. Errors are fault.Invalid.
func parse(kind string, raw []byte, statement any) (dsse, error) {
	if len(raw) > MaxEnvelope {
		return dsse{}, malformed("it is larger than %d KiB", MaxEnvelope>>10)
	}
	var w wire
	if err := strict(raw, &w); err != nil {
		return dsse{}, malformed("%s", err)
	}
	if w.PayloadType != kind {
		return dsse{}, malformed("its payloadType is %.80q, not %q", w.PayloadType, kind)
	}
	if len(w.Signatures) != 1 {
		return dsse{}, malformed("it has %d signatures, not one", len(w.Signatures))
	}
	id, err := ParseKeyID(w.Signatures[0].KeyID)
	if err != nil {
		return dsse{}, malformed("%s", err)
	}
	e := dsse{KeyID: id, kind: kind, raw: bytes.Clone(raw)}
	if e.payload, err = base64Line(w.Payload); err != nil {
		return dsse{}, malformed("its payload is not base64")
	}
	if e.sig, err = base64Line(w.Signatures[0].Sig); err != nil || len(e.sig) != ed25519.SignatureSize {
		return dsse{}, malformed("its signature is not %d bytes of base64", ed25519.SignatureSize)
	}
	if err := strict(e.payload, statement); err != nil {
		return dsse{}, malformed("its payload: %s", err)
	}
	if again, err := compact(statement); err != nil || !bytes.Equal(again, e.payload) {
		return dsse{}, malformed("its payload is not in the fixed form")
	}
	if again, err := e.encode(); err != nil || !bytes.Equal(again, raw) {
		return dsse{}, malformed("it is not in the fixed form")
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
