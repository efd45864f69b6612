package llmgate

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// front is one dialect as a client speaks it at the gate.
type front struct {
	name     string   // "openai": the first word of the path
	speaks   []string // dialects of providers that take it as it is
	safe     []string // fields of a request whose cost is bounded
	bound    func(a *ask, n int64) error
	limits   func(b body) (out, choices int64)
	authKey  func(h http.Header, key string)
	fail     func(w http.ResponseWriter, e *fault.Error, status int)
	headers  []string // of the client that go on
	usage    func(m map[string]json.RawMessage, u *llm.Usage) bool
	upstream func(base string, a *ask) string
}

// body is a request as it came: what we do not know stays as it is.
type body map[string]json.RawMessage

func (b body) number(key string) (n int64) {
	_ = json.Unmarshal(b[key], &n)
	return n
}

func (b body) text(key string) (s string) {
	_ = json.Unmarshal(b[key], &s)
	return s
}

func (b body) flag(key string) (v bool) {
	_ = json.Unmarshal(b[key], &v)
	return v
}

func (b body) set(key string, v any) {
	b[key], _ = json.Marshal(v)
}

// alike removes keys that differ from a name of ours only in their case: some
// servers would read them as ours.
func (b body) alike(names ...string) {
	for k := range b {
		for _, n := range names {
			if k != n && strings.EqualFold(k, n) {
				delete(b, k)
			}
		}
	}
}

const (
	fieldModel  = "model"
	fieldStream = "stream"
)

var openaiChat = &front{
	name: "openai", speaks: []string{llm.DialectOpenAI, llm.DialectResponses},
	safe: []string{"model", "messages", "tools", "tool_choice", "parallel_tool_calls", "response_format", "max_tokens",
		"max_completion_tokens", "n", "stream", "stream_options", "temperature", "top_p", "stop", "seed", "presence_penalty",
		"frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "user", "metadata", "store", "reasoning_effort",
		"verbosity", "functions", "function_call", "prompt_cache_key", "safety_identifier"},
	bound: boundChat, authKey: bearer, fail: failOpenAI, usage: usageChat,
	limits: func(b body) (int64, int64) {
		return max(b.number("max_tokens"), b.number("max_completion_tokens")), max(1, b.number("n"))
	},
	upstream: func(base string, _ *ask) string { return base + "/chat/completions" },
}

var openaiResponses = &front{
	name: "openai", speaks: []string{llm.DialectOpenAI, llm.DialectResponses},
	safe: []string{"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "max_output_tokens",
		"stream", "stream_options", "temperature", "top_p", "user", "metadata", "store", "reasoning", "include", "top_logprobs",
		"prompt_cache_key", "safety_identifier", "truncation", "max_tool_calls"},
	bound:   func(a *ask, n int64) error { a.body.set("max_output_tokens", max(n, 16)); return nil }, // 16: the dialect's least
	authKey: bearer, fail: failOpenAI, usage: usageResponses,
	limits:   func(b body) (int64, int64) { return b.number("max_output_tokens"), 1 },
	upstream: func(base string, _ *ask) string { return base + "/responses" },
}

var openaiEmbeddings = &front{
	name: "openai", speaks: []string{llm.DialectOpenAI, llm.DialectResponses},
	safe:    []string{"model", "input", "encoding_format", "dimensions", "user"},
	authKey: bearer, fail: failOpenAI, usage: usageChat,
	upstream: func(base string, _ *ask) string { return base + "/embeddings" },
}

var anthropicMessages = &front{
	name: "anthropic", speaks: []string{llm.DialectAnthropic},
	safe: []string{"model", "messages", "system", "max_tokens", "tools", "tool_choice", "stream", "temperature", "top_p", "top_k",
		"stop_sequences", "metadata", "thinking", "output_config", "cache_control"},
	bound:   func(a *ask, n int64) error { a.body.set("max_tokens", n); return nil },
	authKey: func(h http.Header, key string) { h.Set("X-Api-Key", key) },
	fail:    failAnthropic, usage: usageAnthropic, headers: []string{"Anthropic-Version", "Anthropic-Beta"},
	limits:   func(b body) (int64, int64) { return b.number("max_tokens"), 1 },
	upstream: func(base string, _ *ask) string { return versioned(base, "/v1") + "/messages" },
}

var geminiGenerate = &front{
	name: "gemini", speaks: []string{llm.DialectGemini},
	safe:    []string{"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"},
	bound:   boundGemini,
	authKey: func(h http.Header, key string) { h.Set("X-Goog-Api-Key", key) },
	fail:    failGemini, usage: usageGemini,
	limits: func(b body) (int64, int64) {
		c := body{}
		_ = json.Unmarshal(b["generationConfig"], &c)
		return c.number("maxOutputTokens"), max(1, c.number("candidateCount"))
	},
	upstream: func(base string, a *ask) string {
		u := versioned(base, "/v1beta") + "/models/" + a.model
		if a.stream {
			return u + ":streamGenerateContent?alt=sse"
		}
		return u + ":generateContent"
	},
}

func bearer(h http.Header, key string) { h.Set("Authorization", "Bearer "+key) }

// versioned adds the version to a base URL that was written without it.
func versioned(base, version string) string {
	if strings.HasSuffix(base, "/v1") || strings.HasSuffix(base, "/v1beta") {
		return base
	}
	return base + version
}

// boundChat bounds the answer in the word that the server knows.
func boundChat(a *ask, n int64) error {
	key := "max_tokens"
	if a.newLimit {
		key = "max_completion_tokens"
	}
	delete(a.body, "max_tokens")
	delete(a.body, "max_completion_tokens")
	a.body.set(key, n)
	return nil
}

// geminiSafe are the settings whose cost is bounded.
var geminiSafe = []string{"temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "responseMimeType",
	"responseSchema", "responseJsonSchema", "presencePenalty", "frequencyPenalty", "seed", "responseLogprobs", "logprobs", "thinkingConfig"}

func boundGemini(a *ask, n int64) error {
	c := body{}
	if raw := a.body["generationConfig"]; raw != nil {
		if err := json.Unmarshal(raw, &c); err != nil {
			return fault.Wrap(err, fault.Invalid, "generationConfig is no object")
		}
	}
	for k := range c {
		if !slices.Contains(geminiSafe, k) {
			return unbounded("generationConfig." + k)
		}
	}
	c.set("maxOutputTokens", n)
	a.body.set("generationConfig", c)
	return nil
}
