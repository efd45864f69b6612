package anthropic

import (
	"encoding/json"
	"strings"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

type request struct {
	Model       string         `json:"model"`
	MaxTokens   int64          `json:"max_tokens"`
	System      []block        `json:"system,omitempty"`
	Messages    []message      `json:"messages"`
	Tools       []tool         `json:"tools,omitempty"`
	Choice      map[string]any `json:"tool_choice,omitempty"`
	Output      map[string]any `json:"output_config,omitempty"`
	Temperature *float64       `json:"temperature,omitempty"`
	Stream      bool           `json:"stream,omitempty"`
}

type message struct {
	Role    string  `json:"role"`
	Content []block `json:"content"`
}

type block struct {
	Type      string          `json:"type"`
	Text      string          `json:"text,omitempty"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
	ToolUseID string          `json:"tool_use_id,omitempty"`
	Content   string          `json:"content,omitempty"`
	IsError   bool            `json:"is_error,omitempty"`
	Cache     *cache          `json:"cache_control,omitempty"`
}

type cache struct {
	Type string `json:"type"`
}

type tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	InputSchema json.RawMessage `json:"input_schema"`
	Cache       *cache          `json:"cache_control,omitempty"`
}

// here ends a part of the prompt that the next turn repeats.
var here = &cache{"ephemeral"}

func (m *Model) encode(req llm.Request) (*wire.Turn, []byte, error) {
	turn, err := wire.Prepare(req, llm.Plain, llm.LowerAnthropic)
	if err != nil {
		return nil, nil, err
	}
	w := request{Model: m.cfg.Model, MaxTokens: req.MaxTokens, Temperature: req.Temperature, Stream: !m.cfg.Whole}
	if w.MaxTokens <= 0 {
		w.MaxTokens = defaultTokens
	}
	for _, t := range turn.Tools {
		w.Tools = append(w.Tools, tool{Name: t.Name, Description: t.Description, InputSchema: t.Schema.Schema})
	}
	if n := len(w.Tools); n > 0 {
		w.Tools[n-1].Cache = here
		switch req.Choice {
		case llm.None:
			w.Choice = map[string]any{"type": "none"}
		case llm.Required:
			w.Choice = map[string]any{"type": "any"}
		}
	}
	for _, msg := range req.Messages {
		w.add(turn, msg)
	}
	if out := turn.Output; out != nil {
		if out.Strict && structured(m.cfg.Model) {
			w.Output = map[string]any{"format": map[string]any{"type": "json_schema", "schema": out.Schema}}
		} else {
			w.System = append(w.System, block{Type: "text", Text: wire.AskForJSON(out.Schema)})
		}
	}
	if n := len(w.System); n > 0 {
		w.System[n-1].Cache = here
	}
	if n := len(w.Messages); n > 1 { // a single turn is not repeated
		last := w.Messages[n-1].Content
		last[len(last)-1].Cache = here
	}
	body, err := json.Marshal(w)
	turn.Sent(body)
	return turn, body, err
}

// structured: the models from Opus 4.1 and Sonnet 4.5 on take a schema for the
// answer; those before it refuse the field.
func structured(model string) bool {
	for _, old := range []string{"claude-2", "claude-3", "claude-instant", "claude-opus-4-0", "claude-sonnet-4-0", "claude-opus-4-2025", "claude-sonnet-4-2025"} {
		if strings.Contains(model, old) {
			return false
		}
	}
	return true
}

// add puts a message into the form of the dialect: instructions stand apart,
// results are a user's, and messages of one role one after the other are one.
func (w *request) add(turn *wire.Turn, m llm.Message) {
	switch m.Role {
	case llm.System:
		if m.Text != "" {
			w.System = append(w.System, block{Type: "text", Text: m.Text})
		}
	case llm.ToolRole:
		text := m.Text
		if text == "" {
			text = "(nothing)"
		}
		w.put("user", block{Type: "tool_result", ToolUseID: m.CallID, Content: text, IsError: m.Failed})
	case llm.Assistant:
		if text := strings.TrimRight(m.Text, " \t\r\n"); text != "" { // a last text must not end in space
			w.put("assistant", block{Type: "text", Text: text})
		}
		for _, c := range m.ToolCalls {
			w.put("assistant", block{Type: "tool_use", ID: c.ID, Name: turn.Names.Wire(c.Name), Input: wire.Object(c.Arguments)})
		}
	default:
		if m.Text != "" {
			w.put("user", block{Type: "text", Text: m.Text})
		}
	}
}

func (w *request) put(role string, b block) {
	if n := len(w.Messages); n > 0 && w.Messages[n-1].Role == role {
		w.Messages[n-1].Content = append(w.Messages[n-1].Content, b)
		return
	}
	w.Messages = append(w.Messages, message{role, []block{b}})
}
