package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/diff"
	"github.com/ariacomputecompany/firmware/arc/project"
	"github.com/ariacomputecompany/firmware/arc/share"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
	"github.com/ariacomputecompany/firmware/trust"
)

// installFlags of "arc install".
type installFlags struct {
	from                            string
	frozen, yanked, widening, plain bool
}

// maxInstall is how many bundles one command may name.
const maxInstall = 64

type installResult struct {
	Bundles []share.Installed `json:"bundles"`
}

func (a *app) installCmd() *cobra.Command {
	var f installFlags
	c := &cobra.Command{
		Use:     "install [NAME[@RANGE]...]",
		Short:   "Install bundles from an OCI registry or another ariad",
		Long:    wordsInstallLong,
		GroupID: groupShare,
		Args:    want(0, maxInstall, ""),
		RunE: func(c *cobra.Command, args []string) error {
			return a.install(c.Context(), args, f)
		},
	}
	c.Flags().StringVar(&f.from, "from", "", "where from: HOST, or HOST/REPO (default: as locked, then ARIA_REGISTRY)")
	c.Flags().BoolVar(&f.frozen, "frozen", false, "refuse whatever would change aria.lock")
	c.Flags().BoolVar(&f.yanked, "allow-yanked", false, "take versions that their author has taken back")
	c.Flags().BoolVar(&f.widening, "allow-widening", false, "agree to upgrades that may do more than before")
	plainFlag(c, &f.plain)
	a.addProgress(c)
	return c
}

func (a *app) install(ctx context.Context, names []string, f installFlags) error {
	dir, err := project.Find(".")
	if err != nil {
		return asBuild(err)
	}
	lock, err := share.ReadLock(dir)
	if err != nil {
		return asBuild(err)
	}
	before := lock.Text()
	rules, known, err := a.trusted("", nil)
	if err != nil {
		return err
	}
	in := &share.Installer{Client: a.sharing(f.plain, rules), Folder: share.FolderOf(dir), Lock: lock, Frozen: f.frozen, AllowYanked: f.yanked,
		Judge:   func(b *bundle.Bundle) (string, error) { return judge(rules, known, b) },
		Consent: func(old, new *bundle.Bundle) error { return a.agreeTo(old, new, f.widening) }}
	got, err := a.installAll(ctx, in, names, f.from)
	if err != nil {
		return stopped(ctx, err)
	}
	if lock.Text() != before {
		if err := lock.Save(dir); err != nil {
			return err
		}
	}
	a.noteInstalled(got)
	return a.result(installResult{got}, func(w io.Writer) {
		for _, i := range got {
			fmt.Fprintf(w, "%s@%s %s\n", i.Name, i.Version, i.Digest)
		}
	})
}

func (a *app) installAll(ctx context.Context, in *share.Installer, names []string, from string) ([]share.Installed, error) {
	if len(names) == 0 {
		if len(in.Lock.Bundles) == 0 {
			return nil, fault.New(fault.Invalid, "%s pins nothing, so there is nothing to install", share.LockName).
				WithHint("arc install NAME@RANGE --from HOST")
		}
		step := a.step("install", share.LockName, 0)
		got, err := in.Restore(ctx)
		return got, step.end(err)
	}
	all := []share.Installed{}
	for _, name := range names {
		w, err := share.ParseWish(name, first(from, in.Lock.Place(name), a.env("ARIA_REGISTRY")))
		if err != nil {
			return nil, err
		}
		if w.From == "" {
			return nil, noPlace("--from")
		}
		step := a.step("install", name, 0)
		got, err := in.Install(ctx, w)
		if step.end(err) != nil {
			return nil, err
		}
		all = append(all, got...)
	}
	return all, nil
}

// judge gives the public key that vouches for a bundle.
func judge(rules trust.Trust, known []sign.PublicKey, b *bundle.Bundle) (string, error) {
	v, err := rules.Check(b, known...)
	if err != nil {
		return "", err
	}
	for _, s := range v.Signatures {
		if s.State == trust.Trusted {
			return s.Key, nil
		}
	}
	return "", nil
}

// agreeTo asks a person where an upgrade may do more than what it replaces;
// where nobody can be asked, only --allow-widening is a yes.
func (a *app) agreeTo(old, new *bundle.Bundle, allowed bool) error {
	r := diff.Compare(diff.NewSide(old.Manifest, old.Digest), diff.NewSide(new.Manifest, new.Digest))
	return a.agree(r, "install", allowed)
}

func (a *app) noteInstalled(list []share.Installed) {
	for _, i := range list {
		switch {
		case !i.Fetched:
			a.note("%s %s is installed", i.Name, i.Version)
			continue
		case i.Was != "":
			a.note("installed %s %s in place of %s from %s", i.Name, i.Version, i.Was, i.From)
		default:
			a.note("installed %s %s from %s", i.Name, i.Version, i.From)
		}
		if i.Signer == "" {
			a.note("  not signed by anybody who is trusted; the trust file lets it pass")
		} else {
			a.note("  signed   %s", i.Signer)
		}
		if i.Yanked != "" {
			a.note("  taken back by its author: %s", indented(i.Yanked))
		}
		if i.Claimed != "" {
			a.note("  warning: %s, but nobody you trust has signed that: %s", wordsClaimed, indented(i.Claimed))
		}
		for _, t := range i.Bundle.Manifest.Permissions.Tokens {
			a.note("  may use  %s", clean(t.Token))
		}
	}
}
