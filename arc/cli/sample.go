package cli

import (
	"encoding/json"
	"strings"

	"github.com/ariacomputecompany/firmware/bundle"
)

// howToCall is a command that calls a unit and passes its schema in form; the
// values are for the reader to fill in.
func howToCall(u bundle.Unit, defs map[string]json.RawMessage) string {
	s := sampler{defs}
	input := s.value(u.Input, 0)
	object, _ := input.(map[string]any)
	if u.Kind == bundle.Agent && len(object) == 1 {
		for _, v := range object {
			if text, ok := v.(string); ok {
				return "arc task " + u.Name + " '" + text + "'"
			}
		}
	}
	if len(object) == 0 {
		return "arc run " + u.Name
	}
	text, err := json.Marshal(input)
	if err != nil {
		return "arc run " + u.Name
	}
	return "arc run " + u.Name + " --input '" + strings.ReplaceAll(string(text), "'", `'\''`) + "'"
}

// sampler makes a value that has the form a schema asks for.
type sampler struct{ defs map[string]json.RawMessage }

type schemaPart struct {
	Ref        string                     `json:"$ref"`
	Type       any                        `json:"type"`
	Enum       []any                      `json:"enum"`
	Const      any                        `json:"const"`
	Examples   []any                      `json:"examples"`
	Default    any                        `json:"default"`
	Format     string                     `json:"format"`
	Minimum    float64                    `json:"minimum"`
	MinItems   int                        `json:"minItems"`
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
	Items      json.RawMessage            `json:"items"`
	OneOf      []json.RawMessage          `json:"oneOf"`
	AnyOf      []json.RawMessage          `json:"anyOf"`
}

// deepest bounds types that hold themselves.
const deepest = 8

func (s sampler) value(schema json.RawMessage, depth int) any {
	var p schemaPart
	if depth > deepest || json.Unmarshal(schema, &p) != nil {
		return nil
	}
	if name, ok := strings.CutPrefix(p.Ref, "#/$defs/"); ok {
		return s.value(s.defs[name], depth+1)
	}
	switch {
	case len(p.Examples) > 0:
		return p.Examples[0]
	case p.Const != nil:
		return p.Const
	case len(p.Enum) > 0:
		return p.Enum[0]
	case p.Default != nil:
		return p.Default
	}
	for _, choice := range append(p.OneOf, p.AnyOf...) {
		return s.value(choice, depth+1)
	}
	kind, _ := p.Type.(string)
	if list, ok := p.Type.([]any); ok && len(list) > 0 {
		kind, _ = list[0].(string)
	}
	return s.ofKind(kind, p, depth)
}

func (s sampler) ofKind(kind string, p schemaPart, depth int) any {
	switch kind {
	case "object":
		out := map[string]any{}
		for _, name := range p.Required {
			out[name] = s.value(p.Properties[name], depth+1)
		}
		return out
	case "array":
		out := []any{}
		for len(out) < p.MinItems {
			out = append(out, s.value(p.Items, depth+1))
		}
		return out
	case "number", "integer":
		return max(1, p.Minimum)
	case "boolean":
		return true
	case "string":
		if p.Format == "date-time" {
			return "2030-01-31T12:00:00Z"
		}
		return "…"
	}
	return nil
}
