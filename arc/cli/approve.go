package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

func (a *app) approveCmd() *cobra.Command {
	var deny bool
	var reason, by string
	c := &cobra.Command{
		Use:     "approve RUN",
		Short:   "Answer what a run asks a person for",
		Long:    wordsApproveLong,
		GroupID: groupRun,
		Args:    want(1, 1, "the id of a run"),
		RunE: func(c *cobra.Command, args []string) error {
			if reason != "" && !deny {
				return fault.New(fault.Invalid, "--reason says why not, and nothing is denied").WithHint("add --deny, or leave it out")
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			if by == "" {
				by = a.env("USER")
			}
			run, err := client.Approve(c.Context(), args[0], deny, reason, by)
			if err != nil {
				return err
			}
			word := "approved"
			if deny {
				word = "denied"
			}
			return a.result(run, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", run.ID, word) })
		},
	}
	c.Flags().BoolVar(&deny, "deny", false, "say no")
	c.Flags().StringVar(&reason, "reason", "", "why not, for whoever asked")
	c.Flags().StringVar(&by, "by", "", "who answers, for the record (default $USER)")
	return c
}
