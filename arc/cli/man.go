package cli

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/ariacomputecompany/firmware/internal/version"
)

type manResult struct {
	Dir   string   `json:"dir"`
	Pages []string `json:"pages"`
}

func (a *app) manCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages of every command into a folder",
		Long:    wordsManLong,
		GroupID: groupMore,
		Args:    want(1, 1, "a folder"),
		RunE: func(c *cobra.Command, args []string) error {
			r := manResult{Dir: args[0]}
			err := everyCommand(c.Root(), func(c *cobra.Command) error {
				name, text, err := manPage(c)
				if err != nil {
					return err
				}
				r.Pages = append(r.Pages, name)
				return writeAtomic(filepath.Join(args[0], name), text)
			})
			if err != nil {
				return err
			}
			a.note("wrote %s; read one with: man -l %s", count(len(r.Pages), "page"), filepath.Join(args[0], r.Pages[0]))
			return a.result(r, func(w io.Writer) { fmt.Fprintln(w, r.Dir) })
		},
	}
}

// manPage is the page of one command. Its date is none: the same arc writes the
// same bytes.
func manPage(c *cobra.Command) (name string, text []byte, err error) {
	date := time.Unix(0, 0).UTC()
	h := &doc.GenManHeader{Section: "1", Source: "arc " + version.Version, Manual: "Aria", Date: &date}
	c.DisableAutoGenTag = true
	var b bytes.Buffer
	if err := doc.GenMan(c, h, &b); err != nil {
		return "", nil, fmt.Errorf("manual page of %s: %w", c.CommandPath(), err)
	}
	return manName(c), b.Bytes(), nil
}

func manName(c *cobra.Command) string {
	name := c.Name()
	for p := c.Parent(); p != nil; p = p.Parent() {
		name = p.Name() + "-" + name
	}
	return name + ".1"
}

// everyCommand visits a command and all under it that people can see.
func everyCommand(c *cobra.Command, visit func(*cobra.Command) error) error {
	if c.Hidden {
		return nil
	}
	if err := visit(c); err != nil {
		return err
	}
	for _, sub := range c.Commands() {
		if err := everyCommand(sub, visit); err != nil {
			return err
		}
	}
	return nil
}
