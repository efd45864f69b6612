package agent

import (
	"encoding/json"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// Kinds of events and, below, their data.
const (
	KindTurn   = "agent.turn"
	KindReply  = "model.reply"
	KindCall   = "tool.call"
	KindResult = "tool.result"
)

// TurnEvent: a turn of the model begins.
type TurnEvent struct {
	Step     int       `json:"step"` // from 1
	Messages int       `json:"messages"`
	Spent    llm.Usage `json:"spent"` // before this turn
}

// ReplyEvent: the model has answered.
type ReplyEvent struct {
	Step   int       `json:"step"`
	Text   string    `json:"text,omitempty"`
	Calls  []string  `json:"calls,omitempty"` // units it wants to call
	Stop   llm.Stop  `json:"stop"`
	Usage  llm.Usage `json:"usage"` // of this turn
	TookMS int64     `json:"tookMs"`
}

// CallEvent: a tool is about to be invoked.
type CallEvent struct {
	Call  string          `json:"call"` // "3.1"
	Unit  string          `json:"unit"`
	Input json.RawMessage `json:"input"`
	// Repaired: Input is not what the model wrote but what it must have meant.
	Repaired bool `json:"repaired,omitempty"`
}

// ResultEvent: a call has ended, or was refused before it began.
type ResultEvent struct {
	Call   string          `json:"call"`
	Unit   string          `json:"unit"`
	Output json.RawMessage `json:"output,omitempty"` // whole, also where the model saw less
	Error  *CallError      `json:"error,omitempty"`
	Cut    bool            `json:"cut,omitempty"` // the model saw only the beginning
	TookMS int64           `json:"tookMs"`
}

// CallError is what went wrong, as the model and the reader of events see it.
type CallError struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

// callError shows the face of a fault and nothing of any other error.
func callError(err error) *CallError {
	if f, ok := fault.As(err); ok && f.Code != fault.Internal {
		return &CallError{Code: f.Code, Message: f.Message, Hint: f.Hint}
	}
	return &CallError{Code: fault.Internal, Message: "internal error"}
}
