package scripted

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// readAnthropic reads a request of the messages dialect.
// Source: docs.claude.com/en/api/messages.
func readAnthropic(b []byte) (Request, error) {
	var w struct {
		Model     string `json:"model"`
		MaxTokens int64  `json:"max_tokens"`
		System    Text   `json:"system"`
		Messages  []struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
		Tools []struct {
			Name         string          `json:"name"`
			Description  string          `json:"description"`
			InputSchema  json.RawMessage `json:"input_schema"`
			Strict       bool            `json:"strict"`
			CacheControl json.RawMessage `json:"cache_control"`
		} `json:"tools"`
		Choice struct {
			Type     string `json:"type"`
			Name     string `json:"name"`
			Disable  bool   `json:"disable_parallel_tool_use"`
			Reserved string `json:"-"`
		} `json:"tool_choice"`
		Output struct {
			Format json.RawMessage `json:"format"`
		} `json:"output_config"`
		Stream        bool            `json:"stream"`
		Temperature   *float64        `json:"temperature"`
		StopSequences []string        `json:"stop_sequences"`
		TopP          *float64        `json:"top_p"`
		TopK          *int64          `json:"top_k"`
		Metadata      json.RawMessage `json:"metadata"`
		CacheControl  json.RawMessage `json:"cache_control"`
	}
	if err := strict(b, &w); err != nil {
		return Request{}, err
	}
	r := Request{Model: w.Model, MaxTokens: w.MaxTokens, Stream: w.Stream, Format: w.Output.Format, ToolChoice: w.Choice.Type}
	if w.MaxTokens < 1 {
		return r, fmt.Errorf("max_tokens: Field required")
	}
	if w.System != "" {
		r.Messages = append(r.Messages, Message{Role: "system", Content: w.System})
	}
	for _, t := range w.Tools {
		if err := object(t.Name, t.InputSchema); err != nil {
			return r, err
		}
		if t.Strict {
			if err := forbiddenIn(t.InputSchema, "minimum", "maximum", "minLength", "maxLength", "pattern", "oneOf", "prefixItems"); err != nil {
				return r, err
			}
		}
		r.Tools = append(r.Tools, Tool{Function{Name: t.Name, Parameters: t.InputSchema, Strict: t.Strict}})
	}
	if len(w.Messages) == 0 || w.Messages[0].Role != "user" {
		return r, fmt.Errorf("messages: first message must use the user role")
	}
	for i, m := range w.Messages {
		if m.Role != "user" && m.Role != "assistant" {
			return r, fmt.Errorf("messages.%d.role: %q", i, m.Role)
		}
		if err := r.blocks(m.Role, m.Content); err != nil {
			return r, fmt.Errorf("messages.%d: %w", i, err)
		}
	}
	return r, answered(r.Messages)
}

// blocks adds one message: the results in it come first, as the reference wants.
func (r *Request) blocks(role string, content json.RawMessage) error {
	var plain string
	if json.Unmarshal(content, &plain) == nil {
		r.Messages = append(r.Messages, Message{Role: role, Content: Text(plain)})
		return nil
	}
	var blocks []struct {
		Type         string          `json:"type"`
		Text         string          `json:"text"`
		ID           string          `json:"id"`
		Name         string          `json:"name"`
		Input        map[string]any  `json:"input"`
		ToolUseID    string          `json:"tool_use_id"`
		Content      Text            `json:"content"`
		IsError      bool            `json:"is_error"`
		CacheControl json.RawMessage `json:"cache_control"`
	}
	if err := strict(content, &blocks); err != nil {
		return err
	}
	if len(blocks) == 0 {
		return fmt.Errorf("content is empty")
	}
	m, said := Message{Role: role}, false
	for _, b := range blocks {
		switch b.Type {
		case "text":
			if b.Text == "" {
				return fmt.Errorf("text content blocks must be non-empty")
			}
			m.Content, said = m.Content+Text(b.Text), true
		case "tool_use":
			if b.Input == nil || b.ID == "" || role != "assistant" {
				return fmt.Errorf("a tool_use block of the %s without input or id", role)
			}
			m.Calls, said = append(m.Calls, b.ID), true
		case "tool_result":
			if said {
				return fmt.Errorf("tool_result blocks come before text")
			}
			r.Messages = append(r.Messages, Message{Role: "tool", ToolCallID: b.ToolUseID, Content: b.Content})
		default:
			return fmt.Errorf("content block of type %q", b.Type)
		}
	}
	if said {
		r.Messages = append(r.Messages, m)
	}
	return nil
}

