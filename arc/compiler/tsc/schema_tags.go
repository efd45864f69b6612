package arctsc

import (
	"encoding/json"
	"regexp"
	"strconv"
)

var (
	numberTags = set("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
		"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
	textTags = set("pattern", "format", "title", "description")
	flagTags = set("uniqueItems", "deprecated")
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
	}
	return c.add(s)
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
		case t.name == "type" && (t.text == "integer" || t.text == "int"):
			s = s.with("type", "integer")
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
	return s
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
