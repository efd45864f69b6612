package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/words"
)

// answer tells the results, in the form the agent wants.
func answer(t talk, form json.RawMessage) (llm.Reply, error) {
	words := sentence(t)
	if form == nil {
		return llm.Reply{Text: words, Stop: llm.StopEnd}, nil
	}
	v, ok := build(llm.OpenSchema(form), t, words)
	if !ok {
		return llm.Reply{}, fault.New(fault.Failed, "the planner cannot bring the result of %s into the form of the answer", t.results[len(t.results)-1].Tool).
			WithHint("let the agent return what its tool returns, or give it a language model")
	}
	b, err := json.Marshal(v)
	return llm.Reply{Text: string(b), Stop: llm.StopEnd}, err
}

// build tries, surest first: the last result as it is, as the one property it
// fits, its own properties picked by name, and the sentence where a text is
// wanted.
func build(s llm.Schema, t talk, words string) (any, bool) {
	var results []any
	for _, m := range slices.Backward(t.results) {
		v, err := llm.Decode([]byte(m.Text))
		if err != nil {
			v = m.Text
		}
		if v = s.Undo(v); s.Fits(v) && !anything(s) {
			return v, true
		}
		results = append(results, v)
	}
	if s.Is("string") && s.Fits(words) || anything(s) {
		return words, true
	}
	if len(s.Properties()) == 0 {
		return nil, false
	}
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties())) {
		p, _ := s.Property(name)
		if v, ok := property(name, p, results, words, s.Required()[name]); ok {
			out[name] = v
		}
	}
	fitted := s.Undo(out)
	return fitted, len(out) > 0 && s.Fits(fitted)
}

func anything(s llm.Schema) bool { return len(s.Node) == 0 }

// property: by its name in a result, as a whole result, or as the sentence.
func property(name string, s llm.Schema, results []any, sentence string, required bool) (any, bool) {
	for _, r := range results {
		if o, ok := r.(map[string]any); ok {
			if v, has := o[name]; has && s.Fits(v) {
				return v, true
			}
		}
	}
	if !required || anything(s) {
		return nil, false
	}
	for _, r := range results {
		if _, plain := r.(string); !plain && s.Fits(r) {
			return r, true
		}
	}
	if s.Is("string") && overlaps(words.Tokens(name), saying) && s.Fits(sentence) {
		return sentence, true
	}
	return nil, false
}

var saying = tokenSet("answer text message summary reply response result say note explanation reason description")

// sentence tells the results in words: one a line.
func sentence(t talk) string {
	var lines []string
	for _, m := range t.results {
		v, err := llm.Decode([]byte(m.Text))
		if err != nil {
			v = m.Text
		}
		lines = append(lines, say(m.Tool, v))
	}
	return strings.Join(lines, "\n")
}

func say(tool string, v any) string {
	switch v := v.(type) {
	case nil:
		return tool + " is done and has nothing to tell."
	case string:
		return v
	case map[string]any:
		if parts, ok := flat(v); ok {
			return fmt.Sprintf("%s: %s.", tool, strings.Join(parts, ", "))
		}
	case []any:
		if len(v) == 0 {
			return tool + ": nothing."
		}
	default:
		return fmt.Sprintf("%s: %v.", tool, v)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return tool + " is done."
	}
	return tool + ":\n" + strings.TrimSpace(b.String())
}

// flat tells a small object without nested values.
func flat(v map[string]any) ([]string, bool) {
	if len(v) == 0 || len(v) > 8 {
		return nil, false
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(v)) {
		switch x := v[k].(type) {
		case map[string]any, []any:
			return nil, false
		case nil:
			parts = append(parts, k+" none")
		default:
			parts = append(parts, fmt.Sprintf("%s %v", k, x))
		}
	}
	return parts, true
}
