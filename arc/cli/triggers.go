package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
)

const (
	wordsTriggersLong = `Lists the units that a schedule, an event or a call over HTTP starts: when each is
due next, what its last trigger came to, and whether it is paused. Those of the
newest registered version of every bundle count.`
	wordsEmitLong = `Sends an event to ariad, which starts every unit that says on: 'event:NAME', each
once, with --input as its input. When the command ends well the event is on disk:
whatever happens then, those runs happen. The same name and --id again is the same
event and starts nothing new.`
)

type triggerList struct {
	Triggers []remote.Trigger `json:"triggers"`
}

func (a *app) triggersCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "triggers",
		Short:   "List what starts units by itself; pause and resume it",
		Long:    wordsTriggersLong,
		GroupID: groupRun,
		Args:    oneOfCommands,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			list, err := client.Triggers(c.Context())
			if err != nil {
				return err
			}
			return a.result(triggerList{list}, func(w io.Writer) {
				if len(list) == 0 {
					a.note("nothing starts a unit by itself")
					return
				}
				table(w, "UNIT\tBY\tNEXT\tLAST\tRUN\tPROBLEM", len(list), func(i int) string { return triggerRow(list[i]) })
			})
		},
	}
	c.AddCommand(a.pauseTriggersCmd("pause", "Keep schedule, events and calls from starting a unit", false),
		a.pauseTriggersCmd("resume", "Let them start it again; what a schedule missed meanwhile does not come", true))
	return c
}

func (a *app) pauseTriggersCmd(word, short string, resume bool) *cobra.Command {
	return &cobra.Command{
		Use:   word + " UNIT",
		Short: short,
		Args:  want(1, 1, "a unit that something triggers"),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			t, err := client.PauseTriggers(c.Context(), args[0], resume)
			if err != nil {
				return err
			}
			return a.result(t, func(w io.Writer) { fmt.Fprintf(w, "%s: its triggers are %s\n", t.Unit, triggerState(t)) })
		},
	}
}

func triggerState(t remote.Trigger) string {
	if t.Paused {
		return "paused"
	}
	return "on"
}

// triggerBy is what starts a unit.
func triggerBy(t remote.Trigger) string {
	var by []string
	for _, e := range t.On {
		by = append(by, "event "+e)
	}
	if t.EveryMS > 0 {
		by = append(by, "every "+(time.Duration(t.EveryMS)*time.Millisecond).String())
	}
	if t.Cron != "" {
		by = append(by, strings.TrimSpace("cron "+t.Cron+" "+t.Zone))
	}
	if t.HTTP != "" {
		by = append(by, t.HTTP)
	}
	return strings.Join(by, "; ")
}

func triggerRow(t remote.Trigger) string {
	next, last := "-", "-"
	if t.Next != nil {
		next = timeText(*t.Next)
	}
	if t.Paused {
		next = "paused"
	}
	if t.Last != nil {
		last = timeText(*t.Last)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", t.Unit, triggerBy(t), next, last, first(t.LastRun, "-"), first(t.Problem, "-"))
}

func (a *app) emitCmd() *cobra.Command {
	var input, id string
	c := &cobra.Command{
		Use:     "emit NAME",
		Short:   "Send an event, which starts the units that wait for it",
		Long:    wordsEmitLong,
		GroupID: groupRun,
		Args:    want(1, 1, "the name of an event"),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := a.input(input)
			if err != nil {
				return err
			}
			client, err := a.client()
			if err != nil {
				return err
			}
			e, err := client.Emit(c.Context(), args[0], id, data)
			if err != nil {
				return err
			}
			return a.result(e, func(w io.Writer) {
				if len(e.Deliveries) == 0 {
					a.note("nothing waits for event %s", clean(args[0]))
				}
				for _, d := range e.Deliveries {
					fmt.Fprintf(w, "%s %s\n", d.Unit, clean(first(d.Run, "was not started: "+d.Problem)))
				}
			})
		},
	}
	c.Flags().StringVar(&input, "input", "{}", "what comes with it: JSON, @FILE, or - for stdin")
	c.Flags().StringVar(&id, "id", "", "the event's id: the same again is the same event (default: a fresh one)")
	return c
}
