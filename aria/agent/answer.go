package agent

import (
	"encoding/json"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// output is the form of the final answer.
type output struct {
	schema json.RawMessage // nil: free text
	check  *checker
	null   bool // the agent returns nothing
}

func newOutput(schema json.RawMessage) (*output, error) {
	s := llm.OpenSchema(schema)
	words := map[string]bool{"type": true, "description": true, "title": true, "$schema": true, "$defs": true}
	free := len(s.Node) == 0 || s.Node["type"] == "string"
	for k := range s.Node {
		free = free && words[k]
	}
	if free {
		return &output{}, nil
	}
	c, err := newChecker(schema)
	if err != nil {
		return nil, err
	}
	if s.Node["type"] == "null" {
		return &output{null: true, check: c}, nil
	}
	return &output{schema: schema, check: c}, nil
}

// answer takes a reply without tool calls as the end, if it is in form. One
// that is not goes back to the model once.
func (l *loop) answer(r llm.Reply) (done bool, err error) {
	switch {
	case r.Stop == llm.StopFilter:
		return false, fault.New(fault.Failed, "the model refuses to answer: %s", short(r.Text))
	case r.Stop == llm.StopLength && l.capped:
		return false, l.cutByBudget()
	case r.Stop == llm.StopLength:
		return false, fault.New(fault.Exhausted, "the model's answer was cut at its bound of length; %s", l.spent()).
			WithHint("ask for a shorter answer, or choose a model with more room")
	case r.Stop == llm.StopAsk && l.output.schema != nil:
		return false, fault.New(fault.Invalid, "agent %q needs to know more: %s", l.in.Agent, short(r.Text)).
			WithHint("say it in the request")
	}
	if l.output.null {
		l.result.Output = json.RawMessage("null")
		return true, nil
	}
	if l.output.schema == nil {
		if strings.TrimSpace(r.Text) == "" {
			return false, l.again("your answer is empty; say what you found, or call a tool")
		}
		l.result.Output, err = json.Marshal(r.Text)
		return true, err
	}
	out, err := l.output.fit(r.Text)
	if err == nil {
		l.result.Output = out
		return true, nil
	}
	f, ok := fault.As(err)
	if !ok {
		return false, err
	}
	why := strings.NewReplacer("the arguments do", "your answer does", "the arguments are", "your answer is").Replace(f.Message)
	return false, l.again(why + ". Answer again with nothing but the JSON.")
}

// again gives the model its one second chance.
func (l *loop) again(why string) error {
	if l.repaired {
		return fault.New(fault.Failed, "the model of agent %q twice gave an answer that cannot be used: %s", l.in.Agent, short(why)).
			WithHint("say in the instructions what the answer looks like, or choose another model")
	}
	l.repaired = true
	l.messages = append(l.messages, llm.Message{Role: llm.User, Text: why, Correction: true})
	return nil
}

// fit reads the answer as JSON, or, where a string is wanted, as bare text.
func (o *output) fit(text string) (json.RawMessage, error) {
	out, _, err := o.check.fit(text)
	if err != nil && o.check.schema.Is("string") {
		quoted, _ := json.Marshal(strings.TrimSpace(text))
		if bare, _, bareErr := o.check.fit(string(quoted)); bareErr == nil {
			return bare, nil
		}
	}
	return out, err
}

func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 300 {
		return string(r[:300]) + "…"
	}
	return s
}
