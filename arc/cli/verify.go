package cli

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/sign"
	"github.com/ariacomputecompany/firmware/trust"
)

type verifyResult struct {
	OK      bool          `json:"ok"`
	Path    string        `json:"path"`
	Name    string        `json:"name"`
	Version string        `json:"version"`
	Digest  bundle.Digest `json:"digest"`
	Files   int           `json:"files"` // whose sha256 was compared
	trust.Verdict
}

func (a *app) verifyCmd() *cobra.Command {
	var file string
	var refs []string
	c := &cobra.Command{
		Use:     "verify FILE",
		Short:   "Check a bundle's digest, files and signatures",
		Long:    wordsVerifyLong,
		GroupID: groupSign,
		Args:    want(1, 1, "the path of a .aria file"),
		RunE: func(_ *cobra.Command, args []string) error {
			_, b, err := openBundle(args[0])
			if err != nil {
				return err
			}
			t, known, err := a.trusted(file, refs)
			if err != nil {
				return err
			}
			v, denied := t.Check(b, known...)
			r := verifyResult{OK: denied == nil, Path: args[0], Name: b.Manifest.Name, Version: b.Manifest.Version,
				Digest: b.Digest, Files: len(b.Files()), Verdict: v}
			if err := a.result(r, func(w io.Writer) { a.writeVerdict(w, r) }); err != nil {
				return err
			}
			return denied
		},
	}
	c.Flags().StringVar(&file, "trust-file", "", "the trust file (default "+trust.FileName+" in the configuration folder)")
	c.Flags().StringArrayVar(&refs, "key", nil, "ask for a signature by this key (a name, a .pub file or \"RW…\") instead of the trust file; may be repeated")
	return c
}

// trusted reads the trust file and the keys at hand. With refs those keys alone
// are trusted, for everything.
func (a *app) trusted(file string, refs []string) (t trust.Trust, known []sign.PublicKey, err error) {
	store, err := a.keys()
	if err != nil {
		return t, nil, err
	}
	list, err := store.List()
	if err != nil {
		return t, nil, err
	}
	for _, k := range list {
		known = append(known, k.Key)
	}
	for _, ref := range refs {
		k, err := store.Public(ref)
		if err != nil {
			return t, nil, err
		}
		if _, err := t.Add(trust.Anybody, k.Key, trust.Required); err != nil {
			return t, nil, err
		}
	}
	if len(refs) > 0 {
		return t, known, nil
	}
	path, err := a.trustFile(file)
	if err != nil {
		return t, nil, err
	}
	t, err = trust.Load(path)
	return t, known, err
}

func (a *app) writeVerdict(w io.Writer, r verifyResult) {
	fmt.Fprintf(w, "%s %s\n%s, %s as the manifest says\n", r.Name, r.Version, r.Digest, count(r.Files, "file"))
	writeSignatures(w, r.Verdict)
	if !r.OK {
		return
	}
	if len(r.Signers) > 0 {
		fmt.Fprintln(w, "verified: signed by a trusted key")
	} else {
		fmt.Fprintf(w, "sound, but by nobody you trust: the rule for %q asks for no signature\n", r.Rule)
	}
}

// stateText says what a state means.
var stateText = map[trust.State]string{
	trust.Trusted: "trusted",
	trust.Known:   "sound, by a key that is not trusted for this bundle",
	trust.Unknown: "by a key that is not at hand: nothing is proven",
	trust.Broken:  "BROKEN: not made by the key with this id",
}

func writeSignatures(w io.Writer, v trust.Verdict) {
	if len(v.Signatures) == 0 {
		fmt.Fprintln(w, "signatures: none")
		return
	}
	fmt.Fprintln(w, "signatures:")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range v.Signatures {
		fmt.Fprintf(tw, "  %s\t%s\n", s.KeyID, stateText[s.State])
	}
	tw.Flush()
}
