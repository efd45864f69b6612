package sdks

import (
	"encoding/json"
	"net"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	aoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"

	"github.com/ariacomputecompany/firmware/llm/scripted"
)

const key = "sk-secret"

// server says two turns, each as often as it is asked for both ways.
func server(t *testing.T) *scripted.Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	use := &scripted.Usage{Input: 21, Output: 9, Cached: 5}
	text := scripted.Turn{Text: "hello there", Usage: use}
	call := scripted.Turn{Calls: []scripted.Call{{Name: "get", Arguments: json.RawMessage(`{"id":"A-17"}`)}}, Usage: use}
	s := scripted.Serve(ln, scripted.Script{Key: key, Turns: []scripted.Turn{text, call, text, call, {Status: 404, Error: "no such model"}}})
	t.Cleanup(func() {
		if err := s.Err(); err != nil {
			t.Error(err)
		}
		s.Close()
	})
	return s
}

var parameters = map[string]any{"type": "object", "properties": map[string]any{"id": map[string]any{"type": "string"}}, "required": []string{"id"}}

func TestOfficialOpenAIClient(t *testing.T) {
	s := server(t)
	c := openai.NewClient(option.WithBaseURL(s.URL()), option.WithAPIKey(key), option.WithMaxRetries(0))
	params := openai.ChatCompletionNewParams{Model: "m", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hi")},
		Tools:         []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "get", Parameters: parameters})},
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}}
	for _, stream := range []bool{false, true} {
		for turn := range 2 {
			var got *openai.ChatCompletion
			var err error
			if stream {
				acc, events := openai.ChatCompletionAccumulator{}, c.Chat.Completions.NewStreaming(t.Context(), params)
				for events.Next() {
					if !acc.AddChunk(events.Current()) {
						t.Fatal("a chunk that does not belong")
					}
				}
				got, err = &acc.ChatCompletion, events.Err()
			} else {
				got, err = c.Chat.Completions.New(t.Context(), params)
			}
			if err != nil {
				t.Fatal(err)
			}
			m, u := got.Choices[0].Message, got.Usage
			if turn == 0 && (m.Content != "hello there" || got.Choices[0].FinishReason != "stop") ||
				turn == 1 && (len(m.ToolCalls) != 1 || m.ToolCalls[0].Function.Arguments != `{"id":"A-17"}` || got.Choices[0].FinishReason != "tool_calls") ||
				u.PromptTokens != 21 || u.CompletionTokens != 9 {
				t.Errorf("stream %v, turn %d: %s", stream, turn, got.RawJSON())
			}
		}
	}
	if _, err := c.Chat.Completions.New(t.Context(), params); err == nil {
		t.Error("an error of the server is none of the client's")
	}
}

func TestOfficialResponsesClient(t *testing.T) {
	s := server(t)
	c := openai.NewClient(option.WithBaseURL(s.URL()), option.WithAPIKey(key), option.WithMaxRetries(0))
	params := responses.ResponseNewParams{Model: "m", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("hi")},
		Tools: []responses.ToolUnionParam{responses.ToolParamOfFunction("get", parameters, false)}}
	for _, stream := range []bool{false, true} {
		for turn := range 2 {
			var got responses.Response
			if stream {
				text, events := "", c.Responses.NewStreaming(t.Context(), params)
				for events.Next() {
					switch e := events.Current().AsAny().(type) {
					case responses.ResponseTextDeltaEvent:
						text += e.Delta
					case responses.ResponseCompletedEvent:
						got = e.Response
					}
				}
				if events.Err() != nil || turn == 0 && text != "hello there" {
					t.Fatalf("%q, %v", text, events.Err())
				}
			} else {
				r, err := c.Responses.New(t.Context(), params)
				if err != nil {
					t.Fatal(err)
				}
				got = *r
			}
			if turn == 0 && got.OutputText() != "hello there" || turn == 1 && got.Output[0].AsFunctionCall().Name != "get" ||
				got.Usage.InputTokens != 21 || got.Usage.OutputTokens != 9 || got.Usage.InputTokensDetails.CachedTokens != 5 {
				t.Errorf("stream %v, turn %d: %s", stream, turn, got.RawJSON())
			}
		}
	}
	if _, err := c.Responses.New(t.Context(), params); err == nil {
		t.Error("an error of the server is none of the client's")
	}
}

func TestOfficialAnthropicClient(t *testing.T) {
	s := server(t)
	c := anthropic.NewClient(aoption.WithBaseURL(s.Root()), aoption.WithAPIKey(key), aoption.WithMaxRetries(0))
	params := anthropic.MessageNewParams{Model: "m", MaxTokens: 100, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("hi"))},
		Tools: []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{Name: "get", InputSchema: anthropic.ToolInputSchemaParam{Properties: parameters["properties"]}}}}}
	for _, stream := range []bool{false, true} {
		for turn := range 2 {
			got, err := &anthropic.Message{}, error(nil)
			if stream {
				events := c.Messages.NewStreaming(t.Context(), params)
				for events.Next() {
					if err := got.Accumulate(events.Current()); err != nil {
						t.Fatal(err)
					}
				}
				err = events.Err()
			} else {
				got, err = c.Messages.New(t.Context(), params)
			}
			if err != nil {
				t.Fatal(err)
			}
			b := got.Content[0]
			if turn == 0 && (b.Text != "hello there" || got.StopReason != "end_turn") ||
				turn == 1 && (b.Name != "get" || string(b.Input) != `{"id":"A-17"}` || got.StopReason != "tool_use") ||
				got.Usage.InputTokens != 16 || got.Usage.CacheReadInputTokens != 5 || got.Usage.OutputTokens != 9 {
				t.Errorf("stream %v, turn %d: %+v", stream, turn, got)
			}
		}
	}
	if _, err := c.Messages.New(t.Context(), params); err == nil {
		t.Error("an error of the server is none of the client's")
	}
}

func TestOfficialGeminiClient(t *testing.T) {
	s := server(t)
	c, err := genai.NewClient(t.Context(), &genai.ClientConfig{APIKey: key, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: s.Root()}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := &genai.GenerateContentConfig{Tools: []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{Name: "get", ParametersJsonSchema: parameters}}}}}
	for _, stream := range []bool{false, true} {
		for turn := range 2 {
			text, name, in := "", "", int32(0)
			take := func(r *genai.GenerateContentResponse, err error) {
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range r.Candidates[0].Content.Parts {
					text += p.Text
					if p.FunctionCall != nil {
						name = p.FunctionCall.Name
					}
				}
				in = r.UsageMetadata.PromptTokenCount
			}
			if stream {
				for r, err := range c.Models.GenerateContentStream(t.Context(), "m", genai.Text("hi"), cfg) {
					take(r, err)
				}
			} else {
				take(c.Models.GenerateContent(t.Context(), "m", genai.Text("hi"), cfg))
			}
			if turn == 0 && text != "hello there" || turn == 1 && name != "get" || in != 21 {
				t.Errorf("stream %v, turn %d: %q, %q, %d", stream, turn, text, name, in)
			}
		}
	}
	if _, err := c.Models.GenerateContent(t.Context(), "m", genai.Text("hi"), cfg); err == nil {
		t.Error("an error of the server is none of the client's")
	}
}
