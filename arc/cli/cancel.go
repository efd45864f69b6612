package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func (a *app) cancelCmd() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:     "cancel RUN",
		Short:   "Ask a run to stop",
		Long:    wordsCancelLong,
		GroupID: groupRun,
		Args:    want(1, 1, "the id of a run"),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			run, err := client.Cancel(c.Context(), args[0], reason)
			if err != nil {
				return err
			}
			return a.result(run, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", run.ID, run.State) })
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	return c
}