var anthropicStops = map[string]string{"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}

func (s say) anthropicUsage() dict {
	u := s.used()
	return dict{"input_tokens": u.Input - u.Cached, "output_tokens": u.Output,
		"cache_read_input_tokens": u.Cached, "cache_creation_input_tokens": 0}
}

// anthropicBlocks are the answer's; a refusal is text and a stop reason.
func (s say) anthropicBlocks() (blocks []dict, stop string) {
	text := s.turn.Text + s.turn.Refusal
	if text != "" {
		blocks = append(blocks, dict{"type": "text", "text": text})
	}
	for i := range s.turn.Calls {
		id, name, args := s.call(i)
		blocks = append(blocks, dict{"type": "tool_use", "id": id, "name": name, "input": json.RawMessage(args)})
	}
	stop = anthropicStops[s.finish()]
	if s.turn.Refusal != "" {
		stop = "refusal"
	}
	return blocks, stop
}

func (s say) anthropic() {
	blocks, stop := s.anthropicBlocks()
	msg := dict{"id": "msg_script", "type": "message", "role": "assistant", "model": s.req.Model, "content": blocks,
		"stop_reason": stop, "stop_sequence": nil, "usage": s.anthropicUsage()}
	if !s.req.Stream {
		for _, b := range blocks { // input that is no JSON cannot be sent whole
			if in, ok := b["input"].(json.RawMessage); ok && !json.Valid(in) {
				b["input"] = dict{}
			}
		}
		out, _ := json.Marshal(msg)
		s.sendWhole(out)
		return
	}
	s.w.Header().Set("Content-Type", "text/event-stream")
	msg["content"], msg["stop_reason"] = []any{}, nil
	start := s.anthropicUsage()
	start["output_tokens"] = 1
	msg["usage"] = start
	s.named("message_start", dict{"type": "message_start", "message": msg})
	s.named("ping", dict{"type": "ping"})
	for i, b := range blocks {
		s.anthropicBlock(i, b)
		if s.turn.Cut {
			_, _ = s.w.Write([]byte("event: content_block_stop\ndata: {\"ty"))
			return
		}
		s.named("content_block_stop", dict{"type": "content_block_stop", "index": i})
	}
	s.named("message_delta", dict{"type": "message_delta", "delta": dict{"stop_reason": stop, "stop_sequence": nil},
		"usage": dict{"output_tokens": s.used().Output}})
	s.named("message_stop", dict{"type": "message_stop"})
}

func (s say) anthropicBlock(i int, b dict) {
	begun, delta, key, text := dict{}, "text_delta", "text", ""
	for k, v := range b {
		begun[k] = v
	}
	if in, ok := b["input"].(json.RawMessage); ok {
		begun["input"], delta, key, text = dict{}, "input_json_delta", "partial_json", string(in)
	} else {
		text, begun["text"] = b["text"].(string), ""
	}
	s.named("content_block_start", dict{"type": "content_block_start", "index": i, "content_block": begun})
	for _, p := range pieces(text) {
		s.named("content_block_delta", dict{"type": "content_block_delta", "index": i, "delta": dict{"type": delta, key: p}})
	}
}

var anthropicErrors = map[int]string{400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
	404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}

func failAnthropic(w http.ResponseWriter, status int, text string) {
	kind := anthropicErrors[status]
	if kind == "" {
		kind = "api_error"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(dict{"type": "error", "request_id": "req_script",
		"error": dict{"type": kind, "message": strings.TrimSpace(text)}})
}
