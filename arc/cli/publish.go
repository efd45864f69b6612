package cli

import (
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/arc/share"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/trust"
)

func (a *app) publishCmd() *cobra.Command {
	var to string
	var plain bool
	c := &cobra.Command{
		Use:     "publish [FILE | DIR]",
		Short:   "Publish a bundle to an OCI registry or to another ariad",
		Long:    wordsPublishLong,
		GroupID: groupShare,
		Args:    want(0, 1, ""),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := a.bundleBytes(c.Context(), dirArg(args))
			if err != nil {
				return err
			}
			place, err := a.place(to, "--to", data.opened.Manifest.Name)
			if err != nil {
				return err
			}
			step := a.step("publish", data.opened.Manifest.Name+" "+data.opened.Manifest.Version, 0)
			p, err := a.sharing(plain, trust.Trust{}).Publish(c.Context(), place, data.opened)
			if step.end(err) != nil {
				return stopped(c.Context(), err)
			}
			a.notePublished(p)
			return a.result(p, func(w io.Writer) { fmt.Fprintf(w, "%s@%s\n", p.Place, p.OCI) })
		},
	}
	a.addProgress(c)
	c.Flags().StringVar(&to, "to", "", "where to: HOST, or HOST/REPO (ARIA_REGISTRY)")
	plainFlag(c, &plain)
	return c
}

func plainFlag(c *cobra.Command, plain *bool) {
	c.Flags().BoolVar(plain, "plain-http", false, "allow an unencrypted connection to another machine")
}

func (a *app) notePublished(p share.Published) {
	verb := "published"
	if p.Already {
		verb = "already there:"
	}
	a.note("%s %s %s at %s", verb, p.Name, p.Version, p.Place)
	switch p.Signatures {
	case 0:
		a.note(`not signed: others install it only if their trust file lets it pass; "arc sign" signs it`)
	case 1:
		a.note("with 1 signature")
	default:
		a.note("with %d signatures", p.Signatures)
	}
}

// place reads --to or --from, or ARIA_REGISTRY in their stead.
func (a *app) place(at, flag, name string) (share.Place, error) {
	at = first(at, a.env("ARIA_REGISTRY"))
	if at == "" {
		return "", noPlace(flag)
	}
	return share.Locate(at, name)
}

func noPlace(flag string) error {
	return fault.New(fault.Invalid, "no registry was named").
		WithHint("name it with %s HOST, or in ARIA_REGISTRY; an ariad is one: %s 127.0.0.1:7600", flag, flag)
}

// sharing makes the client of registries, which lets those speak for a bundle
// whom rules name. The credential of the instance that arc is pointed to goes to
// that instance alone.
func (a *app) sharing(plain bool, rules trust.Trust) *share.Client {
	return share.New(share.Options{PlainHTTP: plain, Vouch: rules.Vouch, Own: func(host string) (string, bool, error) {
		server, err := url.Parse(first(a.server, a.env("ARIA_SERVER"), remote.DefaultServer))
		if err != nil || server.Host != host {
			return "", false, nil
		}
		cred, err := remote.FindCredential(first(a.credentialFile, a.env("ARIA_CREDENTIAL_FILE")), a.env)
		return cred, err == nil, err
	}})
}
