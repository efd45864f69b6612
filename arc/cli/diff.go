package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/diff"
	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

type diffResult struct {
	Same  bool `json:"same"`
	Wider bool `json:"widens"`
	Break bool `json:"breaks"`
	diff.Report
}

func (a *app) diffCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "diff OLD NEW",
		Short:   "Say what a new version of a bundle may do, takes and gives that the old did not",
		Long:    wordsDiffLong,
		GroupID: groupSign,
		Args:    want(2, 2, "two bundles: files, project folders, or name@version on a server"),
		RunE: func(c *cobra.Command, args []string) error {
			old, err := a.side(c.Context(), args[0])
			if err != nil {
				return err
			}
			new, err := a.side(c.Context(), args[1])
			if err != nil {
				return err
			}
			r := diff.Compare(old, new)
			res := diffResult{r.Same(), len(r.Wider) > 0, len(r.Breaking) > 0, r}
			if err := a.result(res, func(w io.Writer) { writeDiff(w, r) }); err != nil {
				return err
			}
			if !r.Calm() {
				return &coded{code: exitFailed}
			}
			return nil
		},
	}
}

// side finds one of the two: what lies on the disk comes first.
func (a *app) side(ctx context.Context, ref string) (diff.Side, error) {
	info, err := os.Stat(ref)
	switch {
	case err == nil && info.IsDir():
		b, err := a.build(ctx, ref)
		if err != nil {
			return diff.Side{}, err
		}
		return diff.NewSide(b.result.Manifest, b.result.Digest), nil
	case err == nil || strings.HasSuffix(ref, ".aria"):
		_, b, err := openBundle(ref)
		if err != nil {
			return diff.Side{}, err
		}
		return diff.NewSide(b.Manifest, b.Digest), nil
	}
	client, err := a.client()
	if err != nil {
		return diff.Side{}, err
	}
	held, err := client.Bundles(ctx)
	if err != nil {
		return diff.Side{}, err
	}
	name, version, _ := strings.Cut(ref, "@")
	var found *remote.Bundle
	for i, b := range held { // by name, then version, oldest first
		if b.Digest == ref || b.Name == name && b.Mode == "register" && (version == "" || version == b.Version) {
			found = &held[i]
		}
	}
	if found == nil {
		return diff.Side{}, fault.New(fault.NotFound, "%q is no file here and no bundle on %s", ref, client.Server()).
			WithHint(`name a .aria file, a project folder, or NAME@VERSION from "arc ls bundles"`)
	}
	return heldSide(ctx, client, found.Digest)
}

// heldSide asks a server for the manifest of a bundle and believes its digest
// only.
func heldSide(ctx context.Context, client *remote.Client, digest string) (diff.Side, error) {
	raw, err := client.Manifest(ctx, digest)
	if err != nil {
		return diff.Side{}, err
	}
	m, d, err := bundle.ParseManifest(raw)
	if err != nil {
		return diff.Side{}, err
	}
	if string(d) != digest {
		return diff.Side{}, fault.New(fault.Unavailable, "%s answered with another manifest than that of %s", client.Server(), digest)
	}
	return diff.NewSide(m, d), nil
}

// writeDiff names what is wider first, then what breaks.
func writeDiff(w io.Writer, r diff.Report) {
	fmt.Fprintf(w, "%s %s → %s %s\n", r.Old.Name, r.Old.Version, r.New.Name, r.New.Version)
	if r.Same() {
		fmt.Fprintln(w, "nothing differs")
		return
	}
	if len(r.Wider) > 0 {
		fmt.Fprintln(w, "may do more:")
		writePermissionList(w, "+", r.Wider)
	}
	writeChanges(w, "breaks callers", r.Breaking)
	if len(r.Narrower) > 0 {
		fmt.Fprintln(w, "may do less:")
		writePermissionList(w, "-", r.Narrower)
	}
	var list []diff.Change
	for i, c := range r.Changes {
		list = append(list, c)
		if i+1 == len(r.Changes) || r.Changes[i+1].Kind != c.Kind {
			writeChanges(w, string(c.Kind), list)
			list = nil
		}
	}
}

func writePermissionList(w io.Writer, sign string, list []diff.Permission) {
	for _, p := range list {
		fmt.Fprintf(w, "  %s %s%s\n", sign, permissionText(p), placesText(p.Where))
	}
}

func permissionText(p diff.Permission) string {
	switch p.Kind {
	case "import":
		return "import " + clean(p.What)
	case "call":
		return clean(p.Unit) + " may call " + clean(p.What)
	case "approval":
		return clean(p.Unit) + " " + p.What
	}
	return clean(p.What)
}

func placesText(list []bundle.Place) string {
	var out []string
	for _, p := range list {
		out = append(out, fmt.Sprintf("%s:%d:%d", clean(p.File), p.Line, p.Col))
	}
	if len(out) == 0 {
		return ""
	}
	return "  (" + strings.Join(out, ", ") + ")"
}

func writeChanges(w io.Writer, title string, list []diff.Change) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "%s:\n", title)
	for _, c := range list {
		words := []string{" "}
		for _, s := range []string{c.Unit, c.Pointer, c.Text} {
			if s != "" {
				words = append(words, clean(s))
			}
		}
		fmt.Fprintln(w, strings.Join(words, " "))
	}
}
