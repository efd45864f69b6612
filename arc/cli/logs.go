package cli

import (
	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
)

func (a *app) logsCmd() *cobra.Command {
	var follow bool
	var after uint64
	c := &cobra.Command{
		Use:     "logs RUN",
		Short:   "Print the events of a run",
		Long:    wordsLogs,
		GroupID: groupRun,
		Args:    want(1, 1, "the id of a run"),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			run, err := client.Run(c.Context(), args[0])
			if err != nil {
				return err
			}
			if !follow && after >= run.LastSeq {
				return nil
			}
			print := a.eventWriter()
			err = client.Watch(c.Context(), run.ID, after, func(e remote.Event) error {
				if err := print(e); err != nil {
					return err
				}
				if !follow && e.Seq >= run.LastSeq {
					return remote.ErrStop
				}
				return nil
			})
			if err != nil {
				return stopped(c.Context(), err)
			}
			return nil
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run ends")
	c.Flags().Uint64Var(&after, "after", 0, "start behind this event number")
	return c
}

// eventWriter prints events on stdout, where they are the data.
func (a *app) eventWriter() func(remote.Event) error {
	if a.json {
		return func(e remote.Event) error { return writeJSON(a.out, e) }
	}
	p := &eventPrinter{w: a.out, paint: func(text, _ string) string { return text }}
	return p.print
}
