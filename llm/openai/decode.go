package openai

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// maxAnswer bounds one answer; a server that sends more is broken or hostile.
const maxAnswer = 16 << 20

// maxCalls bounds the tool calls of one answer.
const maxCalls = 128

// piece is a chunk of a stream, or with Message the whole answer.
type piece struct {
	Choices []struct {
		Delta   said   `json:"delta"`
		Message said   `json:"message"`
		Finish  string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Input  int64 `json:"prompt_tokens"`
		Output int64 `json:"completion_tokens"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

type said struct {
	Content   string     `json:"content"`
	Refusal   string     `json:"refusal"`
	ToolCalls []wireCall `json:"tool_calls"`
}

// once sends the request once and reads its answer.
func (m *Model) once(ctx context.Context, key string, c *call, emit func(llm.Event) error) (llm.Reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(c.body))
	if err != nil {
		return llm.Reply{}, fmt.Errorf("request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "aria")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := m.client.Do(req)
	if err != nil {
		return llm.Reply{}, unreachable(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return llm.Reply{}, m.refusal(res, key)
	}
	a := answer{call: c, emit: emit}
	body := io.LimitReader(res.Body, maxAnswer)
	// A server may ignore "stream" and answer in one piece.
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		err = a.stream(body)
	} else {
		err = a.whole(body)
	}
	if err != nil {
		return llm.Reply{}, err
	}
	return a.reply()
}

// answer gathers the pieces of one answer.
type answer struct {
	call    *call
	emit    func(llm.Event) error
	text    strings.Builder
	refused strings.Builder
	calls   []llm.ToolCall
	args    [][]byte
	finish  string
	usage   *llm.Usage
}

func (a *answer) whole(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return broken(err)
	}
	var p piece
	if err := json.Unmarshal(b, &p); err != nil {
		return nonsense(err)
	}
	if len(p.Choices) == 0 && p.Error == nil {
		return nonsense(errors.New("no choices"))
	}
	return a.take(p)
}

// stream reads server-sent events (WHATWG HTML, 9.2) as far as the dialect uses
// them: data lines, each one JSON object, ended by [DONE] or a finish reason.
func (a *answer) stream(r io.Reader) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), 4<<20)
	for sc.Scan() {
		data, ok := bytes.CutPrefix(sc.Bytes(), []byte("data:"))
		if !ok {
			continue
		}
		data = bytes.TrimSpace(data)
		if string(data) == "[DONE]" {
			break
		}
		var p piece
		if err := json.Unmarshal(data, &p); err != nil {
			if !sc.Scan() { // the last line: the connection ended inside it
				return broken(err)
			}
			return nonsense(err)
		}
		if err := a.take(p); err != nil {
			return err
		}
	}
	if a.finish == "" {
		return broken(sc.Err())
	}
	return nil
}

func (a *answer) take(p piece) error {
	if len(p.Error) > 0 && string(p.Error) != "null" {
		text := sentence(strings.NewReader(`{"error":`+string(p.Error)+`}`), "")
		return &retryable{fault: fault.New(fault.Unavailable, "the model's server gave up in the middle%s", text)}
	}
	if p.Usage != nil {
		a.usage = &llm.Usage{InputTokens: max(0, p.Usage.Input), OutputTokens: max(0, p.Usage.Output)}
	}
	if len(p.Choices) == 0 {
		return nil
	}
	ch := p.Choices[0]
	if ch.Finish != "" {
		a.finish = ch.Finish
	}
	for _, s := range []said{ch.Delta, ch.Message} {
		a.refused.WriteString(s.Refusal)
		for i, c := range s.ToolCalls {
			if err := a.toolCall(i, c); err != nil {
				return err
			}
		}
		if s.Content == "" {
			continue
		}
		a.text.WriteString(s.Content)
		if err := a.emit(llm.Event{Kind: llm.EventText, Text: s.Content}); err != nil {
			return err
		}
	}
	return nil
}

// toolCall adds a piece of a call. Most servers number the calls; some send
// every call whole and number none.
func (a *answer) toolCall(i int, c wireCall) error {
	if c.Index != nil {
		i = *c.Index
	} else if c.ID != "" || i >= len(a.calls) {
		i = len(a.calls)
	}
	if i < 0 || i >= maxCalls {
		return fault.New(fault.Failed, "the model asks for more than %d tool calls at once", maxCalls)
	}
	for len(a.calls) <= i {
		a.calls, a.args = append(a.calls, llm.ToolCall{}), append(a.args, nil)
	}
	if c.ID != "" {
		a.calls[i].ID = c.ID
	}
	if c.Function.Name != "" {
		a.calls[i].Name = c.Function.Name
	}
	a.args[i] = append(a.args[i], c.Function.Arguments...)
	return nil
}

func (a *answer) reply() (llm.Reply, error) {
	r := llm.Reply{Text: a.text.String(), Stop: llm.StopEnd}
	produced := len(r.Text)
	for i, c := range a.calls {
		args := string(a.args[i])
		produced += len(args)
		r.ToolCalls = append(r.ToolCalls, a.call.readCall(i, c, args))
	}
	switch {
	case a.refused.Len() > 0:
		r.Stop, r.Text = llm.StopFilter, a.refused.String()
	case a.finish == "content_filter":
		r.Stop = llm.StopFilter
	case a.finish == "length":
		r.Stop = llm.StopLength
	case len(r.ToolCalls) > 0:
		r.Stop = llm.StopTools
	}
	if a.usage != nil {
		r.Usage = *a.usage
	} else {
		r.Usage = llm.Usage{InputTokens: int64(a.call.input/4 + 1), OutputTokens: int64(produced/4 + 1), Estimated: true}
	}
	if a.call.output != nil && r.Stop == llm.StopEnd {
		if b, err := a.call.output.Undo(json.RawMessage(r.Text)); err == nil {
			r.Text = string(b)
		}
	}
	return r, nil
}

func (c *call) readCall(i int, t llm.ToolCall, args string) llm.ToolCall {
	if strings.TrimSpace(args) == "" {
		args = "{}"
	}
	t.Name, t.Arguments = c.names.unit(t.Name), args
	if low, ok := c.tools[t.Name]; ok {
		if b, err := low.Undo(json.RawMessage(args)); err == nil {
			t.Arguments = string(b)
		}
	}
	if t.ID == "" {
		t.ID = fmt.Sprintf("call_%d", i)
	}
	return t
}
