package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/keys"
	"github.com/ariacomputecompany/firmware/bundle"
)

// signedResult is what signing gives.
type signedResult struct {
	Path    string        `json:"path"`
	Digest  bundle.Digest `json:"digest"`
	KeyID   string        `json:"keyid"`
	Signers []string      `json:"signers"` // all key ids, not checked
	Minisig string        `json:"minisig"` // path of the detached signature
	data    []byte
}

func (a *app) signCmd() *cobra.Command {
	var key string
	var password bool
	c := &cobra.Command{
		Use:     "sign FILE",
		Short:   "Sign a bundle",
		Long:    wordsSignLong,
		GroupID: groupSign,
		Args:    want(1, 1, "the path of a .aria file"),
		RunE: func(_ *cobra.Command, args []string) error {
			_, b, err := openBundle(args[0])
			if err != nil {
				return err
			}
			r, err := a.sign(b, args[0], key, password)
			if err != nil {
				return err
			}
			a.noteSigned(r)
			return a.result(r, func(w io.Writer) { fmt.Fprintln(w, r.Path) })
		},
	}
	c.Flags().StringVar(&key, "key", keys.DefaultName, "the key: a name, or the path of a secret key file")
	c.Flags().BoolVar(&password, "password", false, "the key is under a password; read it from stdin")
	return c
}

// sign writes b with one more signature to path, and path.minisig beside it.
func (a *app) sign(b *bundle.Bundle, path, ref string, password bool) (*signedResult, error) {
	key, err := a.secretKey(ref, password)
	if err != nil {
		return nil, err
	}
	st := b.Statement()
	env, err := key.Seal(st)
	if err != nil {
		return nil, err
	}
	data, err := b.WithSignatures(env)
	if err != nil {
		return nil, asBuild(err)
	}
	minisig, err := key.Detached(data, st.Digest+" "+st.Name+" "+st.Version)
	if err != nil {
		return nil, err
	}
	if err := writeAtomic(path, data); err != nil {
		return nil, err
	}
	if err := writeAtomic(path+".minisig", minisig); err != nil {
		return nil, err
	}
	r := &signedResult{Path: path, Digest: b.Digest, KeyID: env.KeyID.String(), Signers: []string{}, Minisig: path + ".minisig", data: data}
	again, err := bundle.Open(data)
	if err != nil {
		return nil, asBuild(err)
	}
	for _, s := range again.Signatures {
		r.Signers = append(r.Signers, s.KeyID.String())
	}
	return r, nil
}

// signBuilt writes a fresh bundle, signed.
func (a *app) signBuilt(b *built, key string, password bool) error {
	opened, err := bundle.Open(b.result.Bundle)
	if err != nil {
		return err
	}
	r, err := a.sign(opened, b.summary.Path, key, password)
	if err != nil {
		return err
	}
	b.summary.KeyID, b.summary.Size, b.result.Bundle = r.KeyID, len(r.data), r.data
	a.noteBuilt(b)
	a.noteSigned(r)
	return nil
}

func (a *app) noteSigned(r *signedResult) {
	a.note("signed by %s (%s)\n  checked by  arc verify %s\n  or by       minisign -V -p KEY.pub -m %s", r.KeyID, count(len(r.Signers), "signature"), r.Path, r.Path)
}
