package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/keys"
	"github.com/ariacomputecompany/firmware/arc/share"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
	"github.com/ariacomputecompany/firmware/trust"
)

// yankFlags of "arc yank".
type yankFlags struct {
	from, reason, key string
	password, plain   bool
}

func (a *app) yankCmd() *cobra.Command {
	var f yankFlags
	c := &cobra.Command{
		Use:     "yank NAME@VERSION",
		Short:   "Take a published version back",
		Long:    wordsYankLong,
		GroupID: groupShare,
		Args:    want(1, 1, "a bundle and its version: acme/search@1.2.3"),
		RunE: func(c *cobra.Command, args []string) error {
			w, err := share.ParseWish(args[0], f.from)
			if err != nil {
				return err
			}
			if !bundle.ValidVersion(w.Range) {
				return fault.New(fault.Invalid, "%q does not name one version", args[0]).WithHint("write NAME@VERSION: acme/search@1.2.3")
			}
			place, err := a.place(f.from, "--from", w.Name)
			if err != nil {
				return err
			}
			key, err := a.secretKey(f.key, f.password)
			if err != nil {
				return err
			}
			t, err := a.sharing(f.plain, trust.Trust{}).Yank(c.Context(), place, w.Name, w.Range, f.reason, key)
			if err != nil {
				return stopped(c.Context(), err)
			}
			a.noteTaken(t)
			return a.result(t, func(w io.Writer) { fmt.Fprintf(w, "%s@%s\n", t.Place, t.OCI) })
		},
	}
	c.Flags().StringVar(&f.from, "from", "", "where from: HOST, or HOST/REPO (ARIA_REGISTRY)")
	c.Flags().StringVar(&f.reason, "reason", "", "what those who want it will read")
	c.Flags().StringVar(&f.key, "key", keys.DefaultName, "the key: a name, or the path of a secret key file")
	c.Flags().BoolVar(&f.password, "password", false, "the key is under a password; read it from stdin")
	plainFlag(c, &f.plain)
	return c
}

func (a *app) noteTaken(t share.Taken) {
	verb := "taken back:"
	if t.Already {
		verb = "taken back before:"
	}
	a.note("%s %s %s at %s", verb, t.Name, t.Version, t.Place)
	a.note("  signed by %s: it counts for whoever trusts that key for %s", t.KeyID, t.Name)
}

// secretKey opens a secret key by name or path, with a password from stdin if it
// is under one.
func (a *app) secretKey(ref string, password bool) (sign.SecretKey, error) {
	store, err := a.keys()
	if err != nil {
		return sign.SecretKey{}, err
	}
	pw, err := a.password(password, false)
	if err != nil {
		return sign.SecretKey{}, err
	}
	return store.Secret(ref, pw)
}
