package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

type uploadResult struct {
	Bundle      remote.Bundle `json:"bundle"`
	AlreadyHeld bool          `json:"alreadyHeld"`
}

func (a *app) uploadCmd() *cobra.Command {
	var isolated, widen bool
	c := &cobra.Command{
		Use:     "upload [FILE | DIR]",
		Short:   "Hand a bundle to ariad, building it first if it is a project",
		Long:    wordsUploadLong,
		GroupID: groupRun,
		Args:    want(0, 1, ""),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			data, err := a.bundleBytes(c.Context(), dirArg(args))
			if err != nil {
				return err
			}
			var accept []string
			if !isolated {
				if accept, err = a.consent(c.Context(), client, data.opened, widen); err != nil {
					return stopped(c.Context(), err)
				}
			}
			if err := a.sendDependencies(c.Context(), client, dirArg(args), data.opened, widen); err != nil {
				return stopped(c.Context(), err)
			}
			m := data.opened.Manifest
			step := a.step("upload", m.Name+" "+m.Version, int64(len(data.bytes)))
			b, held, err := client.Upload(c.Context(), data.bytes, isolated, accept...)
			_ = step.end(err)
			if fault.CodeOf(err) == fault.Invalid {
				return asBuild(err) // it is the bundle that is wrong, not the command
			}
			if err != nil {
				return stopped(c.Context(), err)
			}
			a.noteUploaded(b, held)
			a.noteImports(data.opened.Manifest)
			return a.result(uploadResult{b, held}, func(w io.Writer) { fmt.Fprintln(w, b.Digest) })
		},
	}
	a.addFrozen(c)
	a.addProgress(c)
	c.Flags().BoolVar(&isolated, "isolated", false, "keep the units out of the registry; run them by digest only")
	c.Flags().BoolVar(&widen, "allow-widening", false, "agree to a version that may do more than the registered one")
	return c
}

// readyBundle is a bundle on its way out.
type readyBundle struct {
	bytes  []byte
	opened *bundle.Bundle
}

// bundleBytes reads a verified bundle from a file, or builds the project in a folder.
func (a *app) bundleBytes(ctx context.Context, at string) (readyBundle, error) {
	if info, err := os.Stat(at); err == nil && info.IsDir() {
		b, err := a.build(ctx, at)
		if err != nil {
			return readyBundle{}, err
		}
		opened, err := bundle.Open(b.result.Bundle)
		return readyBundle{b.result.Bundle, opened}, err
	}
	data, opened, err := openBundle(at)
	return readyBundle{data, opened}, err
}

// noteImports says which modules of the platform the code uses.
func (a *app) noteImports(m *bundle.Manifest) {
	for _, i := range m.Permissions.Imports {
		a.note("  imports  %s", clean(i))
	}
}

func (a *app) noteUploaded(b remote.Bundle, held bool) {
	verb := "uploaded"
	if held {
		verb = "already there:"
	}
	a.note("%s %s %s (%s, %s)", verb, b.Name, b.Version, b.Mode, bytesText(b.Size))
	for _, u := range b.Units {
		ref := u.Name
		if b.Mode == "isolated" {
			ref = b.Digest + "#" + u.Name
		}
		a.note("  %-8s %s", u.Kind, ref)
	}
	for _, t := range b.Tokens {
		a.note("  may use  %s", clean(t))
	}
}
