package llm

import "encoding/json"

// Schema is a JSON Schema opened for reading: the planner and the repair of
// arguments look into it. It is no validator.
type Schema struct {
	root map[string]any
	Node map[string]any // references followed
}

// OpenSchema reads a schema. One that is no object reads as "anything".
func OpenSchema(b json.RawMessage) Schema {
	v, _ := Decode(b)
	root, _ := v.(map[string]any)
	return Schema{root: root, Node: resolve(root, root)}
}

// At is the schema of a part of s.
func (s Schema) At(part any) Schema {
	m, _ := part.(map[string]any)
	return Schema{root: s.root, Node: resolve(s.root, m)}
}

// Is says whether a value of JSON type t may stand here as far as "type" says.
func (s Schema) Is(t string) bool { return hasType(s.Node, t) }

// Property is the schema of a property; ok is false if none is declared.
func (s Schema) Property(name string) (p Schema, ok bool) {
	x, ok := s.Properties()[name]
	return s.At(x), ok
}

// Properties as written.
func (s Schema) Properties() map[string]any {
	m, _ := s.Node["properties"].(map[string]any)
	return m
}

// Required properties.
func (s Schema) Required() map[string]bool { return required(s.Node) }

// Fits is a structural test of v, as Decode gives it: types, constants,
// required and closed properties.
func (s Schema) Fits(v any) bool {
	w := walker{root: s.root, fuel: maxVisits}
	return w.fits(s.Node, v)
}

// Undo drops null where it means absent and fills in defaults.
func (s Schema) Undo(v any) any {
	w := walker{root: s.root, fuel: maxVisits}
	return w.undo(s.Node, v)
}
