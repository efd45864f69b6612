package responses

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

type event struct {
	Type     string   `json:"type"`
	Delta    string   `json:"delta"`
	Item     output   `json:"item"`
	Response response `json:"response"`
	Message  string   `json:"message"` // of an error
}

type response struct {
	Object     string   `json:"object"`
	Status     string   `json:"status"`
	Output     []output `json:"output"`
	Incomplete *struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
	Usage *struct {
		Input   int64 `json:"input_tokens"`
		Output  int64 `json:"output_tokens"`
		Details struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"input_tokens_details"`
	} `json:"usage"`
}

type output struct {
	Type    string `json:"type"`
	Content []struct {
		Type    string `json:"type"`
		Text    string `json:"text"`
		Refusal string `json:"refusal"`
	} `json:"content"`
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

func reader(turn *wire.Turn, emit func(llm.Event) error) func(*http.Response) (llm.Reply, error) {
	return func(res *http.Response) (llm.Reply, error) {
		turn.Begin(emit)
		r := reading{turn: turn}
		var err error
		if wire.Streams(res) {
			err = wire.Events(res.Body, r.event)
			if err == nil && !turn.Ended() {
				err = wire.Broken(io.ErrUnexpectedEOF)
			}
		} else {
			err = r.whole(res.Body)
		}
		if err != nil {
			return llm.Reply{}, err
		}
		return turn.Reply(), nil
	}
}

// reading is an answer on its way. Text streams; calls are taken when whole.
type reading struct{ turn *wire.Turn }

func (r reading) whole(body io.Reader) error {
	b, err := io.ReadAll(body)
	if err != nil {
		return wire.Broken(err)
	}
	var a response
	if err := json.Unmarshal(b, &a); err != nil {
		return wire.Nonsense(err)
	}
	if a.Object != "response" {
		return wire.Nonsense(errors.New("no response"))
	}
	for _, o := range a.Output {
		for _, c := range o.Content {
			r.turn.Refuse(c.Refusal)
			if c.Type == "output_text" {
				if err := r.turn.Text(c.Text); err != nil {
					return err
				}
			}
		}
		if err := r.call(o); err != nil {
			return err
		}
	}
	return r.end(a)
}

func (r reading) event(data []byte) error {
	if string(data) == "[DONE]" {
		return io.EOF
	}
	var e event
	if err := json.Unmarshal(data, &e); err != nil {
		return wire.Nonsense(err)
	}
	switch e.Type {
	case "response.output_text.delta":
		return r.turn.Text(e.Delta)
	case "response.refusal.delta":
		r.turn.Refuse(e.Delta)
	case "response.output_item.done":
		return r.call(e.Item)
	case "response.completed", "response.incomplete", "response.failed":
		if err := r.end(e.Response); err != nil {
			return err
		}
		return io.EOF
	case "error":
		return gaveUp(e.Message)
	}
	return nil
}

func (r reading) call(o output) error {
	if o.Type != "function_call" {
		return nil
	}
	n := r.turn.Calls()
	c, err := r.turn.Call(n)
	if err != nil {
		return err
	}
	c.ID, c.Name = o.CallID, o.Name
	r.turn.Arguments(n, o.Arguments)
	return nil
}

func (r reading) end(a response) error {
	if u := a.Usage; u != nil {
		*r.turn.Use() = llm.Usage{InputTokens: max(0, u.Input), OutputTokens: max(0, u.Output), CachedTokens: max(0, min(u.Details.Cached, u.Input))}
	}
	switch a.Status {
	case "failed":
		text := ""
		if a.Error != nil {
			text = a.Error.Message
		}
		return gaveUp(text)
	case "incomplete":
		r.turn.End(llm.StopLength)
		if a.Incomplete != nil && a.Incomplete.Reason == "content_filter" {
			r.turn.End(llm.StopFilter)
		}
	default:
		r.turn.End(llm.StopEnd)
	}
	return nil
}

func gaveUp(said string) error {
	b, _ := json.Marshal(said)
	text, _ := wire.Sentence(strings.NewReader(`{"error":`+string(b)+`}`), "")
	return wire.Again(fault.New(fault.Unavailable, "the model's server gave up in the middle%s", text))
}
