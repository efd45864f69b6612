package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

type costList struct {
	By    string            `json:"by,omitempty"`
	Lines []remote.CostLine `json:"lines"`
	Total remote.CostLine   `json:"total"`
}

func (a *app) costCmd() *cobra.Command {
	var since time.Duration
	var by string
	c := &cobra.Command{
		Use:     "cost [RUN]",
		Short:   "Add up the tokens, money and processor time that runs used",
		Long:    wordsCostLong,
		GroupID: groupRun,
		Args:    want(0, 1, ""),
		RunE: func(c *cobra.Command, args []string) error {
			if since < 0 || since > 0 && len(args) > 0 {
				return fault.New(fault.Invalid, "--since is a time before now, for all runs").WithHint("arc cost --since 24h, or arc cost RUN")
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			run, from := "", time.Time{}
			if len(args) == 1 {
				run = args[0]
			}
			if since > 0 {
				from = time.Now().Add(-since)
			}
			lines, err := client.Cost(c.Context(), run, from, by)
			if err != nil {
				return err
			}
			list := costList{By: by, Lines: lines, Total: total(lines)}
			return a.result(list, func(w io.Writer) { writeCost(w, list) })
		},
	}
	c.Flags().DurationVar(&since, "since", 0, "only runs that were accepted this long ago at most, for example 24h")
	c.Flags().StringVar(&by, "by", "", "a line for each agent, model, tenant, unit or bundle")
	return c
}

func total(lines []remote.CostLine) remote.CostLine {
	var t remote.CostLine
	for _, l := range lines {
		t.Runs += l.Runs
		t.Turns += l.Turns
		t.InputTokens += l.InputTokens
		t.OutputTokens += l.OutputTokens
		t.USD += l.USD
		t.CPUUS += l.CPUUS
		t.Unpriced = t.Unpriced || l.Unpriced
		t.Uncertain += l.Uncertain
		t.Estimated += l.Estimated
	}
	return t
}

func writeCost(w io.Writer, list costList) {
	if list.By != "" {
		table(w, strings.ToUpper(list.By)+"\tRUNS\tTURNS\tUNCERTAIN\tTOKENS IN\tOUT\tUSD\tCPU", len(list.Lines), func(i int) string {
			l := list.Lines[i]
			return fmt.Sprintf("%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s", first(l.Name, "-"), l.Runs, l.Turns, l.Uncertain, l.InputTokens, l.OutputTokens, usdText(l), cpuText(l))
		})
	}
	t := list.Total
	turns := fmt.Sprintf("%d turns", t.Turns)
	if t.Estimated > 0 {
		turns += fmt.Sprintf(" (%d estimated)", t.Estimated)
	}
	if t.Uncertain > 0 {
		turns += fmt.Sprintf(" and %d uncertain", t.Uncertain)
	}
	fmt.Fprintf(w, "cost: %d runs, %s, %d tokens in, %d out, %s, %s of processor time\n", t.Runs, turns, t.InputTokens, t.OutputTokens, usdText(t), cpuText(t))
}

// usdText says at least so much where a price is not known.
func usdText(l remote.CostLine) string {
	if l.Unpriced {
		return fmt.Sprintf("$%.4f + unpriced", l.USD)
	}
	return fmt.Sprintf("$%.4f", l.USD)
}

func cpuText(l remote.CostLine) string {
	return tookText(time.Duration(l.CPUUS) * time.Microsecond)
}
