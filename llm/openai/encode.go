package openai

import (
	"encoding/json"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// call is one request made ready, and what is needed to read its answer.
type call struct {
	body   []byte
	input  int // bytes of the conversation, for servers that count nothing
	names  names
	tools  map[string]llm.Lowered // by unit name
	output *llm.Lowered
}

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

func (m *Model) encode(req llm.Request) (*call, error) {
	c := &call{names: newNames(req.Tools), tools: map[string]llm.Lowered{}}
	w := wireRequest{Model: m.cfg.Model, MaxTokens: req.MaxTokens, Temperature: req.Temperature}
	if !m.cfg.Whole {
		w.Stream, w.StreamOptions = true, map[string]any{"include_usage": true}
	}
	if m.newLimit { // OpenAI's own newer models refuse the old word, other servers know only it
		w.MaxTokens, w.MaxCompletion = 0, w.MaxTokens
	}
	for _, msg := range req.Messages {
		w.Messages = append(w.Messages, c.message(msg))
	}
	for _, t := range req.Tools {
		low, err := llm.Lower(t.Schema)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "the input schema of tool %q is not JSON", t.Name)
		}
		var tool wireTool
		tool.Type = "function"
		tool.Function.Name = c.names.wire(t.Name)
		tool.Function.Description = t.Description
		tool.Function.Parameters = low.Schema
		tool.Function.Strict = low.Strict
		c.tools[t.Name] = low
		w.Tools = append(w.Tools, tool)
	}
	if len(w.Tools) > 0 {
		w.ToolChoice = string(req.Choice)
	}
	if req.Output != nil {
		low, err := llm.Lower(req.Output)
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "the output schema is not JSON")
		}
		c.output = &low
		w.Format = map[string]any{"type": "json_schema", "json_schema": map[string]any{
			"name": "answer", "schema": low.Schema, "strict": low.Strict}}
	}
	body, err := json.Marshal(w)
	c.body, c.input = body, len(body)
	return c, err
}

func (c *call) message(m llm.Message) wireMessage {
	text := m.Text
	w := wireMessage{Role: string(m.Role), Content: &text}
	if m.Role == llm.ToolRole {
		w.ToolCallID = m.CallID
	}
	for _, t := range m.ToolCalls {
		var wc wireCall
		wc.ID, wc.Type = t.ID, "function"
		wc.Function.Name, wc.Function.Arguments = c.names.wire(t.Name), t.Arguments
		if !json.Valid([]byte(t.Arguments)) {
			wc.Function.Arguments = "{}" // some servers refuse a history that is no JSON
		}
		w.ToolCalls = append(w.ToolCalls, wc)
	}
	if len(w.ToolCalls) > 0 && text == "" {
		w.Content = nil
	}
	return w
}
