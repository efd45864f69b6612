package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// open is a run that has not ended, and what it waits for.
type open struct {
	remote.Run
	Waits []remote.Wait `json:"waits,omitempty"`
}

// openList is what ps prints.
type openList struct {
	Runs []open `json:"runs"`
}

func (a *app) psCmd() *cobra.Command {
	var state, unit string
	var roots bool
	c := &cobra.Command{
		Use:     "ps",
		Short:   "List the runs that have not ended, and what they wait for",
		GroupID: groupRun,
		Args:    want(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			waits, err := client.Waits(c.Context())
			if err != nil {
				return err
			}
			var all []open
			states := []string{"running", "waiting", "pending"}
			if state != "" {
				if !slices.Contains(states, state) {
					return fault.New(fault.Invalid, "no open run is %q", state).WithHint("it is running, waiting or pending; arc ls runs --state %s has the others", state)
				}
				states = []string{state}
			}
			for _, state := range states {
				runs, err := client.Runs(c.Context(), 1000, "", state)
				if err != nil {
					return err
				}
				for _, r := range runs {
					if unit != "" && r.Unit != unit || roots && r.Parent != "" {
						continue
					}
					o := open{Run: r}
					for _, w := range waits {
						if w.Run == r.ID {
							o.Waits = append(o.Waits, w)
						}
					}
					all = append(all, o)
				}
			}
			slices.SortFunc(all, func(x, y open) int { return cmp.Compare(x.ID, y.ID) })
			return a.result(openList{all}, func(w io.Writer) {
				if len(all) == 0 {
					a.note("no run is open")
					return
				}
				table(w, "RUN\tSTATE\tUNIT\tFOR\tSTART\tPARENT\tWAITS FOR", len(all), func(i int) string { return psRow(all[i]) })
			})
		},
	}
	c.Flags().StringVar(&state, "state", "", "only this state: running, waiting or pending")
	c.Flags().StringVar(&unit, "unit", "", "only runs of this unit")
	c.Flags().BoolVar(&roots, "roots", false, "only runs that no other run called")
	return c
}

func psRow(o open) string {
	var waits []string
	for _, w := range o.Waits {
		switch {
		case w.Role != "":
			waits = append(waits, w.Role+" "+string(w.Data))
		case w.Due != nil:
			waits = append(waits, "until "+timeText(*w.Due))
		}
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s", o.ID, o.State, o.Unit, ago(o.Created), startText(o.Run), first(o.Parent, "-"), first(strings.Join(waits, "; "), "-"))
}
