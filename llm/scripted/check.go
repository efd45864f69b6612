package scripted

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// strict reads JSON into v and refuses fields that v does not have: the servers
// of Anthropic and Google do the same.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// answered: every tool call has its result right behind it, and no result
// answers a call that was not made. All providers insist on that.
func answered(messages []Message) error {
	var open []string
	for i, m := range messages {
		if m.Role == "tool" {
			at := slices.Index(open, m.ToolCallID)
			if at < 0 {
				return fmt.Errorf("message %d answers the tool call %q, which was not made", i, m.ToolCallID)
			}
			open = slices.Delete(open, at, at+1)
			continue
		}
		if len(open) > 0 {
			return fmt.Errorf("the tool call %q has no result before message %d", open[0], i)
		}
		open = slices.Clone(m.Calls)
	}
	if len(open) > 0 {
		return fmt.Errorf("the tool call %q has no result", open[0])
	}
	return nil
}

// object: the schema of a tool is one of an object.
func object(name string, schema json.RawMessage) error {
	var s struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(schema, &s); err != nil || s.Type != "object" {
		return fmt.Errorf("the schema of %s is not one of an object: %.80s", name, schema)
	}
	return nil
}

// forbidden finds a keyword anywhere in a schema where a keyword can stand. It
// looks through properties by value, so that a property may have such a name.
func forbidden(v any, words ...string) string {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if w := forbidden(x, words...); w != "" {
				return w
			}
		}
	case map[string]any:
		for k, x := range v {
			if slices.Contains(words, k) {
				return k
			}
			if k == "properties" || k == "$defs" {
				named, _ := x.(map[string]any)
				for _, p := range named {
					if w := forbidden(p, words...); w != "" {
						return w
					}
				}
				continue
			}
			if k == "enum" || k == "const" || k == "required" {
				continue
			}
			if w := forbidden(x, words...); w != "" {
				return w
			}
		}
	}
	return ""
}

// forbiddenIn is forbidden for a schema as it came.
func forbiddenIn(schema json.RawMessage, words ...string) error {
	var v any
	if err := json.Unmarshal(schema, &v); err != nil {
		return err
	}
	if w := forbidden(v, words...); w != "" {
		return fmt.Errorf("schema keyword %q is not supported: %.200s", w, schema)
	}
	return nil
}
