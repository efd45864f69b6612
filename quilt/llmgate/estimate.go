package llmgate

import (
	"encoding/json"
	"slices"
)

// How many tokens a request is at most. Every tokenizer in use falls back to
// single bytes, so no text has more tokens than bytes, and the JSON around it is
// longer than what a server's template puts there instead; overhead is for what
// a server adds by itself (Anthropic's tool prompt has about 350 tokens).
const overhead = 1024

// plainParts are the types of parts that are text and nothing else.
var plainParts = []string{"", "text", "input_text", "output_text", "refusal", "message", "function", "function_call",
	"function_call_output", "tool_use", "tool_result", "custom", "json_schema", "json_object", "thinking", "redacted_thinking",
	"ephemeral", "reasoning", "summary_text"}

// inputTokens bounds the prompt; ok is false if it holds what is not text, such
// as an image, whose tokens have nothing to do with its bytes.
func (a *ask) inputTokens() (n int64, ok bool) {
	for _, key := range []string{"messages", "input", "contents", "system", "systemInstruction", "instructions"} {
		raw := a.body[key]
		if raw == nil {
			continue
		}
		var v any
		if json.Unmarshal(raw, &v) != nil || !onlyText(v, 0) {
			return 0, false
		}
	}
	return a.size + overhead, true
}

// textKeys of a Gemini part; any other brings something along.
var textKeys = []string{"text", "functionCall", "functionResponse", "thought", "thoughtSignature"}

func onlyText(v any, depth int) bool {
	if depth > 64 {
		return false
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if !onlyText(x, depth+1) {
				return false
			}
		}
	case map[string]any:
		if kind, has := v["type"]; has {
			s, _ := kind.(string)
			if !slices.Contains(plainParts, s) {
				return false
			}
		}
		if v["ttl"] == "1h" { // Anthropic's longer cache costs twice the input
			return false
		}
		for k, x := range v {
			switch k {
			case "parts":
				if !onlyParts(x) {
					return false
				}
			case "content", "cache_control", "output":
				if !onlyText(x, depth+1) {
					return false
				}
			case "audio", "file_id", "image_url", "file_data", "id":
				if k != "id" || v["type"] == "item_reference" {
					return false
				}
			}
		}
	}
	return true
}

func onlyParts(v any) bool {
	if one, ok := v.(map[string]any); ok {
		v = []any{one}
	}
	list, _ := v.([]any)
	for _, p := range list {
		m, ok := p.(map[string]any)
		if !ok {
			return false
		}
		for k := range m {
			if !slices.Contains(textKeys, k) {
				return false
			}
		}
	}
	return true
}
