package gemini

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

// chunk is a whole answer, or a piece of a stream: both have the same form.
type chunk struct {
	Candidates []struct {
		Content content `json:"content"`
		Finish  string  `json:"finishReason"`
		Message string  `json:"finishMessage"`
	} `json:"candidates"`
	Usage *struct {
		Prompt   int64 `json:"promptTokenCount"`
		Answer   int64 `json:"candidatesTokenCount"`
		Thoughts int64 `json:"thoughtsTokenCount"`
		Tools    int64 `json:"toolUsePromptTokenCount"`
		Cached   int64 `json:"cachedContentTokenCount"`
	} `json:"usageMetadata"`
	Feedback struct {
		Block   string `json:"blockReason"`
		Message string `json:"blockReasonMessage"`
	} `json:"promptFeedback"`
	Error json.RawMessage `json:"error"`
}

func reader(turn *wire.Turn, emit func(llm.Event) error) func(*http.Response) (llm.Reply, error) {
	return func(res *http.Response) (llm.Reply, error) {
		turn.Begin(emit)
		r := reading{turn}
		var err error
		if wire.Streams(res) {
			err = wire.Events(res.Body, r.take)
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

type reading struct{ turn *wire.Turn }

func (r reading) whole(body io.Reader) error {
	b, err := io.ReadAll(body)
	if err != nil {
		return wire.Broken(err)
	}
	if err := r.take(b); err != nil {
		return err
	}
	if !r.turn.Ended() {
		return wire.Nonsense(errors.New("no candidate"))
	}
	return nil
}

func (r reading) take(data []byte) error {
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		return wire.Nonsense(err)
	}
	if len(c.Error) > 0 {
		text, _ := wire.Sentence(strings.NewReader(string(data)), "")
		return wire.Again(fault.New(fault.Unavailable, "the model's server gave up in the middle%s", text))
	}
	if u := c.Usage; u != nil {
		in := max(0, u.Prompt) + max(0, u.Tools)
		*r.turn.Use() = llm.Usage{InputTokens: in, OutputTokens: max(0, u.Answer) + max(0, u.Thoughts), CachedTokens: max(0, min(u.Cached, in))}
	}
	if c.Feedback.Block != "" {
		r.turn.Refuse(strings.TrimSpace("the prompt was refused (" + c.Feedback.Block + ") " + c.Feedback.Message))
		r.turn.End(llm.StopFilter)
		return nil
	}
	if len(c.Candidates) == 0 {
		return nil
	}
	cand := c.Candidates[0]
	for _, p := range cand.Content.Parts {
		if err := r.part(p); err != nil {
			return err
		}
	}
	r.finish(cand.Finish)
	return nil
}

func (r reading) part(p part) error {
	if p.Thought {
		return nil
	}
	if p.Call == nil {
		return r.turn.Text(p.Text)
	}
	n := r.turn.Calls()
	c, err := r.turn.Call(n)
	if err != nil {
		return err
	}
	c.ID, c.Name, c.Signature = p.Call.ID, p.Call.Name, p.Signature
	r.turn.Arguments(n, string(p.Call.Args))
	return nil
}

func (r reading) finish(reason string) {
	switch reason {
	case "":
	case "STOP", "FINISH_REASON_UNSPECIFIED", "OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL":
		r.turn.End(llm.StopEnd)
	case "MAX_TOKENS":
		r.turn.End(llm.StopLength)
	default: // SAFETY, RECITATION, BLOCKLIST, PROHIBITED_CONTENT, SPII, LANGUAGE, …
		r.turn.End(llm.StopFilter)
	}
}
