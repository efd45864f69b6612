package agency

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/aria/agent"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// RunCode runs a program that a model wrote, once, in a container that can do
// nothing but call what calls names: references to units by name.
type RunCode func(ctx context.Context, job task.Job, name, source string, calls map[string]string) (json.RawMessage, error)

const codeTool = "run_code"

// codeMode takes the tools out of what the model is offered and gives it one tool
// instead, which runs TypeScript that calls them.
func (s *stint) codeMode() error {
	b := s.tools
	var types strings.Builder
	calls := map[string]string{}
	if s.find != nil {
		b.list = append(b.list, s.find.offered()...) // what fits the request can be called from the first program on
	}
	for _, t := range b.list {
		if ref, ok := b.refs[t.Unit]; ok {
			calls[t.Unit] = ref
			fmt.Fprintf(&types, "%stools.%s(input: %s): Promise<any>\n", comment(t.Description), t.Unit, typeOf(llm.OpenSchema(t.Schema), 0))
		}
	}
	b.list = slices.DeleteFunc(b.list, func(t agent.Tool) bool { return calls[t.Unit] != "" })
	if s.a.Resident.MakeTools && resident(s.unit) {
		if err := b.offer(s.makeTool(calls)); err != nil {
			return err
		}
	}
	return b.offer(own{agent.Tool{Unit: codeTool,
		Description: "Run TypeScript that calls the tools: the body of an async function with `tools` and `console`. What it returns is the result. " +
			"There is no network, no file and no import. Do several steps in one program, in parallel where they do not need one another.\n" + types.String(),
		Schema: json.RawMessage(`{"type":"object","properties":{"code":{"type":"string","minLength":1,"description":"the body of the function"}},"required":["code"],"additionalProperties":false}`),
	}, func(ctx context.Context, input json.RawMessage, call string) (json.RawMessage, error) {
		var in struct{ Code string }
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "a program is a text")
		}
		return s.a.RunCode(ctx, s.d.job, "code-"+call, in.Code, calls)
	}})
}

func comment(text string) string {
	if text == "" {
		return ""
	}
	first, _, _ := strings.Cut(text, "\n")
	return "// " + first + "\n"
}

// typeDepth is how deep types are written out.
const typeDepth = 4

// typeOf is a schema as a TypeScript type, for a model to read.
func typeOf(s llm.Schema, depth int) string {
	if words, ok := s.Node["enum"].([]any); ok {
		var out []string
		for _, w := range words {
			raw, _ := json.Marshal(w) // it came from JSON
			out = append(out, string(raw))
		}
		return strings.Join(out, " | ")
	}
	switch {
	case depth > typeDepth || len(s.Node) == 0:
		return "any"
	case s.Is("array"):
		return "Array<" + typeOf(s.At(s.Node["items"]), depth+1) + ">"
	case s.Is("string"):
		return "string"
	case s.Is("boolean"):
		return "boolean"
	case s.Is("number"), s.Is("integer"):
		return "number"
	case s.Is("object"):
		return objectType(s, depth)
	}
	return "any"
}

func objectType(s llm.Schema, depth int) string {
	props := s.Properties()
	if len(props) == 0 {
		return "{}"
	}
	required := s.Required()
	var out []string
	for _, name := range slices.Sorted(maps.Keys(props)) {
		p, _ := s.Property(name)
		mark := ""
		if _, preset := p.Node["default"]; !required[name] || preset {
			mark = "?"
		}
		out = append(out, name+mark+": "+typeOf(p, depth+1))
	}
	return "{ " + strings.Join(out, "; ") + " }"
}
