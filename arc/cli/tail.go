package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

func (a *app) tailCmd() *cobra.Command {
	var from uint64
	var unit string
	c := &cobra.Command{
		Use:     "tail [RUN]",
		Short:   "Follow the events of a run, or of all runs, with their numbers",
		Long:    wordsTailLong,
		GroupID: groupRun,
		Args:    want(0, 1, ""),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 && from > 0:
				return fault.New(fault.Invalid, "--from is an event of one run, and none is named").WithHint("arc tail RUN --from %d", from)
			case len(args) == 1 && unit != "":
				return fault.New(fault.Invalid, "--unit chooses among all runs, and one is named").WithHint("leave one of them out")
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return a.tailRun(c.Context(), client, args[0], from)
			}
			return stopped(c.Context(), client.Tail(c.Context(), unit, a.tailWriter()))
		},
	}
	c.Flags().Uint64Var(&from, "from", 0, "begin with event number `SEQ` of the run")
	c.Flags().StringVar(&unit, "unit", "", "only runs of this unit")
	return c
}

func (a *app) tailRun(ctx context.Context, client *remote.Client, id string, from uint64) error {
	run, err := client.Run(ctx, id)
	if err != nil {
		return err
	}
	print := a.tailWriter()
	if err := client.Watch(ctx, id, max(from, 1)-1, func(e remote.Event) error { return print(remote.TailEvent{Event: e, Unit: run.Unit}) }); err != nil {
		return stopped(ctx, err)
	}
	return nil
}

// tailWriter prints events on stdout, where they are the data.
func (a *app) tailWriter() func(remote.TailEvent) error {
	if a.json {
		return func(e remote.TailEvent) error { return writeJSON(a.out, e) }
	}
	return func(e remote.TailEvent) error {
		_, err := fmt.Fprintf(a.out, "%s  %s %4d  %s  %-12s %s\n", e.Time.Format(time.TimeOnly+".000"), e.Run, e.Seq, clean(e.Unit), clean(e.Kind), eventText(e.Event, true))
		if err != nil {
			return unwritten(err)
		}
		return nil
	}
}
