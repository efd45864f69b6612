package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// stepGraph is a pipeline as graph prints it.
type stepGraph struct {
	Unit  string        `json:"unit"`
	Steps []bundle.Step `json:"steps"`
}

func (a *app) graphCmd() *cobra.Command {
	var dot bool
	c := &cobra.Command{
		Use:     "graph UNIT",
		Short:   "Draw the steps of a pipeline in the order in which they run",
		Long:    wordsGraphLong,
		GroupID: groupRun,
		Args:    want(1, 1, "a pipeline"),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			u, err := client.Unit(c.Context(), args[0])
			if err != nil {
				return err
			}
			raw, err := client.Manifest(c.Context(), u.Digest)
			if err != nil {
				return err
			}
			var m bundle.Manifest
			if err := json.Unmarshal(raw, &m); err != nil {
				return fmt.Errorf("manifest of %s: %w", u.Name, err)
			}
			unit, ok := m.Unit(u.Name)
			if !ok || unit.Pipeline == nil {
				return fault.New(fault.Invalid, "%s is a %s, not a pipeline", u.Name, u.Kind).WithHint(`"arc ls units --kind pipeline" lists those`)
			}
			steps := unit.Pipeline.Steps
			if dot {
				_, err := io.WriteString(a.out, stepsDot(unit.Name, steps))
				return err
			}
			return a.result(stepGraph{unit.Name, steps}, func(w io.Writer) { stepsText(w, unit.Name, steps) })
		},
	}
	c.Flags().BoolVar(&dot, "dot", false, "print it in the DOT language of Graphviz")
	return c
}

// stepsText has one line for every wave of steps that can run at the same time.
func stepsText(w io.Writer, unit string, steps []bundle.Step) {
	if len(steps) == 0 {
		fmt.Fprintf(w, "%s: run(), one piece of code\n", unit)
		return
	}
	level := map[string]int{}
	for range steps { // deep enough for any order of the source
		for _, s := range steps {
			for _, n := range s.Needs() {
				level[s.Name] = max(level[s.Name], level[n]+1)
			}
		}
	}
	fmt.Fprintln(w, unit)
	for wave := 0; ; wave++ {
		var here []string
		for _, s := range steps {
			if level[s.Name] == wave {
				here = append(here, stepText(s))
			}
		}
		if len(here) == 0 {
			return
		}
		fmt.Fprintf(w, "%2d  %s\n", wave+1, strings.Join(here, "  |  "))
	}
}

func stepText(s bundle.Step) string {
	text := s.Name
	if n := s.Needs(); len(n) > 0 {
		text += " <- " + strings.Join(n, ", ")
	}
	for _, o := range [][2]string{{"when", s.When}, {"each", s.Each}, {"undo", s.Undo}} {
		if o[1] != "" {
			text += " [" + o[0] + " " + o[1] + "]"
		}
	}
	return text
}

func stepsDot(unit string, steps []bundle.Step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %q {\n\trankdir=LR;\n\tnode [shape=box];\n", unit)
	for _, s := range steps {
		fmt.Fprintf(&b, "\t%q;\n", s.Name)
		for _, n := range s.Needs() {
			style := ""
			if !slices.Contains(s.After, n) || n == s.When {
				style = " [style=dashed]"
			}
			fmt.Fprintf(&b, "\t%q -> %q%s;\n", n, s.Name, style)
		}
	}
	b.WriteString("}\n")
	return b.String()
}
