package compiler

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// foreign makes a schema that a library wrote one of ours: canonical JSON Schema
// 2020-12 whose references lead into the bundle's $defs. Patterns that a reader
// in linear time cannot check are left to the value itself, which the harness
// asks too. why is a reason to refuse it.
func (u *units) foreign(w wanted, raw json.RawMessage) (out rawJSON, why string) {
	doc, err := parseOrdered(raw)
	if err != nil {
		return nil, "it is not JSON"
	}
	f := &foreignSchema{u: u, w: w, doc: doc, names: map[string]string{}}
	top := f.schema(doc)
	if o, ok := top.(object); ok && len(o) == 1 && o[0].name == "$ref" { // a reader of the top sees its members
		pointer := strings.TrimPrefix(o[0].value.(string), "#/$defs/")
		if def, ok := u.defs[pointer]; ok {
			top, _ = parseOrdered(def)
		}
	}
	switch top {
	case true:
		top = object{}
	case false:
		top = object{{"not", object{}}}
	}
	o, ok := top.(object)
	switch {
	case f.why != "":
		return nil, f.why
	case !ok:
		return nil, "it is no schema"
	case w.side == "input" && o.get("type") != "object":
		return nil, "a tool takes one object, and this says otherwise; put it into a property of one"
	}
	out = o.encode()
	if err := compiles(out, u.defs); err != nil {
		return nil, "it is no JSON Schema 2020-12: " + err.Error()
	}
	return out, ""
}

type foreignSchema struct {
	u     *units
	w     wanted
	doc   any
	names map[string]string // of $defs, by pointer into doc
	why   string
}

func (f *foreignSchema) refuse(format string, args ...any) any {
	if f.why == "" {
		f.why = fmt.Sprintf(format, args...)
	}
	return object{}
}

var (
	schemaMaps    = []string{"properties", "patternProperties", "dependentSchemas"}
	schemaLists   = []string{"anyOf", "oneOf", "allOf", "prefixItems"}
	schemaSingles = []string{"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties"}
	schemaDropped = []string{"$schema", "$id", "id", "$comment", "~standard", "$defs", "definitions"}
	schemaRefused = []string{"$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary"}
)

func (f *foreignSchema) schema(v any) any {
	o, ok := v.(object)
	if !ok {
		if _, isBool := v.(bool); isBool {
			return v
		}
		return f.refuse("a schema inside it is neither an object nor a boolean")
	}
	o = modern(o)
	var out object
	for _, m := range o {
		switch {
		case slices.Contains(schemaDropped, m.name):
		case slices.Contains(schemaRefused, m.name):
			return f.refuse("it uses %s", m.name)
		case m.name == "type" && !typeNames(m.value):
			return f.refuse("it is no JSON Schema 2020-12: type is %v", m.value)
		case m.name == "$ref":
			out = append(out, member{"$ref", f.ref(m.value)})
		case m.name == "pattern":
			if s, ok := m.value.(string); ok && linear(s) {
				out = append(out, m)
			}
		case slices.Contains(schemaMaps, m.name):
			out = append(out, member{m.name, f.each(m)})
		case slices.Contains(schemaLists, m.name):
			list, ok := m.value.([]any)
			if !ok {
				return f.refuse("%s is no list", m.name)
			}
			all := make([]any, len(list))
			for i := range list {
				all[i] = f.schema(list[i])
			}
			out = append(out, member{m.name, all})
		case slices.Contains(schemaSingles, m.name):
			out = append(out, member{m.name, f.schema(m.value)})
		default:
			out = append(out, m)
		}
	}
	return out
}

// typeNames: one of the names of types, or a list of them.
func typeNames(v any) bool {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	return !slices.ContainsFunc(list, func(n any) bool {
		name, _ := n.(string)
		return !slices.Contains([]string{"array", "boolean", "integer", "null", "number", "object", "string"}, name)
	})
}

// each are the schemas of an object of them.
func (f *foreignSchema) each(m member) any {
	o, ok := m.value.(object)
	if !ok {
		return f.refuse("%s is no object", m.name)
	}
	out := object{}
	for _, p := range o {
		if m.name == "patternProperties" && !linear(p.name) {
			return f.refuse("the pattern %q cannot be checked in linear time", p.name)
		}
		out = append(out, member{p.name, f.schema(p.value)})
	}
	return out
}

// modern writes the tuples of older drafts as those of 2020-12.
func modern(o object) object {
	if _, old := o.get("items").([]any); !old {
		return o
	}
	out := object{}
	for _, m := range o {
		switch m.name {
		case "items":
			m.name = "prefixItems"
		case "additionalItems":
			m.name = "items"
		}
		out = append(out, m)
	}
	return out
}

func linear(pattern string) bool {
	_, err := regexp.Compile(pattern)
	return err == nil
}

// ref makes a definition of what a reference points to.
func (f *foreignSchema) ref(v any) any {
	pointer, _ := v.(string)
	if !strings.HasPrefix(pointer, "#") {
		f.refuse("it refers to %q, which lies outside it", pointer)
		return ""
	}
	name, known := f.names[pointer]
	if !known {
		target, ok := follow(f.doc, strings.TrimPrefix(pointer, "#"))
		if !ok {
			f.refuse("it refers to %q, which is not there", pointer)
			return ""
		}
		name = f.free(pointer)
		f.names[pointer] = name
		f.u.defs[name] = rawJSON("{}") // taken; a recursive schema finds its name above
		switch s := f.schema(target).(type) {
		case object:
			f.u.defs[name] = s.encode()
		case bool:
			if !s {
				f.u.defs[name] = rawJSON(`{"not":{}}`)
			}
		}
	}
	return "#/$defs/" + name
}

var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

// free is a name for a definition: its own, or that of the unit.
func (f *foreignSchema) free(pointer string) string {
	base := pointer[strings.LastIndex(pointer, "/")+1:]
	if !strings.HasPrefix(pointer, "#/$defs/") && !strings.HasPrefix(pointer, "#/definitions/") || !plainName.MatchString(base) {
		base = strings.ReplaceAll(f.w.unit, ".", "_") + "_" + f.w.side
	}
	name := base
	for i := 2; ; i++ {
		if _, taken := f.u.defs[name]; !taken {
			return name
		}
		name = fmt.Sprintf("%s_%d", base, i)
	}
}

// follow walks a JSON pointer (RFC 6901).
func follow(at any, pointer string) (any, bool) {
	if pointer == "" {
		return at, true
	}
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch v := at.(type) {
		case object:
			i := slices.IndexFunc(v, func(m member) bool { return m.name == step })
			if i < 0 {
				return nil, false
			}
			at = v[i].value
		case []any:
			var i int
			if _, err := fmt.Sscanf(step, "%d", &i); err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			at = v[i]
		default:
			return nil, false
		}
	}
	return at, true
}

// compiles says why schema is none. This reader is not the one that checks values
// at run time: that one takes 4 ms of every start of arc to get ready.
func compiles(schema rawJSON, defs map[string]rawJSON) error {
	raw, err := json.Marshal(map[string]any{"$defs": defs, "allOf": []rawJSON{schema}})
	if err != nil {
		return err
	}
	var root jsonschema.Schema
	if err := json.Unmarshal(raw, &root); err != nil {
		return err
	}
	_, err = root.Resolve(&jsonschema.ResolveOptions{BaseURI: "unit:"})
	return err
}
