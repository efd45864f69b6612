package openai

import (
	"encoding/json"

	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

type wireMessage struct {
	Role       string     `json:"role"`
	Content    *string    `json:"content"`
	ToolCalls  []wireCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type wireCall struct {
	Index    *int   `json:"index,omitempty"`
	ID       string `json:"id,omitempty"`
	Type     string `json:"type,omitempty"`
	Function struct {
		Name      string `json:"name,omitempty"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type wireTool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description,omitempty"`
		Parameters  json.RawMessage `json:"parameters"`
		Strict      bool            `json:"strict,omitempty"`
	} `json:"function"`
}

type wireRequest struct {
	Model         string         `json:"model"`
	Messages      []wireMessage  `json:"messages"`
	Tools         []wireTool     `json:"tools,omitempty"`
	ToolChoice    string         `json:"tool_choice,omitempty"`
	Format        any            `json:"response_format,omitempty"`
	MaxTokens     int64          `json:"max_tokens,omitempty"`
	MaxCompletion int64          `json:"max_completion_tokens,omitempty"`
	Temperature   *float64       `json:"temperature,omitempty"`
	Stream        bool           `json:"stream,omitempty"`
	StreamOptions map[string]any `json:"stream_options,omitempty"`
}

func (m *Model) encode(req llm.Request) (*wire.Turn, []byte, error) {
	turn, err := wire.Prepare(req, llm.Lower, llm.Lower)
	if err != nil {
		return nil, nil, err
	}
	w := wireRequest{Model: m.cfg.Model, MaxTokens: req.MaxTokens, Temperature: req.Temperature}
	if !m.cfg.Whole {
		w.Stream, w.StreamOptions = true, map[string]any{"include_usage": true}
	}
	if m.newLimit { // OpenAI's own newer models refuse the old word, other servers know only it
		w.MaxTokens, w.MaxCompletion = 0, w.MaxTokens
	}
	for _, msg := range req.Messages {
		w.Messages = append(w.Messages, message(turn, msg))
	}
	for _, t := range turn.Tools {
		var tool wireTool
		tool.Type = "function"
		tool.Function.Name = t.Name
		tool.Function.Description = t.Description
		tool.Function.Parameters = t.Schema.Schema
		tool.Function.Strict = t.Schema.Strict
		w.Tools = append(w.Tools, tool)
	}
	if len(w.Tools) > 0 {
		w.ToolChoice = string(req.Choice)
	}
	if out := turn.Output; out != nil {
		w.Format = map[string]any{"type": "json_schema", "json_schema": map[string]any{
			"name": "answer", "schema": out.Schema, "strict": out.Strict}}
	}
	body, err := json.Marshal(w)
	turn.Sent(body)
	return turn, body, err
}

func message(turn *wire.Turn, m llm.Message) wireMessage {
	text := m.Text
	w := wireMessage{Role: string(m.Role), Content: &text}
	if m.Role == llm.ToolRole {
		w.ToolCallID = m.CallID
	}
	for _, t := range m.ToolCalls {
		var wc wireCall
		wc.ID, wc.Type = t.ID, "function"
		wc.Function.Name, wc.Function.Arguments = turn.Names.Wire(t.Name), string(wire.Object(t.Arguments))
		w.ToolCalls = append(w.ToolCalls, wc)
	}
	if len(w.ToolCalls) > 0 && text == "" {
		w.Content = nil
	}
	return w
}
