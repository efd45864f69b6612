package sdks

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/dialect"
	"github.com/ariacomputecompany/firmware/llm/scripted"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

// conversation has one of everything that we can say.
func conversation(output bool) llm.Request {
	half := 0.5
	r := llm.Request{MaxTokens: 99, Temperature: &half, Choice: llm.Required,
		Messages: []llm.Message{
			{Role: llm.System, Text: "be brief"}, {Role: llm.User, Text: "where is A-17?"},
			{Role: llm.Assistant, Text: "let me see", ToolCalls: []llm.ToolCall{{ID: "c1", Name: "orders.get", Arguments: `{"id":"A-17"}`, Signature: "c2lnbmF0dXJl"}, {ID: "c2", Name: "tree.put", Arguments: `{}`}}},
			{Role: llm.ToolRole, CallID: "c1", Tool: "orders.get", Text: `{"status":"shipped"}`},
			{Role: llm.ToolRole, CallID: "c2", Tool: "tree.put", Text: "no", Failed: true},
			{Role: llm.User, Text: "and?"},
		},
		Tools: []llm.Tool{
			{Name: "orders.get", Description: "find one", Schema: json.RawMessage(`{"type":"object","properties":{"id":{"type":"string","minLength":1},"state":{"enum":["open","done"]},"n":{"type":["integer","null"]}},"required":["id"],"additionalProperties":false}`)},
			{Name: "tree.put", Schema: json.RawMessage(`{"type":"object","additionalProperties":{"type":"string"}}`)},
		}}
	if output {
		r.Tools, r.Choice, r.Messages = nil, "", r.Messages[:2]
		r.Output = json.RawMessage(`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number","minimum":1}},"required":["a"],"additionalProperties":false}`)
	}
	return r
}

// What we send is a request in the official types: read into them and written
// again, nothing of it is lost, because nothing of it is unknown to them.
func TestRequestsAreOfTheOfficialTypes(t *testing.T) {
	for _, c := range []struct {
		dialect string
		read    func() any
		same    bool // writing again gives what was read
	}{
		{llm.DialectOpenAI, func() any { return &openai.ChatCompletionNewParams{} }, true},
		{llm.DialectResponses, func() any { return &responses.ResponseNewParams{} }, true},
		{llm.DialectAnthropic, func() any { return &anthropic.MessageNewParams{} }, true},
		{llm.DialectGemini, func() any { return &geminiRequest{} }, false},
	} {
		for _, output := range []bool{false, true} {
			body := sent(t, c.dialect, conversation(output))
			into := c.read()
			d := json.NewDecoder(bytes.NewReader(body))
			if !c.same {
				d.DisallowUnknownFields()
			}
			if err := d.Decode(into); err != nil {
				t.Errorf("%s, output %v: %v\n%s", c.dialect, output, err, body)
				continue
			}
			if !c.same {
				continue
			}
			again, err := json.Marshal(into)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plain(t, body), plain(t, again)); diff != "" {
				t.Errorf("%s, output %v: (-sent +as the official types have it)\n%s", c.dialect, output, diff)
			}
		}
	}
}

// geminiRequest is the body as the official types have its parts.
type geminiRequest struct {
	Contents []*genai.Content        `json:"contents"`
	System   *genai.Content          `json:"systemInstruction"`
	Tools    []*genai.Tool           `json:"tools"`
	Config   *genai.ToolConfig       `json:"toolConfig"`
	Gen      *genai.GenerationConfig `json:"generationConfig"`
}

// sent is the body that a dialect sends, without what only says how to answer.
func sent(t *testing.T, name string, req llm.Request) []byte {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := scripted.Serve(ln, scripted.Script{Turns: []scripted.Turn{{Text: `{"a":"x"}`}}})
	defer s.Close()
	base := s.URL()
	if name == llm.DialectGemini {
		base = s.Root()
	}
	m, err := dialect.Open(llm.Target{Provider: llm.Provider{Dialect: name, BaseURL: base}, Model: "m"}, wire.Config{Whole: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Generate(t.Context(), req, nil); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s.Requests()[0].Body
}

// plain drops what means the same there or not there.
func plain(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return tidy(v)
}

func tidy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if text, ok := v["content"].(string); ok && v["type"] == "tool_result" {
			v["content"] = []any{map[string]any{"type": "text", "text": text}} // the same, longer
		}
		for k, x := range v {
			if x = tidy(x); x == nil || x == false && strings.HasPrefix(k, "str") {
				delete(v, k)
			} else {
				v[k] = x
			}
		}
	case []any:
		for i := range v {
			v[i] = tidy(v[i])
		}
	}
	return v
}
