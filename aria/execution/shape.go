package execution

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// shape is one side of a unit: its schema, compiled, and as a tree to walk.
type shape struct {
	side   string // "input" or "output"
	unit   string
	tree   any
	schema *jsonschema.Schema
}

// maxInput bounds the JSON of one input.
const maxInput = 4 << 20

func newShape(u registry.Unit, side string, raw json.RawMessage) (*shape, error) {
	full, err := u.Schema(raw)
	if err != nil {
		return nil, err
	}
	tree, err := decode(full)
	if err != nil {
		return nil, fmt.Errorf("%s schema of %s: %w", side, u.Name, err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(closed{})
	if err := c.AddResource("aria:unit", tree); err != nil {
		return nil, unusable(err, u.Name, side)
	}
	s, err := c.Compile("aria:unit")
	if err != nil {
		return nil, unusable(err, u.Name, side)
	}
	return &shape{side: side, unit: u.Name, tree: tree, schema: s}, nil
}

func unusable(err error, unit, side string) error {
	return fault.Wrap(err, fault.Invalid, "the %s schema of %s cannot be used", side, unit).
		WithHint("build the bundle again; patterns must not look ahead or behind")
}

// closed lets no schema reach out.
type closed struct{}

func (closed) Load(url string) (any, error) { return nil, errors.New("remote schemas are not read") }

func decode(raw []byte) (any, error) {
	return jsonschema.UnmarshalJSON(bytes.NewReader(raw))
}

// complete fills in defaults and checks.
func (s *shape) complete(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		raw = json.RawMessage("{}")
	}
	if len(raw) > maxInput {
		return nil, fault.New(fault.Invalid, "the input has %d bytes, and the most is %d", len(raw), maxInput).
			WithHint("put the data into kv and hand over its key")
	}
	v, err := decode(raw)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the input is not JSON: %v", err).
			WithHint("write it as one JSON object")
	}
	v = s.fill(s.tree, v, 0)
	if err := s.schema.Validate(v); err != nil {
		return nil, s.complain(err, fault.Invalid, s.takes())
	}
	return json.Marshal(v)
}

// result checks what a unit returned.
func (s *shape) result(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		raw = json.RawMessage("null")
	}
	v, err := decode(raw)
	if err != nil {
		return nil, fault.Wrap(err, fault.Failed, "the output of %s is not JSON", s.unit)
	}
	if err := s.schema.Validate(v); err != nil {
		return nil, s.complain(err, fault.Failed, "the code of "+s.unit+" returned something other than its type says")
	}
	return raw, nil
}

// fill puts the schema's defaults where nothing was given, into a value that is
// ours alone. It follows $ref and properties, not unions: there a default would
// be a guess.
func (s *shape) fill(schema, v any, depth int) any {
	node := s.follow(schema)
	if node == nil || depth > maxDepth {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		props, _ := node["properties"].(map[string]any)
		for name, sub := range props {
			if have, ok := v[name]; ok {
				v[name] = s.fill(sub, have, depth+1)
			} else if def, ok := s.defaultOf(sub); ok {
				v[name] = def
			}
		}
	case []any:
		for i := range v {
			v[i] = s.fill(node["items"], v[i], depth+1)
		}
	}
	return v
}

func (s *shape) defaultOf(schema any) (any, bool) {
	if n, ok := schema.(map[string]any); ok {
		if d, ok := n["default"]; ok {
			return d, true
		}
	}
	return nil, false
}

// maxDepth bounds walks along recursive schemas; deeper values stay as they are.
const maxDepth = 64

// follow resolves "#/$defs/X" references; nil if schema is not an object.
func (s *shape) follow(schema any) map[string]any {
	for range maxDepth {
		node, _ := schema.(map[string]any)
		ref, ok := node["$ref"].(string)
		if !ok {
			return node
		}
		root, _ := s.tree.(map[string]any)
		defs, _ := root["$defs"].(map[string]any)
		name, ok := cutRef(ref)
		if !ok {
			return nil
		}
		schema = defs[name]
	}
	return nil
}
