package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"
)

// Every command that prints something has its schema, each is a schema, and what
// the commands print fits.
func TestSchemas(t *testing.T) {
	a := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, in: strings.NewReader(""), env: func(string) string { return "" }}
	all := results()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		words := strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "arc"), " ")
		top := strings.Fields(words + " x")[0]
		if _, ok := all[words]; !ok && all[top] == nil && c.Runnable() && !c.HasSubCommands() && top != "completion" && top != "firmware" && top != "help" {
			t.Errorf("no schema for %q", words)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(a.root())
	for name, v := range all {
		compiled := compileSchema(t, name, schemaOf(v))
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(value); err != nil {
			t.Errorf("%s: an empty result does not fit: %v", name, err)
		}
		if compiled.Validate("a string") == nil {
			t.Errorf("%s: its schema takes anything", name)
		}
	}
}

func compileSchema(t *testing.T, name string, schema any) *jsonschema.Schema {
	t.Helper()
	raw, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("s.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("s.json")
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

func TestManPages(t *testing.T) {
	a := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, in: strings.NewReader(""), env: func(string) string { return "" }}
	pages := map[string]bool{}
	err := everyCommand(a.root(), func(c *cobra.Command) error {
		name, text, err := manPage(c)
		pages[name] = true
		if !bytes.Contains(text, []byte(c.Short)) && !bytes.Contains(text, []byte(strings.ReplaceAll(c.Short, "-", "\\-"))) {
			t.Errorf("%s does not say what the command is for", name)
		}
		_, again, _ := manPage(c)
		if !bytes.Equal(text, again) {
			t.Errorf("%s differs from time to time", name)
		}
		return err
	})
	if err != nil || !pages["arc.1"] || !pages["arc-key-new.1"] || len(pages) < 30 {
		t.Errorf("%d pages, %v", len(pages), err)
	}
}
