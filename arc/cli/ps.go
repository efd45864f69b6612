package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
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
	return &cobra.Command{
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
			for _, state := range []string{"running", "waiting", "pending"} {
				runs, err := client.Runs(c.Context(), 1000, "", state)
				if err != nil {
					return err
				}
				for _, r := range runs {
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
				table(w, "RUN\tSTATE\tUNIT\tFOR\tPARENT\tWAITS FOR", len(all), func(i int) string { return psRow(all[i]) })
			})
		},
	}
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
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", o.ID, o.State, o.Unit, ago(o.Created), first(o.Parent, "-"), first(strings.Join(waits, "; "), "-"))
}
