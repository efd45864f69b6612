package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/remote"
)

func (a *app) tokensCmd() *cobra.Command {
	var dot, watch bool
	var after uint64
	c := &cobra.Command{
		Use:     "tokens",
		Short:   "Show who holds which tokens and who waits for whom",
		GroupID: groupRun,
		Args:    want(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			if watch {
				return a.watchTokens(c.Context(), client, after)
			}
			t, err := client.Tokens(c.Context())
			if err != nil {
				return err
			}
			if dot {
				_, err := io.WriteString(a.out, waitGraph(t))
				return err
			}
			return a.result(t, func(w io.Writer) { a.tokenTables(w, t) })
		},
	}
	c.Flags().BoolVar(&watch, "watch", false, "go on: one line for everything that happens to tokens, until Ctrl-C")
	c.Flags().Uint64Var(&after, "after", 0, "with --watch: begin behind event number `N`")
	c.Flags().BoolVar(&dot, "dot", false, "print the graph of waits in the DOT language of Graphviz")
	return c
}

func (a *app) tokenTables(w io.Writer, t remote.Tokens) {
	if len(t.Holders)+len(t.Waiters) == 0 {
		a.note("nobody holds a token")
		return
	}
	table(w, "HOLDER\tUNIT\tTOKENS\tFOR\tFENCE", len(t.Holders), func(i int) string {
		h := t.Holders[i]
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%x", h.Run, h.Unit, first(strings.Join(h.Tokens, " "), "-"), ago(h.Since), h.Fence)
	})
	if len(t.Waiters) == 0 {
		return
	}
	fmt.Fprintln(w)
	table(w, "WAITER\tUNIT\tWAITS FOR\tFOR\tHELD BY\tBEHIND", len(t.Waiters), func(i int) string {
		x := t.Waiters[i]
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", x.Run, x.Unit, strings.Join(x.Blocked, " "), ago(x.Since),
			first(runs(x.HeldBy), first(x.Limit, "-")), first(runs(x.Behind), "-"))
	})
}

// waitGraph is the graph of waits: an arrow for every holder that is waited
// for, a dashed one for those whose turn is earlier.
func waitGraph(t remote.Tokens) string {
	var b strings.Builder
	b.WriteString("digraph waits {\n\trankdir=LR;\n\tnode [shape=box];\n")
	for _, h := range t.Holders {
		fmt.Fprintf(&b, "\t%q [label=%q];\n", h.Execution, h.Run+"\n"+h.Unit+"\nholds "+strings.Join(h.Tokens, " "))
	}
	for _, w := range t.Waiters {
		fmt.Fprintf(&b, "\t%q [label=%q, style=dotted];\n", w.Execution, w.Run+"\n"+w.Unit)
		for _, h := range w.HeldBy {
			fmt.Fprintf(&b, "\t%q -> %q [label=%q];\n", w.Execution, h, strings.Join(w.Blocked, " "))
		}
		for _, h := range w.Behind {
			fmt.Fprintf(&b, "\t%q -> %q [style=dashed];\n", w.Execution, h)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

func (a *app) whyCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "why RUN",
		Short:   "Say in one sentence what a run waits for, and what would free it",
		GroupID: groupRun,
		Args:    want(1, 1, "the id of a run"),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			why, err := client.Why(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.result(why, func(w io.Writer) { fmt.Fprintln(w, clean(why.Sentence)) })
		},
	}
}

// runs names the runs of executions ("run.attempt", "run.step.attempt").
func runs(executions []string) string {
	out := make([]string, len(executions))
	for i, x := range executions {
		out[i] = runOf(x)
	}
	return strings.Join(out, " ")
}

func runOf(execution string) string {
	run, _, _ := strings.Cut(execution, ".")
	return run
}

// ago is how long something has lasted.
func ago(since time.Time) string {
	return max(0, time.Since(since)).Round(100 * time.Millisecond).String()
}
