package scripted

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

type geminiPart struct {
	Text string `json:"text"`
	Call *struct {
		ID   string         `json:"id"`
		Name string         `json:"name"`
		Args map[string]any `json:"args"`
	} `json:"functionCall"`
	Response *struct {
		ID       string         `json:"id"`
		Name     string         `json:"name"`
		Response map[string]any `json:"response"`
	} `json:"functionResponse"`
	Signature string `json:"thoughtSignature"`
	Thought   bool   `json:"thought"`
}

type geminiContent struct {
	Role  string       `json:"role"`
	Parts []geminiPart `json:"parts"`
}

// geminiSignature comes with the first call of an answer and must come back
// with it, as Gemini 3 demands.
const geminiSignature = "c2lnbmF0dXJl"

// readGemini reads a request of the generateContent dialect.
// Source: ai.google.dev/api/generate-content.
func readGemini(b []byte, path string) (Request, error) {
	var w struct {
		Contents []geminiContent `json:"contents"`
		System   geminiContent   `json:"systemInstruction"`
		Tools    []struct {
			Functions []struct {
				Name        string          `json:"name"`
				Description string          `json:"description"`
				Parameters  json.RawMessage `json:"parameters"`
				JSONSchema  json.RawMessage `json:"parametersJsonSchema"`
			} `json:"functionDeclarations"`
		} `json:"tools"`
		ToolConfig struct {
			Calling struct {
				Mode    string   `json:"mode"`
				Allowed []string `json:"allowedFunctionNames"`
			} `json:"functionCallingConfig"`
		} `json:"toolConfig"`
		Config struct {
			Temperature *float64        `json:"temperature"`
			MaxTokens   int64           `json:"maxOutputTokens"`
			MIME        string          `json:"responseMimeType"`
			Schema      json.RawMessage `json:"responseSchema"`
			JSONSchema  json.RawMessage `json:"responseJsonSchema"`
			Candidates  int64           `json:"candidateCount"`
		} `json:"generationConfig"`
	}
	u, _ := url.Parse(path)
	model, verb, _ := strings.Cut(u.Path[strings.LastIndexByte(u.Path, '/')+1:], ":")
	r := Request{Model: model, Stream: verb == "streamGenerateContent", N: 1}
	if err := strict(b, &w); err != nil {
		return r, err
	}
	if !r.Stream && verb != "generateContent" || r.Stream && u.Query().Get("alt") != "sse" {
		return r, fmt.Errorf("this server does not know %s", path)
	}
	r.MaxTokens, r.ToolChoice, r.Format = w.Config.MaxTokens, w.ToolConfig.Calling.Mode, w.Config.JSONSchema
	if len(w.Config.Schema) > 0 {
		r.Format = w.Config.Schema
	}
	if len(r.Format) > 0 && w.Config.MIME != "application/json" {
		return r, fmt.Errorf("a response schema needs the mime type application/json")
	}
	if len(r.Format) > 0 && len(w.Tools) > 0 {
		return r, fmt.Errorf("function calling with a response mime type 'application/json' is unsupported")
	}
	for _, t := range w.Tools {
		for _, f := range t.Functions {
			schema := f.Parameters
			if len(schema) == 0 {
				schema = f.JSONSchema
			} else if err := forbiddenIn(schema, "$ref", "$defs", "oneOf", "additionalProperties", "const", "allOf", "patternProperties"); err != nil {
				return r, err
			}
			r.Tools = append(r.Tools, Tool{Function{Name: f.Name, Parameters: schema}})
		}
	}
	if text := partsText(w.System.Parts); text != "" {
		r.Messages = append(r.Messages, Message{Role: "system", Content: Text(text)})
	}
	return r, r.contents(w.Contents)
}

// contents adds the turns. Calls and responses go by id where they have one,
// else by name and order.
func (r *Request) contents(contents []geminiContent) error {
	if len(contents) == 0 {
		return fmt.Errorf("contents is not specified")
	}
	for i, c := range contents {
		m := Message{Role: map[string]string{"user": "user", "model": "assistant", "": "user"}[c.Role]}
		if m.Role == "" || len(c.Parts) == 0 {
			return fmt.Errorf("contents[%d]: role %q with %d parts", i, c.Role, len(c.Parts))
		}
		said := false
		for _, p := range c.Parts {
			switch {
			case p.Call != nil:
				if len(m.Calls) == 0 && p.Signature != geminiSignature && p.Signature != "skip_thought_signature_validator" {
					return fmt.Errorf("function call %s is missing a thought_signature", p.Call.Name)
				}
				m.Calls, said = append(m.Calls, p.Call.ID), true
			case p.Response != nil:
				text, _ := json.Marshal(p.Response.Response)
				r.Messages = append(r.Messages, Message{Role: "tool", ToolCallID: p.Response.ID, Content: Text(text)})
			default:
				m.Content, said = m.Content+Text(p.Text), true
			}
		}
		if said {
			r.Messages = append(r.Messages, m)
		}
	}
	return answered(r.Messages)
}

func partsText(parts []geminiPart) (text string) {
	for _, p := range parts {
		text += p.Text
	}
	return text
}

var geminiStops = map[string]string{"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}

func (s say) geminiUsage() dict {
	u := s.used()
	return dict{"promptTokenCount": u.Input, "candidatesTokenCount": u.Output, "totalTokenCount": u.Input + u.Output,
		"cachedContentTokenCount": u.Cached}
}

func (s say) geminiChunk(parts []dict, finish string) dict {
	c := dict{"content": dict{"role": "model", "parts": parts}, "index": 0}
	if finish != "" {
		c["finishReason"] = finish
	}
	return dict{"candidates": []dict{c}, "modelVersion": s.req.Model, "responseId": "script", "usageMetadata": s.geminiUsage()}
}

func (s say) geminiCalls() (parts []dict) {
	for i := range s.turn.Calls {
		id, name, args := s.call(i)
		if !json.Valid([]byte(args)) {
			args = "{}" // arguments are an object here: broken ones cannot be sent
		}
		p := dict{"functionCall": dict{"id": id, "name": name, "args": json.RawMessage(args)}}
		if i == 0 {
			p["thoughtSignature"] = geminiSignature
		}
		parts = append(parts, p)
	}
	return parts
}

func (s say) gemini() {
	text, stop := s.turn.Text+s.turn.Refusal, geminiStops[s.finish()]
	if s.turn.Refusal != "" {
		stop = "SAFETY"
	}
	if !s.req.Stream {
		parts := s.geminiCalls()
		if text != "" {
			parts = append([]dict{{"text": text}}, parts...)
		}
		b, _ := json.Marshal(s.geminiChunk(parts, stop))
		s.sendWhole(b)
		return
	}
	s.w.Header().Set("Content-Type", "text/event-stream")
	for _, p := range pieces(text) {
		s.plain(s.geminiChunk([]dict{{"text": p}}, ""))
		if s.turn.Cut {
			_, _ = s.w.Write([]byte(`data: {"candida`))
			return
		}
	}
	s.plain(s.geminiChunk(append(s.geminiCalls(), dict{"text": ""}), stop))
}

// plain sends an event without a name.
func (s say) plain(d dict) {
	b, _ := json.Marshal(d)
	_, _ = fmt.Fprintf(s.w, "data: %s\r\n\r\n", b)
	s.flush()
}

var geminiErrors = map[int]string{400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
	429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}

func failGemini(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(dict{"error": dict{"code": status, "message": text, "status": geminiErrors[status]}})
}
