package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

type bundleList struct {
	Bundles []remote.Bundle `json:"bundles"`
}

type unitList struct {
	Units []remote.Unit `json:"units"`
}

type runList struct {
	Runs []remote.Run `json:"runs"`
}

func (a *app) lsCmd() *cobra.Command {
	units := a.lsUnitsCmd()
	c := &cobra.Command{
		Use:     "ls [bundles | units | runs]",
		Short:   "List bundles, units or runs",
		Long:    wordsLsLong,
		GroupID: groupRun,
		Args:    oneOfCommands,
		RunE:    units.RunE,
	}
	c.AddCommand(a.lsBundlesCmd(), units, a.lsRunsCmd())
	return c
}

func (a *app) lsBundlesCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "bundles",
		Short: "List the bundles that ariad holds",
		Args:  want(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			bundles, err := client.Bundles(c.Context())
			if err != nil {
				return err
			}
			return a.result(bundleList{bundles}, func(w io.Writer) {
				if len(bundles) == 0 {
					a.note(`no bundle yet: "arc upload" brings one`)
					return
				}
				table(w, "NAME\tVERSION\tMODE\tUNITS\tSIZE\tUPLOADED\tDIGEST", len(bundles), func(i int) string {
					b := bundles[i]
					return fmt.Sprintf("%s\t%s\t%s\t%d\t%s\t%s\t%s", b.Name, b.Version, b.Mode, len(b.Units), bytesText(b.Size), timeText(b.Uploaded), b.Digest)
				})
			})
		},
	}
}

func (a *app) lsUnitsCmd() *cobra.Command {
	var kind string
	c := &cobra.Command{
		Use:   "units",
		Short: "List the registered tools, agents, teams and pipelines",
		Args:  want(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			units, err := client.Units(c.Context(), kind)
			if err != nil {
				return err
			}
			return a.result(unitList{units}, func(w io.Writer) {
				if len(units) == 0 {
					a.note(`no unit yet: "arc upload" brings some`)
					return
				}
				table(w, "UNIT\tKIND\tBUNDLE\tTOKENS\tDESCRIPTION", len(units), func(i int) string {
					u := units[i]
					return fmt.Sprintf("%s\t%s\t%s@%s\t%s\t%s", u.Name, u.Kind, u.Bundle, u.Version, first(strings.Join(u.Tokens, " "), "-"), firstLine(u.Description))
				})
			})
		},
	}
	c.Flags().StringVar(&kind, "kind", "", "only this kind: tool, agent, team or pipeline")
	return c
}

func (a *app) lsRunsCmd() *cobra.Command {
	var limit int
	var before, state string
	c := &cobra.Command{
		Use:   "runs",
		Short: "List runs, newest first",
		Args:  want(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 0 {
				return fault.New(fault.Invalid, "--limit must not be negative, got %d", limit).WithHint("0 lists the newest 50")
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			runs, err := client.Runs(c.Context(), limit, before, state)
			if err != nil {
				return err
			}
			return a.result(runList{runs}, func(w io.Writer) {
				if len(runs) == 0 {
					a.note("%s", noRuns(before, state))
					return
				}
				table(w, "RUN\tSTATE\tUNIT\tCREATED\tTOOK\tSTART\tERROR", len(runs), func(i int) string { return runRow(runs[i]) })
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 0, "at most this many (default 50)")
	c.Flags().StringVar(&before, "before", "", "only runs older than this one")
	c.Flags().StringVar(&state, "state", "", "only this state: pending, running, waiting, done, failed or cancelled")
	return c
}

func noRuns(before, state string) string {
	if before != "" || state != "" {
		return "no run is like that"
	}
	return `no run yet: "arc run UNIT" starts one`
}

func runRow(r remote.Run) string {
	took, problem := "-", ""
	if r.Ended != nil {
		took = tookText(r.Ended.Sub(r.Created))
	}
	if r.Error != nil {
		problem = r.Error.Code
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", r.ID, r.State, r.Unit, timeText(r.Created), took, startText(r), problem)
}

// startText is how a run's first container began and how long that took; "-": it has had none.
func startText(r remote.Run) string {
	if r.Start == "" {
		return "-"
	}
	return r.Start + " " + preciseText(time.Duration(r.TookUS)*time.Microsecond)
}

func table(w io.Writer, header string, n int, row func(int) string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, header)
	for i := range n {
		fmt.Fprintln(tw, strings.ReplaceAll(clean(row(i)), "\n", " "))
	}
	_ = tw.Flush() // what cannot be written, app.result tells
}
