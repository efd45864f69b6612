package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

type rmResult struct {
	Removed []remote.Bundle `json:"removed"`
}

func (a *app) rmCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "rm BUNDLE...",
		Short:   "Take bundles out of ariad's store",
		Long:    wordsRmLong,
		GroupID: groupRun,
		Args:    want(1, 100, "a bundle: name@version or its digest"),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			held, err := client.Bundles(c.Context())
			if err != nil {
				return err
			}
			removed := []remote.Bundle{}
			for _, word := range args {
				b, err := heldAs(held, word)
				if err != nil {
					return err
				}
				if b, err = client.Remove(c.Context(), b.Digest); err != nil {
					return stopped(c.Context(), err)
				}
				removed = append(removed, b)
			}
			return a.result(rmResult{removed}, func(w io.Writer) {
				for _, b := range removed {
					fmt.Fprintln(w, b.Digest)
				}
			})
		},
	}
}

// heldAs finds the one bundle that a person means.
func heldAs(held []remote.Bundle, word string) (remote.Bundle, error) {
	var found []remote.Bundle
	var all []string
	for _, b := range held {
		if b.Digest == word || b.Name+"@"+b.Version == word || b.Name == word {
			found = append(found, b)
		}
		all = append(all, b.Name+"@"+b.Version)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		e := fault.New(fault.NotFound, "no bundle %q is held", word)
		if near := fault.Nearest(word, all); near != "" {
			return remote.Bundle{}, e.WithHint("did you mean %q?", near)
		}
		return remote.Bundle{}, e.WithHint("see arc ls bundles")
	}
	return remote.Bundle{}, fault.New(fault.Invalid, "%q is more than one bundle", word).
		WithHint("name the version or the digest: %s@%s, %s", found[0].Name, found[0].Version, found[0].Digest)
}
