package sign

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

// Envelope is a DSSE envelope with one signature, in which somebody stands
// behind a bundle. Parsing one proves nothing; Verify does.
type Envelope struct {
	dsse
	Statement Statement
}

// Seal signs a statement. The same statement and key give the same bytes.
func (s SecretKey) Seal(st Statement) (Envelope, error) {
	e, err := s.seal(PayloadType, st)
	return Envelope{e, st}, err
}

// ParseEnvelope takes an envelope in the one form that Seal writes. Errors are
// fault.Invalid.
func ParseEnvelope(raw []byte) (Envelope, error) {
	var st Statement
	e, err := parse(PayloadType, raw, &st)
	return Envelope{e, st}, err
}
