package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

type exitList struct {
	ExitCodes []exitEntry `json:"exitCodes"`
}

func (a *app) helpCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "help [COMMAND | exit-codes | json]",
		Short:   "Help for a command, the list of exit codes, the schemas of --json",
		GroupID: groupMore,
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			at, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				if near := c.SuggestionsFor(rest[0]); at == root && len(near) > 0 {
					return oneOfCommands(c, rest) // a topic, mistyped
				}
				return oneOfCommands(at, rest)
			}
			at.InitDefaultHelpFlag()
			return at.Help()
		},
	}
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(a.helpJSONCmd(), &cobra.Command{
		Use:   "exit-codes",
		Short: "The exit codes of arc",
		Args:  want(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			return a.result(exitList{exitTable}, writeExitCodes)
		},
	})
	return c
}

// writeExitCodes is also the body of docs/spec/exit-codes.md.
func writeExitCodes(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n| code | name | when | error codes |\n|---|---|---|---|\n", wordsExitIntro)
	for _, row := range exitTable {
		faults := make([]string, len(row.Faults))
		for i, f := range row.Faults {
			faults[i] = string(f)
		}
		fmt.Fprintf(w, "| %d | %s | %s | %s |\n", row.Code, row.Name, row.Meaning, strings.Join(faults, ", "))
	}
}
