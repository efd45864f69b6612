package agent

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// WordsToInput makes a request in words into an agent's input: the input itself
// where it is a string, or the object with its only string in it. An input that
// needs more is refused with a hint that shows it.
func WordsToInput(schema json.RawMessage, words string) (json.RawMessage, error) {
	s := llm.OpenSchema(schema)
	var v any = words
	if name, ok := onlyString(s); ok {
		v = map[string]any{name: words}
	} else if len(s.Node) > 0 && !s.Is("string") {
		return nil, fault.New(fault.Invalid, "this agent's input cannot be told in words alone").
			WithHint("give it as JSON with: %s", strings.Join(slices.Sorted(maps.Keys(s.Properties())), ", "))
	}
	c, err := newChecker(schema)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the agent's input schema cannot be used")
	}
	v = c.schema.Undo(v)
	if err := c.valid.Validate(v); err != nil {
		return nil, fault.New(fault.Invalid, "these words do not fit the agent's input: %s", reasons(err))
	}
	return json.Marshal(v)
}

// onlyString is the one required string property, or the one string property
// where nothing is required.
func onlyString(s llm.Schema) (string, bool) {
	var names []string
	required := s.Required()
	for name := range s.Properties() {
		p, _ := s.Property(name)
		_, preset := p.Node["default"]
		if len(required) > 0 && (!required[name] || preset) {
			continue
		}
		if !p.Is("string") {
			if required[name] {
				return "", false
			}
			continue
		}
		names = append(names, name)
	}
	if len(names) != 1 {
		return "", false
	}
	return names[0], true
}

// opening is the conversation before the first turn, and where in it the request is.
func opening(in Input, out *output) (msgs []llm.Message, request int) {
	system := strings.TrimSpace(in.Instructions)
	if out.schema != nil {
		system += "\n\nThe final answer is one JSON value that fits this schema, and nothing else:\n" + string(out.schema)
	}
	if system = strings.TrimSpace(system); system != "" {
		msgs = append(msgs, llm.Message{Role: llm.System, Text: system})
	}
	request = len(msgs)
	msgs = append(msgs, in.Before...)
	if len(in.Before) > 0 && in.StepsBefore > 0 {
		return msgs, request // others have begun to work on it
	}
	return append(msgs, llm.Message{Role: llm.User, Text: userText(in)}), len(msgs)
}

// Words is what is asked of an agent, in words as far as it can be.
func Words(in Input) string { return userText(in) }

// userText is the input as words where it is nothing but words, else as JSON.
func userText(in Input) string {
	v, err := llm.Decode(in.Input)
	if err != nil {
		return string(in.Input)
	}
	if s, ok := v.(string); ok {
		return s
	}
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		if name, ok := onlyString(llm.OpenSchema(in.InputSchema)); ok {
			if s, ok := m[name].(string); ok {
				return s
			}
		}
	}
	return string(in.Input)
}
