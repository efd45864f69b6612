package registry

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
	"github.com/ariacomputecompany/firmware/trust"
)

// RequireTrust lets Add take in only what the trust file at path lets pass. The
// file must be there and sound; it is read again by every Add, and one that has
// become unreadable lets nothing pass. Call it before the first Add.
func (r *Registry) RequireTrust(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Invalid, "the trust file %s does not exist, and trust.require is set", path).
			WithHint("arc trust add NAMESPACE KEY --trust-file %s", path)
	}
	if _, err := trust.Load(path); err != nil {
		return err
	}
	r.trustFile = path
	return nil
}

func (r *Registry) trusted(b *bundle.Bundle) error {
	if r.trustFile == "" {
		return nil
	}
	t, err := trust.Load(r.trustFile)
	if err != nil {
		r.log.Error("trust file", "err", err)
		return fault.Wrap(err, fault.Denied, "no bundle can be taken in: the server's trust file is not readable").
			WithHint("its operator must mend it; the log of ariad says what is wrong")
	}
	v, err := t.Check(b)
	if f, ok := fault.As(err); ok {
		return f.WithHint("the server's trust file decides: sign with a key that it names, or have its operator add yours with arc trust add")
	}
	if err != nil {
		return err
	}
	r.log.Info("bundle trusted", "bundle", b.Digest, "name", b.Manifest.Name, "signers", v.Signers)
	return nil
}

// countersign adds the signatures of b to the stored file of the same bundle,
// and stores it anew if the file is gone or damaged. Where signatures are not
// checked, one that is there is not replaced. The caller holds adding.
func (r *Registry) countersign(ctx context.Context, old *Bundle, b *bundle.Bundle, data []byte) (*Bundle, error) {
	if held, err := r.Open(b.Digest); err == nil {
		var fresh []sign.Envelope
		for _, s := range b.Signatures {
			i := slices.IndexFunc(held.Signatures, func(h sign.Envelope) bool { return h.KeyID == s.KeyID })
			if i < 0 || r.trustFile != "" && !bytes.Equal(held.Signatures[i].Bytes(), s.Bytes()) {
				fresh = append(fresh, s)
			}
		}
		if len(fresh) == 0 {
			return old, nil
		}
		if data, err = held.WithSignatures(fresh...); err != nil {
			return nil, err
		}
	}
	if err := write(r.path(b.Digest), data); err != nil {
		return nil, err
	}
	nb := *old
	nb.Size = int64(len(data))
	if _, err := r.db.ExecContext(ctx, `UPDATE bundles SET size = ? WHERE digest = ?`, nb.Size, nb.Digest); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.opened, b.Digest)
	r.held[b.Digest] = &nb
	return &nb, nil
}
