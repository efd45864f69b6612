package llmgate

import (
	"encoding/json"

	"github.com/ariacomputecompany/firmware/llm"
)

// Each dialect tells the usage in its own words; m is a whole answer or one
// event of a stream. They report true when u has become more complete.

func usageChat(m map[string]json.RawMessage, u *llm.Usage) bool {
	var w *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		Total      int64 `json:"total_tokens"`
		Details    struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
	if json.Unmarshal(m["usage"], &w) != nil || w == nil {
		return false
	}
	// Some servers count reasoning in the total alone.
	out := max(w.Completion, w.Total-w.Prompt)
	*u = llm.Usage{InputTokens: max(0, w.Prompt), OutputTokens: max(0, out), CachedTokens: clamp(w.Details.Cached, w.Prompt)}
	return true
}

func usageResponses(m map[string]json.RawMessage, u *llm.Usage) bool {
	if inner := m["response"]; inner != nil { // the last event of a stream
		m = map[string]json.RawMessage{}
		if json.Unmarshal(inner, &m) != nil {
			return false
		}
	}
	var w *struct {
		Input   int64 `json:"input_tokens"`
		Output  int64 `json:"output_tokens"`
		Details struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"input_tokens_details"`
	}
	if json.Unmarshal(m["usage"], &w) != nil || w == nil {
		return false
	}
	*u = llm.Usage{InputTokens: max(0, w.Input), OutputTokens: max(0, w.Output), CachedTokens: clamp(w.Details.Cached, w.Input)}
	return true
}

type anthropicUsage struct {
	Input      *int64 `json:"input_tokens"`
	Output     *int64 `json:"output_tokens"`
	CacheRead  *int64 `json:"cache_read_input_tokens"`
	CacheWrite *int64 `json:"cache_creation_input_tokens"`
}

// usageAnthropic: a stream begins with the input and ends with the output; the
// end is what makes it complete.
func usageAnthropic(m map[string]json.RawMessage, u *llm.Usage) bool {
	whole := m["message"] == nil
	if inner := m["message"]; inner != nil {
		m = map[string]json.RawMessage{}
		if json.Unmarshal(inner, &m) != nil {
			return false
		}
	}
	var w *anthropicUsage
	if json.Unmarshal(m["usage"], &w) != nil || w == nil {
		return false
	}
	fresh := u.InputTokens - u.CachedTokens - u.CacheWriteTokens
	for _, f := range []struct {
		to   *int64
		from *int64
	}{{&fresh, w.Input}, {&u.OutputTokens, w.Output}, {&u.CachedTokens, w.CacheRead}, {&u.CacheWriteTokens, w.CacheWrite}} {
		if f.from != nil {
			*f.to = max(0, *f.from)
		}
	}
	u.InputTokens = fresh + u.CachedTokens + u.CacheWriteTokens
	return whole
}

func usageGemini(m map[string]json.RawMessage, u *llm.Usage) bool {
	var w *struct {
		Prompt   int64 `json:"promptTokenCount"`
		Answer   int64 `json:"candidatesTokenCount"`
		Thoughts int64 `json:"thoughtsTokenCount"`
		Tools    int64 `json:"toolUsePromptTokenCount"`
		Cached   int64 `json:"cachedContentTokenCount"`
	}
	if json.Unmarshal(m["usageMetadata"], &w) != nil || w == nil {
		return false
	}
	in := max(0, w.Prompt) + max(0, w.Tools)
	*u = llm.Usage{InputTokens: in, OutputTokens: max(0, w.Answer) + max(0, w.Thoughts), CachedTokens: clamp(w.Cached, in)}
	return true
}

func clamp(n, most int64) int64 { return max(0, min(n, most)) }
