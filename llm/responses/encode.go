package responses

import (
	"encoding/json"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

type request struct {
	Model       string         `json:"model"`
	Input       []item         `json:"input"`
	Tools       []tool         `json:"tools,omitempty"`
	Choice      string         `json:"tool_choice,omitempty"`
	Text        map[string]any `json:"text,omitempty"`
	MaxTokens   int64          `json:"max_output_tokens,omitempty"`
	Temperature *float64       `json:"temperature,omitempty"`
	Stream      bool           `json:"stream,omitempty"`
	Store       bool           `json:"store"`
}

// item is one entry of the conversation: a message, a call or its result.
type item struct {
	Type      string  `json:"type"`
	Role      string  `json:"role,omitempty"`
	Content   []part  `json:"content,omitempty"`
	CallID    string  `json:"call_id,omitempty"`
	Name      string  `json:"name,omitempty"`
	Arguments string  `json:"arguments,omitempty"`
	Output    *string `json:"output,omitempty"`
}

type part struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type tool struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      bool            `json:"strict"`
}

// leastTokens is the smallest bound that the dialect takes.
const leastTokens = 16

func (m *Model) encode(req llm.Request) (*wire.Turn, []byte, error) {
	turn, err := wire.Prepare(req, llm.Lower, llm.Lower)
	if err != nil {
		return nil, nil, err
	}
	w := request{Model: m.cfg.Model, Temperature: req.Temperature, Stream: !m.cfg.Whole, Input: []item{}}
	if req.MaxTokens > 0 {
		w.MaxTokens = max(req.MaxTokens, leastTokens)
	}
	for _, msg := range req.Messages {
		w.Input = append(w.Input, items(turn, msg)...)
	}
	for _, t := range turn.Tools {
		w.Tools = append(w.Tools, tool{"function", t.Name, t.Description, t.Schema.Schema, t.Schema.Strict})
	}
	if len(w.Tools) > 0 {
		w.Choice = string(req.Choice)
	}
	if out := turn.Output; out != nil {
		w.Text = map[string]any{"format": map[string]any{"type": "json_schema", "name": "answer", "schema": out.Schema, "strict": out.Strict}}
	}
	body, err := json.Marshal(w)
	turn.Sent(body)
	return turn, body, err
}

func items(turn *wire.Turn, m llm.Message) (out []item) {
	switch m.Role {
	case llm.ToolRole:
		text := m.Text
		return []item{{Type: "function_call_output", CallID: m.CallID, Output: &text}}
	case llm.Assistant:
		if m.Text != "" {
			out = append(out, item{Type: "message", Role: "assistant", Content: []part{{"output_text", m.Text}}})
		}
		for _, c := range m.ToolCalls {
			out = append(out, item{Type: "function_call", CallID: c.ID, Name: turn.Names.Wire(c.Name), Arguments: string(wire.Object(c.Arguments))})
		}
		return out
	}
	return []item{{Type: "message", Role: string(m.Role), Content: []part{{"input_text", m.Text}}}}
}
