package arctsc

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Tags by what must follow them, and by the JSON type they speak of.
var (
	numberTags = set("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
		"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
	textTags  = set("pattern", "format", "title", "description")
	flagTags  = set("uniqueItems", "deprecated")
	aboutType = map[string]string{
		"minimum": "number", "maximum": "number", "exclusiveMinimum": "number", "exclusiveMaximum": "number", "multipleOf": "number",
		"minLength": "string", "maxLength": "string", "pattern": "string",
		"minItems": "array", "maxItems": "array", "uniqueItems": "array", "items": "array",
		"minProperties": "object", "maxProperties": "object",
	}
	// constrains are the tags that belong to the parameter or result before them.
	constrains = set("pattern", "format", "uniqueItems", "nullable", "items", "additionalProperties")
)

func set(words ...string) map[string]bool {
	m := map[string]bool{}
	for _, w := range words {
		m[w] = true
	}
	return m
}

// apply adds to a schema what a comment says about the value, and refuses tags
// that say nothing: a constraint that is silently dropped protects nobody.
func (g *schemas) apply(c comment, s keys) keys {
	for _, t := range c.tags {
		g.checkTag(t, s)
	}
	return c.add(s)
}

func (g *schemas) checkTag(t tag, s keys) {
	if numberTags[t.name] {
		if _, err := strconv.ParseFloat(t.text, 64); err != nil {
			g.cannot("ARC2011", "write a number after it", "@%s needs a number, not %q", t.name, t.text)
		}
	}
	if t.name == "pattern" {
		// The runtime checks patterns in linear time, which look-around cannot have.
		if _, err := regexp.Compile(t.text); err != nil {
			g.cannot("ARC2010", "write a regular expression without look-around and back-references", "@pattern %s cannot be used: %v", t.text, err)
		}
	}
	if t.name == "additionalProperties" && s.get("$ref") != nil {
		g.warn("ARC2012", "write it in the comment of the type itself", "@additionalProperties has no effect on a type that has a name")
	}
	have, ok := s.get("type").(string)
	if have == "integer" {
		have = "number"
	}
	if want := aboutType[t.name]; ok && want != "" && have != want {
		g.warn("ARC2012", "take it out, or change the type", "@"+t.name+" has no effect on "+article(have))
	}
}

func article(name string) string {
	if strings.ContainsRune("aeiou", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

func (c comment) has(name string) bool {
	return slices.ContainsFunc(c.tags, func(t tag) bool { return t.name == name })
}

func (c comment) add(s keys) keys {
	if c.text != "" {
		s = s.with("description", c.text)
	}
	var examples []any
	for _, t := range c.tags {
		switch {
		case numberTags[t.name]:
			if f, err := strconv.ParseFloat(t.text, 64); err == nil {
				s = s.with(t.name, f)
			}
		case textTags[t.name]:
			s = s.with(t.name, t.text)
		case flagTags[t.name]:
			s = s.with(t.name, t.text != "false")
		case t.name == "type":
			s = retyped(s, t.text)
		case t.name == "items":
			s = itemsTag(s, t.text)
		case t.name == "additionalProperties" && s.get("type") == "object":
			if _, typed := s.get("additionalProperties").(keys); !typed { // an index signature says more
				s = s.with("additionalProperties", t.text != "false")
			}
		case t.name == "example", t.name == "examples":
			v := looseJSON(t.text)
			if l, ok := v.([]any); ok && t.name == "examples" {
				examples = append(examples, l...)
			} else {
				examples = append(examples, v)
			}
		case t.name == "default":
			s = s.with("default", looseJSON(t.text))
		}
	}
	if len(examples) > 0 {
		s = s.with("examples", examples)
	}
	if c.has("nullable") {
		s = nullable(s)
	}
	return s
}

// retyped does what @type says. In braces, as JSDoc writes types, it can only
// make a number an integer, because such comments go stale beside TypeScript's
// own types. Without braces it is the author's word for what crosses.
func retyped(s keys, text string) keys {
	name := strings.Trim(text, "{} ")
	if name == "int" {
		name = "integer"
	}
	if name == "integer" {
		switch t := s.get("type").(type) {
		case string:
			if t == "number" {
				return s.with("type", "integer")
			}
		case []any:
			if i := slices.Index(t, any("number")); i >= 0 {
				t = slices.Clone(t)
				t[i] = "integer"
				return s.with("type", t)
			}
		}
	}
	if strings.HasPrefix(text, "{") || !slices.Contains([]string{"string", "number", "integer", "boolean"}, name) {
		return s
	}
	if s.get("type") == name {
		return s
	}
	out := typed(name)
	if d := s.get("description"); d != nil {
		out = out.with("description", d)
	}
	return out
}

// itemsTag is @items.minimum 0, or @items {"minimum": 0}: about each element.
func itemsTag(s keys, text string) keys {
	items, ok := s.get("items").(keys)
	if !ok {
		return s
	}
	var about comment
	if rest, dotted := strings.CutPrefix(text, "."); dotted {
		name, value, _ := strings.Cut(rest, " ")
		about.tags = []tag{{name, strings.TrimSpace(value)}}
	} else if all, ok := looseJSON(text).(map[string]any); ok {
		for name, v := range all {
			value, isText := v.(string)
			if !isText {
				value = string(encode(v))
			}
			about.tags = append(about.tags, tag{name, value})
		}
		slices.SortFunc(about.tags, func(a, b tag) int { return strings.Compare(a.name, b.name) })
	}
	return s.with("items", about.add(items))
}

// nullable lets null in.
func nullable(s keys) keys {
	name, simple := s.get("type").(string)
	if simple && s.get("const") == nil && s.get("enum") == nil {
		return s.with("type", []any{name, "null"})
	}
	outer := keys{}
	for _, word := range []string{"description", "deprecated", "default", "examples"} {
		if v := s.get(word); v != nil {
			outer = outer.with(word, v)
		}
	}
	return outer.with("anyOf", []keys{s, typed("null")})
}

// looseJSON reads a tag's value: JSON, 'a string' in single quotes, or the words
// as they stand.
func looseJSON(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) == nil {
		return v
	}
	if n := len(text); n > 1 && text[0] == '\'' && text[n-1] == '\'' {
		return text[1 : n-1]
	}
	return text
}
