package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// The page of commands is the help of every command, one after the other.
func TestCommandsDocument(t *testing.T) {
	const path = "../../docs/guide/arc.md"
	a := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, in: strings.NewReader(""), env: func(string) string { return "" }}
	root := a.root()
	root.InitDefaultHelpFlag()
	var b strings.Builder
	b.WriteString("# The commands of arc\n\nMade from the help texts; `go test ./arc/cli -update` rewrites it.\n")
	section(&b, root)
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("%s is not what the help says; run go test ./arc/cli -update:\n%s", path, diff)
	}
}

func section(b *strings.Builder, c *cobra.Command) {
	if c.Name() == "completion" || c.Name() == "help" {
		return
	}
	c.InitDefaultHelpFlag()
	text := c.Long
	if text == "" {
		text = c.Short
	}
	fmt.Fprintf(b, "\n## %s\n```\n%s\n\n%s```\n", c.CommandPath(), strings.TrimSpace(text), c.UsageString())
	for _, sub := range c.Commands() {
		section(b, sub)
	}
}

// Every command has a sentence, a group or a parent that has one, and refuses
// words that it does not take.
func TestEveryCommandIsComplete(t *testing.T) {
	a := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, in: strings.NewReader(""), env: func(string) string { return "" }}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s has no short sentence", c.CommandPath())
		}
		if c.Args == nil && c.Name() != "help" {
			t.Errorf("%s does not check its arguments", c.CommandPath())
		}
		if c.RunE == nil {
			t.Errorf("%s does nothing", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(a.root())
}
