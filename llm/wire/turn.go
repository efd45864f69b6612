package wire

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// MaxCalls bounds the tool calls of one answer.
const MaxCalls = 128

// Turn is a request made ready for a dialect: names that it can spell, schemas
// that it takes, and the way back. Then it gathers the answer piece by piece.
type Turn struct {
	Names  Names
	Tools  []Tool
	Output *llm.Lowered // nil: free text

	emit    func(llm.Event) error
	lowered map[string]llm.Lowered // by unit name
	size    int                    // bytes of the request, for servers that count nothing
	text    strings.Builder
	refused strings.Builder
	calls   []llm.ToolCall
	args    [][]byte
	stop    llm.Stop
	usage   *llm.Usage
}

// Tool is one tool as it goes on the wire.
type Tool struct {
	Name, Description string
	Schema            llm.Lowered
}

// Lower prepares a schema for a dialect.
type Lower func(json.RawMessage) (llm.Lowered, error)

// Prepare lowers the schemas of a request.
func Prepare(req llm.Request, tools, output Lower) (*Turn, error) {
	t := &Turn{Names: NewNames(req.Tools), lowered: map[string]llm.Lowered{}}
	for _, tool := range req.Tools {
		low, err := tools(tool.Schema)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "the input schema of tool %q is not JSON", tool.Name)
		}
		t.lowered[tool.Name] = low
		t.Tools = append(t.Tools, Tool{t.Names.Wire(tool.Name), tool.Description, low})
	}
	if req.Output != nil {
		low, err := output(req.Output)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "the output schema is not JSON")
		}
		t.Output = &low
	}
	return t, nil
}

// Sent says what the request became.
func (t *Turn) Sent(body []byte) { t.size = len(body) }

// Begin forgets what an earlier try gathered.
func (t *Turn) Begin(emit func(llm.Event) error) {
	t.emit, t.calls, t.args, t.stop, t.usage = emit, nil, nil, "", nil
	t.text.Reset()
	t.refused.Reset()
}

// Text adds a piece of the answer.
func (t *Turn) Text(s string) error {
	if s == "" {
		return nil
	}
	t.text.WriteString(s)
	if t.emit == nil {
		return nil
	}
	return t.emit(llm.Event{Kind: llm.EventText, Text: s})
}

// Refuse adds a piece of a refusal.
func (t *Turn) Refuse(s string) { t.refused.WriteString(s) }

// Call is the i-th tool call, made if it is new.
func (t *Turn) Call(i int) (*llm.ToolCall, error) {
	if i < 0 || i >= MaxCalls {
		return nil, fault.New(fault.Failed, "the model asks for more than %d tool calls at once", MaxCalls)
	}
	for len(t.calls) <= i {
		t.calls, t.args = append(t.calls, llm.ToolCall{}), append(t.args, nil)
	}
	return &t.calls[i], nil
}

// Calls so far.
func (t *Turn) Calls() int { return len(t.calls) }

// Arguments adds a piece of the i-th call's arguments.
func (t *Turn) Arguments(i int, piece string) { t.args[i] = append(t.args[i], piece...) }

// SetArguments replaces what came of them.
func (t *Turn) SetArguments(i int, whole string) { t.args[i] = []byte(whole) }

// Argued says whether anything came of the i-th call's arguments.
func (t *Turn) Argued(i int) bool { return len(t.args[i]) > 0 }

// End says why the answer ended; Ended, that it did.
func (t *Turn) End(s llm.Stop) { t.stop = s }

// Ended reports whether the answer has come to its end.
func (t *Turn) Ended() bool { return t.stop != "" }

// Use is where the usage goes.
func (t *Turn) Use() *llm.Usage {
	if t.usage == nil {
		t.usage = &llm.Usage{}
	}
	return t.usage
}

// Reply is the answer: names and schemas undone.
func (t *Turn) Reply() llm.Reply {
	r := llm.Reply{Text: t.text.String(), Stop: t.stop}
	produced := len(r.Text)
	for i, c := range t.calls {
		produced += len(t.args[i])
		r.ToolCalls = append(r.ToolCalls, t.call(i, c))
	}
	switch {
	case t.refused.Len() > 0:
		r.Stop, r.Text = llm.StopFilter, t.refused.String()
	case r.Stop == llm.StopFilter || r.Stop == llm.StopLength:
	case len(r.ToolCalls) > 0:
		r.Stop = llm.StopTools
	default:
		r.Stop = llm.StopEnd
	}
	if t.usage != nil {
		r.Usage = *t.usage
	} else {
		r.Usage = llm.Usage{InputTokens: int64(t.size/4 + 1), OutputTokens: int64(produced/4 + 1), Estimated: true}
	}
	if t.Output != nil && r.Stop == llm.StopEnd {
		if b, err := t.Output.Undo(json.RawMessage(unfence(r.Text))); err == nil {
			r.Text = string(b)
		}
	}
	return r
}

func (t *Turn) call(i int, c llm.ToolCall) llm.ToolCall {
	args := string(t.args[i])
	if strings.TrimSpace(args) == "" {
		args = "{}"
	}
	c.Name, c.Arguments = t.Names.Unit(c.Name), args
	if low, ok := t.lowered[c.Name]; ok {
		if b, err := low.Undo(json.RawMessage(args)); err == nil {
			c.Arguments = string(b)
		}
	}
	if c.ID == "" {
		c.ID = fmt.Sprintf("call_%d", i)
	}
	return c
}

// unfence takes the Markdown fence off JSON that a model put into one.
func unfence(s string) string {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, "```json"); ok {
		return strings.TrimSpace(strings.TrimSuffix(rest, "```"))
	}
	return s
}

// Object makes arguments an object as providers want it in a history: what is no
// JSON object is replaced by an empty one.
func Object(arguments string) json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal([]byte(arguments), &m) != nil || m == nil {
		return json.RawMessage("{}")
	}
	return json.RawMessage(arguments)
}

// AskForJSON is what a system text says where a schema cannot be sent.
func AskForJSON(schema json.RawMessage) string {
	return "When you give your final answer, write JSON that satisfies this JSON Schema, and nothing else:\n" + string(schema)
}
