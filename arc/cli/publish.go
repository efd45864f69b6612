package cli

import (
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/arc/share"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
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
			p, err := a.sharing(plain).Publish(c.Context(), place, data.opened)
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

func (a *app) yankCmd() *cobra.Command {
	var from, reason string
	var plain bool
	c := &cobra.Command{
		Use:     "yank NAME@VERSION",
		Short:   "Take a published version back",
		Long:    wordsYankLong,
		GroupID: groupShare,
		Args:    want(1, 1, "a bundle and its version: acme/search@1.2.3"),
		RunE: func(c *cobra.Command, args []string) error {
			w, err := share.ParseWish(args[0], from)
			if err != nil {
				return err
			}
			if !bundle.ValidVersion(w.Range) {
				return fault.New(fault.Invalid, "%q does not name one version", args[0]).WithHint("write NAME@VERSION: acme/search@1.2.3")
			}
			place, err := a.place(from, "--from", w.Name)
			if err != nil {
				return err
			}
			if len(reason) > 500 {
				return fault.New(fault.Invalid, "the reason has more than 500 bytes")
			}
			digest, err := a.sharing(plain).Yank(c.Context(), place, w.Range, reason)
			if err != nil {
				return stopped(c.Context(), err)
			}
			a.note("taken back: %s %s at %s", w.Name, w.Range, place)
			return a.result(map[string]string{"place": string(place), "version": w.Range, "oci": digest},
				func(w io.Writer) { fmt.Fprintf(w, "%s@%s\n", place, digest) })
		},
	}
	c.Flags().StringVar(&from, "from", "", "where from: HOST, or HOST/REPO (ARIA_REGISTRY)")
	c.Flags().StringVar(&reason, "reason", "", "what those who want it will read")
	plainFlag(c, &plain)
	return c
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

// sharing makes the client of registries. The credential of the instance that
// arc is pointed to goes to that instance alone.
func (a *app) sharing(plain bool) *share.Client {
	return share.New(share.Options{PlainHTTP: plain, Own: func(host string) (string, bool, error) {
		server, err := url.Parse(first(a.server, a.env("ARIA_SERVER"), remote.DefaultServer))
		if err != nil || server.Host != host {
			return "", false, nil
		}
		cred, err := remote.FindCredential(first(a.credentialFile, a.env("ARIA_CREDENTIAL_FILE")), a.env)
		return cred, err == nil, err
	}})
}
