package scripted

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

type dict = map[string]any

// say writes one answer, as a stream or in one piece as it was asked for.
type say struct {
	w    http.ResponseWriter
	req  Request
	turn Turn
	n    int
}

func (s say) all() {
	if s.req.Stream {
		s.stream()
	} else {
		s.whole()
	}
}

func (s say) finish() string {
	switch {
	case s.turn.Finish != "":
		return s.turn.Finish
	case len(s.turn.Calls) > 0:
		return "tool_calls"
	}
	return "stop"
}

func (s say) used() Usage {
	if s.turn.Usage != nil {
		return *s.turn.Usage
	}
	return Usage{Input: 10, Output: 5}
}

func (s say) usage() dict {
	u := s.used()
	out := dict{"prompt_tokens": u.Input, "completion_tokens": u.Output, "total_tokens": u.Input + u.Output}
	if u.Cached > 0 {
		out["prompt_tokens_details"] = dict{"cached_tokens": u.Cached}
	}
	return out
}

// call is the i-th tool call as id, wire name and bare text of its arguments.
func (s say) call(i int) (id, name, args string) {
	c := s.turn.Calls[i]
	name = s.req.offered(c.Name)
	if name == "" {
		name = c.Name // a model may well call what it was not offered
	}
	args = string(c.Arguments)
	var bare string
	if json.Unmarshal(c.Arguments, &bare) == nil {
		args = bare
	}
	return fmt.Sprintf("call_%d_%d", s.n, i), name, args
}

func (s say) whole() {
	msg := dict{"role": "assistant", "content": s.turn.Text}
	if s.turn.Refusal != "" {
		msg["refusal"] = s.turn.Refusal
	}
	var calls []dict
	for i := range s.turn.Calls {
		id, name, args := s.call(i)
		calls = append(calls, dict{"id": id, "type": "function", "function": dict{"name": name, "arguments": args}})
	}
	if calls != nil {
		msg["tool_calls"] = calls
	}
	b, _ := json.Marshal(dict{"id": "script", "object": "chat.completion", "model": s.req.Model, "usage": s.usage(),
		"choices": []dict{{"index": 0, "message": msg, "finish_reason": s.finish()}}})
	s.sendWhole(b)
}

// sendWhole sends an answer in one piece, or half of it.
func (s say) sendWhole(b []byte) {
	s.w.Header().Set("Content-Type", "application/json")
	if s.turn.Cut {
		s.w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		b = b[:len(b)/2]
	}
	_, _ = s.w.Write(b)
}

func (s say) flush() {
	if f, ok := s.w.(http.Flusher); ok {
		f.Flush()
	}
}

func (s say) stream() {
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.delta(dict{"role": "assistant", "content": ""}, nil)
	text := []rune(s.turn.Text)
	for len(text) > 0 {
		k := min(4, len(text))
		s.delta(dict{"content": string(text[:k])}, nil)
		time.Sleep(time.Duration(s.turn.PaceMS) * time.Millisecond)
		text = text[k:]
		if s.turn.Cut {
			_, _ = s.w.Write([]byte(`data: {"choices":[{"del`)) // cut inside a line
			return
		}
	}
	if s.turn.Refusal != "" {
		s.delta(dict{"refusal": s.turn.Refusal}, nil)
	}
	for i := range s.turn.Calls {
		id, name, args := s.call(i)
		half := len(args) / 2
		s.delta(dict{"tool_calls": []dict{{"index": i, "id": id, "type": "function", "function": dict{"name": name, "arguments": args[:half]}}}}, nil)
		if s.turn.Cut {
			return
		}
		s.delta(dict{"tool_calls": []dict{{"index": i, "function": dict{"arguments": args[half:]}}}}, nil)
	}
	s.delta(dict{}, s.finish())
	if s.req.StreamOptions.IncludeUsage && !s.turn.NoUsage {
		s.event(dict{"choices": []dict{}, "usage": s.usage()})
	}
	_, _ = s.w.Write([]byte("data: [DONE]\n\n"))
}

func (s say) delta(d dict, finish any) {
	s.event(dict{"choices": []dict{{"index": 0, "delta": d, "finish_reason": finish}}})
}

func (s say) event(o dict) {
	o["id"], o["object"], o["model"] = "script", "chat.completion.chunk", s.req.Model
	b, _ := json.Marshal(o)
	_, _ = fmt.Fprintf(s.w, "data: %s\n\n", b)
	s.flush()
}
