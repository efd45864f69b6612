package scripted

import (
	"encoding/json"
	"fmt"
)

// readResponses reads a request of OpenAI's responses dialect.
// Source: platform.openai.com/docs/api-reference/responses/create.
func readResponses(b []byte) (Request, error) {
	var w struct {
		Model        string          `json:"model"`
		Input        json.RawMessage `json:"input"`
		Instructions string          `json:"instructions"`
		Tools        []struct {
			Type        string          `json:"type"`
			Name        string          `json:"name"`
			Description string          `json:"description"`
			Parameters  json.RawMessage `json:"parameters"`
			Strict      bool            `json:"strict"`
		} `json:"tools"`
		Choice    json.RawMessage `json:"tool_choice"`
		MaxTokens int64           `json:"max_output_tokens"`
		Stream    bool            `json:"stream"`
		Text      struct {
			Format json.RawMessage `json:"format"`
		} `json:"text"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return Request{}, err
	}
	r := Request{Model: w.Model, Stream: w.Stream, Format: w.Text.Format, MaxTokens: w.MaxTokens}
	_ = json.Unmarshal(w.Choice, &r.ToolChoice)
	if w.MaxTokens != 0 && w.MaxTokens < 16 {
		return r, fmt.Errorf("max_output_tokens is %d; the least is 16", w.MaxTokens)
	}
	for _, t := range w.Tools {
		if t.Type != "function" || t.Name == "" {
			return r, fmt.Errorf("tool of type %q and name %q", t.Type, t.Name)
		}
		r.Tools = append(r.Tools, Tool{Function{Name: t.Name, Parameters: t.Parameters, Strict: t.Strict}})
	}
	if w.Instructions != "" {
		r.Messages = append(r.Messages, Message{Role: "system", Content: Text(w.Instructions)})
	}
	var plain string
	if json.Unmarshal(w.Input, &plain) == nil {
		r.Messages = append(r.Messages, Message{Role: "user", Content: Text(plain)})
		return r, nil
	}
	if err := r.items(w.Input); err != nil {
		return r, err
	}
	return r, answered(r.Messages)
}

// items are the entries of a conversation; the calls of one turn stand beside
// the message they belong to.
func (r *Request) items(input json.RawMessage) error {
	var items []struct {
		Type    string `json:"type"`
		Role    string `json:"role"`
		Content Text   `json:"content"`
		CallID  string `json:"call_id"`
		Name    string `json:"name"`
		Output  Text   `json:"output"`
	}
	if err := json.Unmarshal(input, &items); err != nil {
		return err
	}
	for i, it := range items {
		switch it.Type {
		case "", "message":
			role := it.Role
			if role == "developer" {
				role = "system"
			}
			r.Messages = append(r.Messages, Message{Role: role, Content: it.Content})
		case "function_call":
			if n := len(r.Messages); n == 0 || r.Messages[n-1].Role != "assistant" {
				r.Messages = append(r.Messages, Message{Role: "assistant"})
			}
			m := &r.Messages[len(r.Messages)-1]
			m.Calls = append(m.Calls, it.CallID)
		case "function_call_output":
			r.Messages = append(r.Messages, Message{Role: "tool", ToolCallID: it.CallID, Content: it.Output})
		default:
			return fmt.Errorf("input item %d has the type %q", i, it.Type)
		}
	}
	return nil
}

func (s say) responses() {
	if s.req.Stream {
		s.responsesStream()
		return
	}
	b, _ := json.Marshal(s.response())
	s.sendWhole(b)
}

// response is the whole object, as it also ends a stream.
func (s say) response() dict {
	out := []dict{}
	for _, it := range s.responseItems() {
		out = append(out, it)
	}
	r := dict{"id": "resp_script", "object": "response", "created_at": 1, "status": "completed", "error": nil,
		"incomplete_details": nil, "model": s.req.Model, "output": out, "parallel_tool_calls": true, "tools": []any{},
		"tool_choice": "auto", "metadata": dict{}, "instructions": nil, "temperature": 1, "top_p": 1}
	switch s.turn.Finish {
	case "length":
		r["status"], r["incomplete_details"] = "incomplete", dict{"reason": "max_output_tokens"}
	case "content_filter":
		r["status"], r["incomplete_details"] = "incomplete", dict{"reason": "content_filter"}
	}
	if !s.turn.NoUsage {
		u := s.used()
		r["usage"] = dict{"input_tokens": u.Input, "output_tokens": u.Output, "total_tokens": u.Input + u.Output,
			"input_tokens_details": dict{"cached_tokens": u.Cached}, "output_tokens_details": dict{"reasoning_tokens": 0}}
	}
	return r
}

func (s say) responseItems() (items []dict) {
	if s.turn.Text != "" || s.turn.Refusal != "" || len(s.turn.Calls) == 0 {
		content := []dict{}
		if s.turn.Refusal != "" {
			content = append(content, dict{"type": "refusal", "refusal": s.turn.Refusal})
		} else {
			content = append(content, dict{"type": "output_text", "text": s.turn.Text, "annotations": []any{}})
		}
		items = append(items, dict{"type": "message", "id": "msg_script", "status": "completed", "role": "assistant", "content": content})
	}
	for i := range s.turn.Calls {
		id, name, args := s.call(i)
		items = append(items, dict{"type": "function_call", "id": "fc_" + id, "call_id": id, "name": name, "arguments": args, "status": "completed"})
	}
	return items
}

func (s say) responsesStream() {
	s.w.Header().Set("Content-Type", "text/event-stream")
	seq := 0
	send := func(kind string, d dict) {
		d["type"], d["sequence_number"] = kind, seq
		seq++
		s.named(kind, d)
	}
	begun := s.response()
	begun["status"], begun["output"] = "in_progress", []any{}
	delete(begun, "usage")
	send("response.created", dict{"response": begun})
	for i, it := range s.responseItems() {
		s.responseItem(i, it, send)
		if s.turn.Cut {
			_, _ = s.w.Write([]byte("event: response.output_item.done\ndata: {\"ty"))
			return
		}
	}
	end := s.response()
	send("response."+end["status"].(string), dict{"response": end})
}

func (s say) responseItem(i int, it dict, send func(string, dict)) {
	id := it["id"].(string)
	send("response.output_item.added", dict{"output_index": i, "item": hollow(it)})
	switch it["type"] {
	case "message":
		part := it["content"].([]dict)[0]
		kind, text := "response.output_text.delta", s.turn.Text
		if part["type"] == "refusal" {
			kind, text = "response.refusal.delta", s.turn.Refusal
		}
		for _, p := range pieces(text) {
			send(kind, dict{"item_id": id, "output_index": i, "content_index": 0, "delta": p})
		}
	case "function_call":
		for _, p := range pieces(it["arguments"].(string)) {
			send("response.function_call_arguments.delta", dict{"item_id": id, "output_index": i, "delta": p})
		}
		send("response.function_call_arguments.done", dict{"item_id": id, "output_index": i, "arguments": it["arguments"]})
	}
	if !s.turn.Cut {
		send("response.output_item.done", dict{"output_index": i, "item": it})
	}
}

// hollow is an item before anything of it has come.
func hollow(it dict) dict {
	out := dict{}
	for k, v := range it {
		out[k] = v
	}
	out["status"] = "in_progress"
	if it["type"] == "message" {
		out["content"] = []any{}
	} else {
		out["arguments"] = ""
	}
	return out
}

// pieces cuts text into what arrives at a time.
func pieces(text string) (out []string) {
	r := []rune(text)
	for len(r) > 0 {
		k := min(4, len(r))
		out = append(out, string(r[:k]))
		r = r[k:]
	}
	return out
}

// named sends an event that has a name.
func (s say) named(name string, d dict) {
	b, _ := json.Marshal(d)
	_, _ = fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", name, b)
	s.flush()
}
