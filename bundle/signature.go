package bundle

import (
	"slices"
	"strings"

	"github.com/klauspost/compress/flate"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

// Signatures stand in the file but outside the digest: a bundle keeps its
// identity when somebody signs it (docs/spec/signature.md).
const (
	signatureFolder = "signatures/"
	signatureEnd    = ".dsse.json"

	MaxSignatures = 16 // of one bundle
)

func signaturePath(id sign.KeyID) string { return signatureFolder + id.String() + signatureEnd }

// signatureID is the key that an entry's name names.
func signatureID(name string) (sign.KeyID, *fault.Error) {
	id, ok := strings.CutSuffix(strings.TrimPrefix(name, signatureFolder), signatureEnd)
	key, err := sign.ParseKeyID(id)
	if !ok || err != nil {
		return key, refuse("%q is not named after a key", name).
			WithHint("a signature is %sKEYID%s", signatureFolder, signatureEnd)
	}
	return key, nil
}

// Statement is what a signature of this bundle states.
func (b *Bundle) Statement() sign.Statement {
	return sign.Statement{Name: b.Manifest.Name, Version: b.Manifest.Version, Digest: string(b.Digest)}
}

// takeSignatures reads and checks the signatures and gives the other entries.
func (b *Bundle) takeSignatures(list []entry) ([]entry, error) {
	var rest []entry
	for _, e := range list {
		if !strings.HasPrefix(e.name, signatureFolder) {
			rest = append(rest, e)
			continue
		}
		if len(b.Signatures) == MaxSignatures {
			return nil, refuse("more than %d signatures", MaxSignatures)
		}
		if e.size > sign.MaxEnvelope {
			return nil, refuse("%q is larger than %d KiB", e.name, sign.MaxEnvelope>>10)
		}
		raw, err := e.unpack(b.data)
		if err != nil {
			return nil, err
		}
		env, err := sign.ParseEnvelope(raw)
		if f, ok := fault.As(err); ok {
			return nil, refuse("%q is %s", e.name, f.Message)
		}
		if e.name != signaturePath(env.KeyID) {
			return nil, refuse("%q is by key %s", e.name, env.KeyID)
		}
		if err := b.fits(env); err != nil {
			return nil, err
		}
		b.Signatures = append(b.Signatures, env)
	}
	return rest, nil
}

func (b *Bundle) fits(env sign.Envelope) *fault.Error {
	if st := env.Statement; st != b.Statement() {
		return refuse("the signature of key %s is for %.130s %.70s %.71s", env.KeyID, st.Name, st.Version, st.Digest)
	}
	return nil
}

// WithSignatures gives the .aria file of b with more signatures; one of the same
// key is replaced. The digest and every other byte of content stay. A signature
// that is about another bundle is fault.Invalid.
func (b *Bundle) WithSignatures(more ...sign.Envelope) ([]byte, error) {
	byID := map[sign.KeyID]sign.Envelope{}
	for _, env := range slices.Concat(b.Signatures, more) {
		if err := b.fits(env); err != nil {
			return nil, err
		}
		byID[env.KeyID] = env
	}
	if len(byID) > MaxSignatures {
		return nil, refuse("more than %d signatures", MaxSignatures).WithHint("nobody needs so many; build the bundle again and sign it anew")
	}
	list, err := readZip(b.data)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(e entry) bool { return strings.HasPrefix(e.name, signatureFolder) })
	parts := map[string][]byte{}
	for _, e := range list {
		parts[e.name] = e.body(b.data)
	}
	w, err := flate.NewWriter(nil, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	for id, env := range byID {
		e, packed, err := pack(w, signaturePath(id), env.Bytes())
		if err != nil {
			return nil, err
		}
		list, parts[e.name] = append(list, e), packed
	}
	slices.SortFunc(list[1:], func(x, y entry) int { return strings.Compare(x.name, y.name) })
	var out []byte
	for i := range list {
		list[i].offset = int64(len(out))
		out = append(list[i].local(out), parts[list[i].name]...)
	}
	out = append(out, directory(list)...)
	// What was written must be what a reader accepts.
	if _, err := Open(out); err != nil {
		return nil, err
	}
	return out, nil
}
