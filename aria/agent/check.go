package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// checker validates values against one schema and repairs what is unambiguous.
type checker struct {
	schema llm.Schema
	valid  *jsonschema.Schema
}

// noLoader: a schema is self-contained; nothing is read from disk or network.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("schema refers to %q outside itself", url)
}

func newChecker(schema json.RawMessage) (*checker, error) {
	if len(schema) == 0 {
		schema = json.RawMessage("{}")
	}
	doc, err := llm.Decode(schema)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	const at = "aria:schema"
	if err := c.AddResource(at, doc); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	valid, err := c.Compile(at)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return &checker{schema: llm.OpenSchema(schema), valid: valid}, nil
}

// fit makes what a model wrote into an input: as it is, with nulls dropped and
// defaults filled in, or repaired. What still does not fit is refused with
// reasons the model can act on.
func (c *checker) fit(written string) (input json.RawMessage, repaired bool, err error) {
	if strings.TrimSpace(written) == "" {
		written = "{}"
	}
	v, err := llm.Decode([]byte(unfence(written)))
	if err != nil {
		return nil, false, fault.New(fault.Invalid, "the arguments are not one JSON object").
			WithHint("write them again, as plain JSON")
	}
	v = c.schema.Undo(v)
	first := c.valid.Validate(v)
	if first != nil {
		if fixed := repair(c.schema, v, 0); c.valid.Validate(fixed) == nil {
			v, repaired, first = fixed, true, nil
		}
	}
	if first != nil {
		return nil, false, fault.New(fault.Invalid, "the arguments do not fit: %s", reasons(first)).
			WithHint("mend these and call again")
	}
	b, err := json.Marshal(v)
	return b, repaired, err
}

// unfence takes the Markdown fence off that models put around JSON.
func unfence(s string) string {
	s = strings.TrimSpace(s)
	inner, ok := strings.CutPrefix(s, "```")
	if !ok {
		return s
	}
	if i := strings.IndexByte(inner, '\n'); i >= 0 {
		inner = inner[i+1:]
	}
	inner, _, _ = strings.Cut(inner, "```")
	return strings.TrimSpace(inner)
}

// maxReasons of one refusal; more only confuse.
const maxReasons = 5

// reasons puts a validation error into words: place and what is wrong there.
func reasons(err error) string {
	var v *jsonschema.ValidationError
	if !errors.As(err, &v) {
		return err.Error()
	}
	printer := message.NewPrinter(language.English)
	var out []string
	var walk func(*jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		for _, c := range e.Causes {
			walk(c)
		}
		if len(e.Causes) == 0 && len(out) < maxReasons {
			out = append(out, "/"+strings.Join(e.InstanceLocation, "/")+": "+e.ErrorKind.LocalizedString(printer))
		}
	}
	walk(v)
	return strings.Join(out, "; ")
}
