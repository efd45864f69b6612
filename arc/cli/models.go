package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// fewModels of a provider that lists hundreds are shown without --all.
const fewModels = 12

func (a *app) modelsCmd() *cobra.Command {
	var all bool
	timeout := 5 * time.Second
	c := &cobra.Command{
		Use:     "models [PROVIDER]",
		Short:   "Ask the server's model providers what can be reached",
		GroupID: groupRun,
		Args:    want(0, 1, "at most one provider"),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			m, err := client.Models(c.Context(), timeout)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				if m.Providers, err = onlyProvider(m.Providers, args[0]); err != nil {
					return err
				}
			}
			return a.result(m, func(w io.Writer) { modelTables(w, m, all || len(args) == 1) })
		},
	}
	c.Flags().BoolVar(&all, "all", false, "every model of every provider")
	c.Flags().DurationVar(&timeout, "timeout", timeout, "how long one provider may take")
	return c
}

func onlyProvider(list []remote.ModelProvider, name string) ([]remote.ModelProvider, error) {
	var names []string
	for _, p := range list {
		if p.Name == name {
			return []remote.ModelProvider{p}, nil
		}
		names = append(names, p.Name)
	}
	e := fault.New(fault.NotFound, "no provider %q is configured", name)
	if n := fault.Nearest(name, names); n != "" {
		return nil, e.WithHint("did you mean %q?", n)
	}
	return nil, e.WithHint("add it to models.toml in the server's data folder")
}

func modelTables(w io.Writer, m remote.Models, all bool) {
	table(w, "PROVIDER\tDIALECT\tSTATE\tTIME\tKEY\tMODELS", len(m.Providers), func(i int) string {
		p := m.Providers[i]
		return fmt.Sprintf("%s\t%s\t%s\t%.0fms\t%s\t%d", p.Name, p.Dialect, p.State, p.TookMS, p.Key, len(p.Models))
	})
	for _, p := range m.Providers {
		if p.Detail != "" {
			fmt.Fprintf(w, "%s: %s\n", p.Name, p.Detail)
		}
	}
	var rows []remote.Model
	hidden := 0
	for _, p := range m.Providers {
		for _, x := range p.Models {
			if all || x.Configured || len(p.Models) <= fewModels {
				rows = append(rows, x)
			} else {
				hidden++
			}
		}
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		table(w, "MODEL\tOFFERED\tUSD PER MILLION IN/OUT\tCONTEXT", len(rows), func(i int) string {
			x := rows[i]
			return fmt.Sprintf("%s\t%s\t%s\t%s", x.Ref, yes(x.Offered), modelPrice(x), first(number(x.Context), "-"))
		})
	}
	if hidden > 0 {
		fmt.Fprintf(w, "and %d more: --all\n", hidden)
	}
}

func yes(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}

func modelPrice(m remote.Model) string {
	if m.Input == nil || m.Output == nil {
		return "-"
	}
	return fmt.Sprintf("%g/%g", *m.Input, *m.Output)
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
