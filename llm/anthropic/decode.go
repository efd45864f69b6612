package anthropic

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

// event is one event of a stream; a whole answer is like the message in one.
type event struct {
	Type    string `json:"type"`
	Message answer `json:"message"`
	Index   int    `json:"index"`
	Block   part   `json:"content_block"`
	Delta   struct {
		Type       string `json:"type"`
		Text       string `json:"text"`
		JSON       string `json:"partial_json"`
		StopReason string `json:"stop_reason"`
	} `json:"delta"`
	Usage *usage          `json:"usage"`
	Error json.RawMessage `json:"error"`
}

type answer struct {
	Type       string `json:"type"`
	Content    []part `json:"content"`
	StopReason string `json:"stop_reason"`
	Usage      *usage `json:"usage"`
}

type part struct {
	Type  string          `json:"type"`
	Text  string          `json:"text"`
	ID    string          `json:"id"`
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`
}

type usage struct {
	Input      *int64 `json:"input_tokens"`
	Output     *int64 `json:"output_tokens"`
	CacheRead  *int64 `json:"cache_read_input_tokens"`
	CacheWrite *int64 `json:"cache_creation_input_tokens"`
}

func reader(turn *wire.Turn, emit func(llm.Event) error) func(*http.Response) (llm.Reply, error) {
	return func(res *http.Response) (llm.Reply, error) {
		turn.Begin(emit)
		r := reading{turn: turn, calls: map[int]int{}}
		var err error
		if wire.Streams(res) {
			err = wire.Events(res.Body, r.event)
			if err == nil && !r.over {
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

// reading is an answer on its way. calls maps the index of a content block to
// that of its tool call.
type reading struct {
	turn  *wire.Turn
	calls map[int]int
	over  bool
}

func (r *reading) whole(body io.Reader) error {
	b, err := io.ReadAll(body)
	if err != nil {
		return wire.Broken(err)
	}
	var a answer
	if err := json.Unmarshal(b, &a); err != nil {
		return wire.Nonsense(err)
	}
	if a.Type != "message" {
		return wire.Nonsense(errors.New("no message"))
	}
	for i, p := range a.Content {
		if err := r.part(i, p); err != nil {
			return err
		}
	}
	r.use(a.Usage)
	return r.stop(a.StopReason)
}

func (r *reading) event(data []byte) error {
	var e event
	if err := json.Unmarshal(data, &e); err != nil {
		return wire.Nonsense(err)
	}
	switch e.Type {
	case "message_start":
		r.use(e.Message.Usage)
	case "content_block_start":
		if e.Block.Type == "tool_use" {
			e.Block.Input = nil // it comes in pieces
		}
		return r.part(e.Index, e.Block)
	case "content_block_delta":
		if i, ok := r.calls[e.Index]; ok {
			r.turn.Arguments(i, e.Delta.JSON)
			return nil
		}
		return r.turn.Text(e.Delta.Text)
	case "message_delta":
		r.use(e.Usage)
		return r.stop(e.Delta.StopReason)
	case "message_stop":
		r.over = true
		return io.EOF
	case "error":
		text, _ := wire.Sentence(strings.NewReader(`{"error":`+string(e.Error)+`}`), "")
		return wire.Again(fault.New(fault.Unavailable, "the model's server gave up in the middle%s", text))
	}
	return nil
}

func (r *reading) part(i int, p part) error {
	switch p.Type {
	case "text":
		return r.turn.Text(p.Text)
	case "tool_use":
		n := r.turn.Calls()
		c, err := r.turn.Call(n)
		if err != nil {
			return err
		}
		c.ID, c.Name = p.ID, p.Name
		r.calls[i] = n
		r.turn.Arguments(n, string(p.Input))
	}
	return nil // thinking and whatever may come later
}

func (r *reading) stop(reason string) error {
	switch reason {
	case "":
		return nil
	case "max_tokens", "model_context_window_exceeded":
		r.turn.End(llm.StopLength)
	case "refusal":
		r.turn.End(llm.StopFilter)
	default: // end_turn, tool_use, stop_sequence, pause_turn
		r.turn.End(llm.StopEnd)
	}
	return nil
}

// use books what was said so far: the input comes first, the output last.
func (r *reading) use(u *usage) {
	if u == nil {
		return
	}
	to := r.turn.Use()
	fresh := to.InputTokens - to.CachedTokens - to.CacheWriteTokens
	for _, f := range []struct{ to, from *int64 }{{&fresh, u.Input}, {&to.OutputTokens, u.Output}, {&to.CachedTokens, u.CacheRead}, {&to.CacheWriteTokens, u.CacheWrite}} {
		if f.from != nil {
			*f.to = max(0, *f.from)
		}
	}
	to.InputTokens = fresh + to.CachedTokens + to.CacheWriteTokens
}
