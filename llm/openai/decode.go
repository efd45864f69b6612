package openai

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

// piece is a chunk of a stream, or with Message the whole answer.
type piece struct {
	Choices []struct {
		Delta   said   `json:"delta"`
		Message said   `json:"message"`
		Finish  string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Input   int64 `json:"prompt_tokens"`
		Output  int64 `json:"completion_tokens"`
		Details struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

type said struct {
	Content   string     `json:"content"`
	Refusal   string     `json:"refusal"`
	ToolCalls []wireCall `json:"tool_calls"`
}

// reader reads one answer into turn.
func reader(turn *wire.Turn, emit func(llm.Event) error) func(*http.Response) (llm.Reply, error) {
	return func(res *http.Response) (llm.Reply, error) {
		turn.Begin(emit)
		a := answer{turn}
		var err error
		if wire.Streams(res) {
			err = a.stream(res.Body)
		} else {
			err = a.whole(res.Body)
		}
		if err != nil {
			return llm.Reply{}, err
		}
		return turn.Reply(), nil
	}
}

type answer struct{ turn *wire.Turn }

func (a answer) whole(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return wire.Broken(err)
	}
	var p piece
	if err := json.Unmarshal(b, &p); err != nil {
		return wire.Nonsense(err)
	}
	if len(p.Choices) == 0 && p.Error == nil {
		return wire.Nonsense(errors.New("no choices"))
	}
	return a.take(p)
}

// stream ends with [DONE] or a finish reason.
func (a answer) stream(r io.Reader) error {
	err := wire.Events(r, func(data []byte) error {
		if string(data) == "[DONE]" {
			return io.EOF
		}
		var p piece
		if err := json.Unmarshal(data, &p); err != nil {
			return wire.Nonsense(err)
		}
		return a.take(p)
	})
	if err == nil && !a.turn.Ended() {
		return wire.Broken(io.ErrUnexpectedEOF)
	}
	return err
}

func (a answer) take(p piece) error {
	if len(p.Error) > 0 && string(p.Error) != "null" {
		text, _ := wire.Sentence(strings.NewReader(`{"error":`+string(p.Error)+`}`), "")
		return wire.Again(fault.New(fault.Unavailable, "the model's server gave up in the middle%s", text))
	}
	if u := p.Usage; u != nil {
		*a.turn.Use() = llm.Usage{InputTokens: max(0, u.Input), OutputTokens: max(0, u.Output), CachedTokens: max(0, min(u.Details.Cached, u.Input))}
	}
	if len(p.Choices) == 0 {
		return nil
	}
	ch := p.Choices[0]
	switch ch.Finish {
	case "":
	case "content_filter":
		a.turn.End(llm.StopFilter)
	case "length":
		a.turn.End(llm.StopLength)
	default:
		a.turn.End(llm.StopEnd)
	}
	for _, s := range []said{ch.Delta, ch.Message} {
		a.turn.Refuse(s.Refusal)
		for i, c := range s.ToolCalls {
			if err := a.toolCall(i, c); err != nil {
				return err
			}
		}
		if err := a.turn.Text(s.Content); err != nil {
			return err
		}
	}
	return nil
}

// toolCall adds a piece of a call. Most servers number the calls; some send
// every call whole and number none.
func (a answer) toolCall(i int, c wireCall) error {
	if c.Index != nil {
		i = *c.Index
	} else if c.ID != "" || i >= a.turn.Calls() {
		i = a.turn.Calls()
	}
	call, err := a.turn.Call(i)
	if err != nil {
		return err
	}
	if c.ID != "" {
		call.ID = c.ID
	}
	if c.Function.Name != "" {
		call.Name = c.Function.Name
	}
	a.turn.Arguments(i, c.Function.Arguments)
	return nil
}
