package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

func (a *app) resumeCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "resume RUN",
		Short:   "Take up a run that was given up",
		Long:    wordsResumeLong,
		GroupID: groupRun,
		Args:    want(1, 1, "the id of a run"),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			run, err := client.Resume(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.result(run, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", run.ID, run.State) })
		},
	}
}

func (a *app) drainCmd() *cobra.Command {
	var undo bool
	var wait time.Duration
	c := &cobra.Command{
		Use:     "drain",
		Short:   "Refuse new runs, and wait until the running ones have ended",
		Long:    wordsDrainLong,
		GroupID: groupMore,
		Args:    want(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			d, err := a.drain(c.Context(), client, undo, wait)
			if err != nil {
				return stopped(c.Context(), err)
			}
			return a.result(d, func(w io.Writer) { fmt.Fprintln(w, drainText(d)) })
		},
	}
	c.Flags().BoolVar(&undo, "undo", false, "take new runs again")
	c.Flags().DurationVar(&wait, "wait", 0, "wait at most this long for the running ones (default: do not)")
	return c
}

// drain asks until nothing runs, which waiting runs do not count against.
func (a *app) drain(ctx context.Context, client *remote.Client, undo bool, wait time.Duration) (remote.Drained, error) {
	end := time.Now().Add(wait)
	for {
		d, err := client.Drain(ctx, undo)
		if err != nil || undo || d.Running == 0 || wait == 0 {
			return d, err
		}
		if time.Now().After(end) {
			return d, fault.New(fault.Timeout, "%d runs still go on after %s", d.Running, wait).
				WithHint("stop ariad: it leaves them at their next durable point and takes them up at its next start")
		}
		select {
		case <-ctx.Done():
			return d, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func drainText(d remote.Drained) string {
	if !d.Draining {
		return "drain: off, new runs are taken"
	}
	return fmt.Sprintf("drain: on, new runs are refused; %d go on, %d wait", d.Running, d.Waiting)
}
