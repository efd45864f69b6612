package scripted

import (
	"encoding/json"
	"fmt"
	"net/http"
)

type object = map[string]any

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

func (s say) usage() object {
	u := Usage{Input: 10, Output: 5}
	if s.turn.Usage != nil {
		u = *s.turn.Usage
	}
	return object{"prompt_tokens": u.Input, "completion_tokens": u.Output, "total_tokens": u.Input + u.Output}
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
	msg := object{"role": "assistant", "content": s.turn.Text}
	if s.turn.Refusal != "" {
		msg["refusal"] = s.turn.Refusal
	}
	var calls []object
	for i := range s.turn.Calls {
		id, name, args := s.call(i)
		calls = append(calls, object{"id": id, "type": "function", "function": object{"name": name, "arguments": args}})
	}
	if calls != nil {
		msg["tool_calls"] = calls
	}
	b, _ := json.Marshal(object{"id": "script", "object": "chat.completion", "model": s.req.Model, "usage": s.usage(),
		"choices": []object{{"index": 0, "message": msg, "finish_reason": s.finish()}}})
	s.w.Header().Set("Content-Type", "application/json")
	if s.turn.Cut {
		s.w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		b = b[:len(b)/2]
	}
	_, _ = s.w.Write(b)
}

func (s say) stream() {
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.delta(object{"role": "assistant", "content": ""}, nil)
	text := []rune(s.turn.Text)
	for len(text) > 0 {
		k := min(4, len(text))
		s.delta(object{"content": string(text[:k])}, nil)
		text = text[k:]
		if s.turn.Cut {
			_, _ = s.w.Write([]byte(`data: {"choices":[{"del`)) // cut inside a line
			return
		}
	}
	if s.turn.Refusal != "" {
		s.delta(object{"refusal": s.turn.Refusal}, nil)
	}
	for i := range s.turn.Calls {
		id, name, args := s.call(i)
		half := len(args) / 2
		s.delta(object{"tool_calls": []object{{"index": i, "id": id, "type": "function", "function": object{"name": name, "arguments": args[:half]}}}}, nil)
		if s.turn.Cut {
			return
		}
		s.delta(object{"tool_calls": []object{{"index": i, "function": object{"arguments": args[half:]}}}}, nil)
	}
	s.delta(object{}, s.finish())
	s.event(object{"choices": []object{}, "usage": s.usage()})
	_, _ = s.w.Write([]byte("data: [DONE]\n\n"))
}

func (s say) delta(d object, finish any) {
	s.event(object{"choices": []object{{"index": 0, "delta": d, "finish_reason": finish}}})
}

func (s say) event(o object) {
	o["id"], o["object"], o["model"] = "script", "chat.completion.chunk", s.req.Model
	b, _ := json.Marshal(o)
	_, _ = fmt.Fprintf(s.w, "data: %s\n\n", b)
	if f, ok := s.w.(http.Flusher); ok {
		f.Flush()
	}
}
