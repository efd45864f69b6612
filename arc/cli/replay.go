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

func (a *app) replayCmd() *cobra.Command {
	var from uint64
	var with string
	var live bool
	c := &cobra.Command{
		Use:     "replay RUN",
		Short:   "Run a run again from its journal, offline, and show where it differs",
		Long:    wordsReplayLong,
		GroupID: groupRun,
		Args:    want(1, 1, "the id of a run"),
		RunE: func(c *cobra.Command, args []string) error {
			if live && from == 0 {
				return fault.New(fault.Invalid, "--live says what happens behind an event, and --from names none").
					WithHint("arc replay %s --from N --live", args[0])
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			digest, drop, err := a.replayWith(c.Context(), client, with)
			if err != nil {
				return err
			}
			if live {
				return a.fork(c.Context(), client, args[0], from, digest)
			}
			defer drop()
			rep, err := client.Replay(c.Context(), args[0], nil, digest, from)
			if err != nil {
				return stopped(c.Context(), err)
			}
			return a.replayed(rep, from)
		},
	}
	c.Flags().Uint64Var(&from, "from", 0, "the journal answers up to event number `N`, and not beyond")
	c.Flags().StringVar(&with, "with", "", "run the code of another bundle: a .aria `file`, or a project's folder")
	c.Flags().BoolVar(&live, "live", false, "with --from: go on for real behind it, as a new run")
	return c
}

// replayWith brings the bundle of --with to ariad, where only this replay
// reaches it, and says how to take it away again.
func (a *app) replayWith(ctx context.Context, client *remote.Client, with string) (digest string, drop func(), err error) {
	drop = func() {}
	if with == "" {
		return "", drop, nil
	}
	data, err := a.bundleBytes(ctx, with)
	if err != nil {
		return "", drop, err
	}
	b, held, err := client.Upload(ctx, data.bytes, true)
	if err != nil {
		return "", drop, err
	}
	if !held {
		drop = func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if _, err := client.Remove(ctx, b.Digest); err != nil {
				a.note("the bundle of --with stays at ariad: %v", err)
			}
		}
	}
	return b.Digest, drop, nil
}

// replayed prints a report and ends as it says.
func (a *app) replayed(rep remote.Replay, from uint64) error {
	err := a.result(rep, func(w io.Writer) { writeReplay(w, rep, from) })
	if err == nil && rep.Divergence != nil {
		return &coded{code: exitFailed} // it is said
	}
	return err
}

func writeReplay(w io.Writer, rep remote.Replay, from uint64) {
	took := tookText(time.Duration(rep.TookUS) * time.Microsecond)
	switch d := rep.Divergence; {
	case d != nil:
		fmt.Fprintf(w, "  expected  %s\n  got       %s\n", clean(oneLine(d.Expected)), clean(oneLine(d.Got)))
		in := ""
		if d.Run != rep.Run {
			in = fmt.Sprintf(" of %s (%s), which it called", d.Run, d.Unit)
		}
		fmt.Fprintf(w, "replay: %s diverged at event %d%s, after %d identical events, %s\n", rep.Run, d.Seq, in, rep.Events, took)
	case rep.Denied != "":
		fmt.Fprintf(w, "  denied    %s\n", clean(oneLine(rep.Denied)))
		fmt.Fprintf(w, "replay: %s identical up to event %d, then it asked for what is behind it (--live goes on for real), %s\n", rep.Run, from, took)
	case from > 0:
		fmt.Fprintf(w, "replay: %s identical up to event %d, then it ended without asking for more, %s\n", rep.Run, from, took)
	default:
		fmt.Fprintf(w, "replay: %s identical, %d events, %d answers from the journal, %s\n", rep.Run, rep.Events, rep.Effects, took)
	}
}

// fork goes on for real behind an event, as a run of its own, and follows it.
func (a *app) fork(ctx context.Context, client *remote.Client, run string, from uint64, digest string) error {
	id, err := client.Fork(ctx, run, from, digest)
	if err != nil {
		return stopped(ctx, err)
	}
	a.note("%s goes on behind event %d of %s", a.paint("run "+id, bold), from, run)
	if err := client.Watch(ctx, id, 0, a.follower(false)); err != nil {
		return stopped(ctx, err)
	}
	r, err := client.Run(ctx, id)
	if err != nil {
		return stopped(ctx, err)
	}
	return a.outcome(r)
}
