package scripted

import (
	"encoding/json"
	"net/http"
)

// Request is what the server was asked, as far as scripts and tests look at it,
// in the words of the chat dialect whatever dialect it came in.
type Request struct {
	Model      string          `json:"model"`
	Messages   []Message       `json:"messages"`
	Tools      []Tool          `json:"tools"`
	Stream     bool            `json:"stream"`
	Format     json.RawMessage `json:"response_format"`
	ToolChoice string          `json:"-"`
	MaxTokens  int64           `json:"-"`
	N          int64           `json:"n"`

	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`

	Path   string          `json:"-"`
	Header http.Header     `json:"-"`
	Body   json.RawMessage `json:"-"`
}

// Message is one entry of the conversation.
type Message struct {
	Role       string `json:"role"`
	Content    Text   `json:"content"`
	ToolCallID string `json:"tool_call_id"`
	// Calls that the assistant made in this message, by id.
	Calls []string `json:"-"`
}

// Tool is one tool that is offered.
type Tool struct {
	Function Function `json:"function"`
}

// Function is a tool's name and schema on the wire.
type Function struct {
	Name       string          `json:"name"`
	Parameters json.RawMessage `json:"parameters"`
	Strict     bool            `json:"strict"`
}

// Text is a string, or the text of a list of parts.
type Text string

// UnmarshalJSON takes both forms.
func (t *Text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = Text(s)
		return nil
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		*t += Text(p.Text)
	}
	return nil
}

// readChat reads a request of the chat completions dialect.
func readChat(b []byte) (Request, error) {
	var r Request
	var more struct {
		Choice        json.RawMessage `json:"tool_choice"`
		MaxTokens     int64           `json:"max_tokens"`
		MaxCompletion int64           `json:"max_completion_tokens"`
		Messages      []struct {
			Calls []struct {
				ID string `json:"id"`
			} `json:"tool_calls"`
		} `json:"messages"`
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &more); err != nil {
		return r, err
	}
	_ = json.Unmarshal(more.Choice, &r.ToolChoice) // an object names one tool
	r.MaxTokens = max(more.MaxTokens, more.MaxCompletion)
	for i, m := range more.Messages {
		for _, c := range m.Calls {
			r.Messages[i].Calls = append(r.Messages[i].Calls, c.ID)
		}
	}
	return r, answered(r.Messages)
}
