package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/project"
)

type newResult struct {
	Name  string   `json:"name"`
	Dir   string   `json:"dir"`
	Files []string `json:"files"`
}

func (a *app) newCmd() *cobra.Command {
	var kind string
	c := &cobra.Command{
		Use:     "new NAME",
		Short:   "Make a project that builds at once",
		Long:    wordsNewLong,
		GroupID: groupAuthor,
		Args:    want(1, 1, "the name of the project"),
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := project.FindTemplate(kind)
			if err != nil {
				return err
			}
			made, err := project.Create(".", args[0], t)
			if err != nil {
				return err
			}
			a.note("made %s with %d files", made.Dir, len(made.Files))
			if err := a.result(newResult{args[0], made.Dir, made.Files}, func(w io.Writer) {
				fmt.Fprintln(w, made.Dir)
			}); err != nil {
				return err
			}
			a.note(nextSteps, made.Dir)
			for _, t := range t.Try {
				a.note("  %s", t)
			}
			return nil
		},
	}
	var about []string
	for _, t := range project.Templates {
		about = append(about, t.Name+": "+t.About)
	}
	c.Flags().StringVarP(&kind, "template", "t", "", "what to begin with; "+strings.Join(about, "; ")+" (default full)")
	return c
}
