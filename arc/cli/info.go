package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) infoCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "info",
		Short:   "Say which ariad answers and how it does",
		GroupID: groupMore,
		Args:    want(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			i, err := client.Info(c.Context())
			if err != nil {
				return err
			}
			return a.result(i, func(w io.Writer) {
				quilt := "ready"
				if !i.QuiltReady {
					quilt = "not ready: " + first(i.QuiltProblem, "no reason given")
				}
				fmt.Fprintf(w, "server     %s\nversion    %s\nquilt      %s\nisolation  %s\nruns open  %d\n",
					i.Server, clean(i.Version), clean(quilt), clean(i.Isolation), i.RunsOpen)
				if i.PolicyFile != "" {
					fmt.Fprintf(w, "policy     %s\n", clean(i.PolicyFile))
				}
				if i.PolicyProblem != "" {
					fmt.Fprintf(w, "policy     the newest text does not hold: %s\n", clean(i.PolicyProblem))
				}
				fmt.Fprintf(w, "process    pid %d, up %s, %s resident, %s, %s\n", i.PID,
					time.Since(i.Started).Round(time.Second), bytesText(i.ResidentBytes),
					count(int(i.OpenFiles), "descriptor"), count(int(i.Goroutines), "goroutine"))
			})
		},
	}
}
