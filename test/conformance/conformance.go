// Package conformance compares the schemas that arc derives from types with
// those that an outside project expects for the same types. Spelling may differ:
// both schemas are compiled by one validator, and instances made of both, changed
// at random, and plain junk must get the same verdict from either.
//
// It reads data that lies beside the repository and holds none of it. Where the
// data is missing, what remains is the table of the last comparison.
package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// perSchema instances are made of each of the two schemas of a case.
const perSchema = 300

// Outcome of one case.
type Outcome struct {
	Case   string
	Agrees bool
	Detail string // what differs: an instance, or the compiler's complaint
}

// Run compares one case. An error is trouble with the data, not a difference.
func Run(c Case) (Outcome, error) {
	out := Outcome{Case: c.Name}
	for _, root := range c.roots() {
		theirs, err := c.expected(root)
		if err != nil {
			return out, err
		}
		ours, complaint, err := c.derive(root, closed(theirs))
		if err != nil {
			return out, err
		}
		if complaint != "" {
			out.Detail = "refused: " + complaint
			return out, nil
		}
		if out.Detail, err = compare(c.Name+" "+root, theirs, ours); err != nil || out.Detail != "" {
			return out, err
		}
	}
	out.Agrees = true
	return out, nil
}

// closed tells which of our two forms to compare: what comes in refuses unknown
// members, what goes out allows them.
func closed(schema map[string]any) bool {
	raw, err := json.Marshal(schema)
	return err == nil && bytes.Contains(raw, []byte(`"additionalProperties":false`))
}

// compare gives the shortest difference between the two schemas, or "". Where no
// instance can be valid (a type that needs itself without end), the schemas are
// compared a second time without their required members.
func compare(seed string, theirs, ours map[string]any) (string, error) {
	detail, valid, err := verdicts(seed, theirs, ours)
	if err != nil || detail != "" || valid > 0 || never(theirs) {
		return detail, err
	}
	theirs, _ = optional(theirs).(map[string]any)
	ours, _ = optional(ours).(map[string]any)
	if detail, valid, err = verdicts(seed, theirs, ours); err == nil && detail == "" && valid == 0 {
		err = fmt.Errorf("%s: no instance was valid, so nothing was compared", seed)
	}
	return detail, err
}

// verdicts runs every instance past both schemas: the shortest difference, and
// how many instances both accept.
func verdicts(seed string, theirs, ours map[string]any) (smallest string, valid int, err error) {
	a, err := compile(theirs, jsonschema.Draft7)
	if err != nil {
		return "the outside schema cannot be compiled: " + firstLine(err), 0, nil
	}
	b, err := compile(ours, jsonschema.Draft2020)
	if err != nil {
		return "", 0, fmt.Errorf("%s: our schema: %w", seed, err)
	}
	h := fnv.New64a()
	h.Write([]byte(seed))
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	for i := range 2*perSchema + len(junk) {
		v := instance(r, theirs, ours, i)
		one, two := a.Validate(v) == nil, b.Validate(v) == nil
		if one && two {
			valid++
		}
		if one != two {
			text := fmt.Sprintf("%s: theirs %s, ours %s", short(v), verdict(one), verdict(two))
			if smallest == "" || len(text) < len(smallest) {
				smallest = text
			}
		}
	}
	return smallest, valid, nil
}

// optional drops every list of required members.
func optional(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, m := range x {
			if _, list := m.([]any); k != "required" || !list {
				out[k] = optional(m)
			}
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = optional(x[i])
		}
		return out
	}
	return v
}

// never: nothing at all is an instance of this schema.
func never(schema map[string]any) bool {
	not, ok := schema["not"].(map[string]any)
	return ok && len(not) == 0
}

func verdict(ok bool) string {
	if ok {
		return "accepts"
	}
	return "refuses"
}

func short(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	if len(raw) > 200 {
		return string(raw[:200]) + "…"
	}
	return string(raw)
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func compile(schema map[string]any, draft *jsonschema.Draft) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(draft)
	c.AssertFormat()
	if err := c.AddResource("case.json", schema); err != nil {
		return nil, err
	}
	return c.Compile("case.json")
}

// parse reads JSON in the form that the validator wants.
func parse(raw []byte) (map[string]any, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	m, ok := doc.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is no object", strings.TrimSpace(string(raw)))
	}
	return m, nil
}
