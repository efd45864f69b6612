// Package llm is the one interface between an agent and whatever answers it: a
// provider's model over HTTP (llm/openai), a script (llm/scripted) or the
// deterministic planner (llm/local). It also holds what all dialects share: the
// lowering of a schema to the strict dialect and its undoing, prices, and the
// catalogue that turns "openai:gpt-4o-mini" into an address.
//
// It opens no connection, reads no file and knows no provider.
package llm

import (
	"context"
	"encoding/json"
	"errors"
)

// Model answers one turn. Generate calls emit with what arrives on the way, in
// order and from one goroutine at a time; emit may be nil. An error of emit
// ends the turn with that error. Errors a person can act on are faults.
// Implementations may be used from many goroutines at once.
type Model interface {
	Generate(ctx context.Context, req Request, emit func(Event) error) (Reply, error)
}

// ErrTooLong is in the chain of an error that says that the conversation does not
// fit the model.
var ErrTooLong = errors.New("conversation too long")

// Role of a message.
type Role string

const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
	ToolRole  Role = "tool" // the result of one tool call
)

// Message is one entry of the conversation.
type Message struct {
	Role      Role       `json:"role"`
	Text      string     `json:"text,omitempty"`
	ToolCalls []ToolCall `json:"toolCalls,omitempty"` // of an assistant
	CallID    string     `json:"callId,omitempty"`    // of a tool result: whose it is
	Tool      string     `json:"tool,omitempty"`      // of a tool result: unit name
	Failed    bool       `json:"failed,omitempty"`    // of a tool result: Text says what went wrong
	// Correction: of a user, but written by the loop about the form of the answer.
	Correction bool `json:"correction,omitempty"`
}

// Tool is what the model may call. Name is a unit's name as written
// ("orders.get"); a dialect that cannot spell it maps it and maps it back.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema"` // JSON Schema 2020-12 of the one object it takes
}

// ToolCall is one call the model asks for. Arguments is what it wrote, lowered
// schema already undone; it may be no JSON at all if the model wrote none.
type ToolCall struct {
	ID        string `json:"id"`
	Name      string `json:"name"` // unit name, or what the model wrote if no tool has it
	Arguments string `json:"arguments"`
	// Signature is the provider's and goes back with the call as it came: Gemini
	// wants it. Empty with the others.
	Signature string `json:"signature,omitempty"`
}

// Choice says whether the model must, may or must not call a tool.
type Choice string

const (
	Auto     Choice = "" // as the model likes
	None     Choice = "none"
	Required Choice = "required"
)

// Request is one turn.
type Request struct {
	Messages []Message
	Tools    []Tool
	Choice   Choice
	// Output is the JSON Schema the final text must satisfy; nil: free text.
	Output json.RawMessage
	// MaxTokens bounds the answer; 0: the model's own bound.
	MaxTokens   int64
	Temperature *float64 // nil: the model's own
}

// Stop is why the answer ended.
type Stop string

const (
	StopEnd    Stop = "end"    // it said what it had to say
	StopTools  Stop = "tools"  // it waits for the results of ToolCalls
	StopLength Stop = "length" // MaxTokens or the model's own bound
	StopFilter Stop = "filter" // refused by the model or its provider; Text says how
	StopAsk    Stop = "ask"    // it needs to know something first; Text is the question
)

// Reply is one whole answer.
type Reply struct {
	Text      string
	ToolCalls []ToolCall
	Usage     Usage
	Stop      Stop
}

// Event kinds while an answer arrives.
const (
	EventText  = "text"  // Text is the next piece
	EventRetry = "retry" // it starts again: forget the pieces of this turn; Text says why
	// EventFallback: another model takes over; forget the pieces, Text says why.
	EventFallback = "fallback"
)

// Event is something that happens while an answer arrives.
type Event struct {
	Kind string
	Text string
}
