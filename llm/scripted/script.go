// Package scripted is a real HTTP server that speaks the dialects of the
// providers from a script: a list of turns, each with what it expects and what
// it answers. Tests, demos and rehearsals without a key use it through llm's
// dialects, so the same code runs as with a provider. It thinks nothing up, and
// it refuses a request that the provider's public reference would refuse.
package scripted

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Script is what the server says, turn by turn.
type Script struct {
	Turns []Turn `json:"turns"`
	// Forever repeats the last turn; otherwise a request too many is an error.
	Forever bool `json:"forever,omitempty"`
	// Key, if set, is demanded in the header where the dialect has it.
	Key string `json:"key,omitempty"`
}

// Turn answers one request.
type Turn struct {
	Expect Expect `json:"expect,omitzero"`

	Text  string `json:"text,omitempty"`
	Calls []Call `json:"calls,omitempty"`
	// Finish overrides the reason: "length", "content_filter".
	Finish  string `json:"finish,omitempty"`
	Refusal string `json:"refusal,omitempty"`
	Usage   *Usage `json:"usage,omitempty"` // nil: 10 in, 5 out
	NoUsage bool   `json:"noUsage,omitempty"`

	// Status other than 0 or 200 answers with an error of that status.
	Status     int    `json:"status,omitempty"`
	Error      string `json:"error,omitempty"`
	RetryAfter string `json:"retryAfter,omitempty"` // the header as sent
	// Headers are sent too: what is left of a rate, for example.
	Headers map[string]string `json:"headers,omitempty"`
	DelayMS int64             `json:"delayMs,omitempty"` // before the first byte
	PaceMS  int64             `json:"paceMs,omitempty"`  // between the pieces of a stream, in the chat dialect
	// Cut breaks the connection off in the middle of the answer.
	Cut bool `json:"cut,omitempty"`
	// Raw is sent instead of any answer.
	Raw string `json:"raw,omitempty"`
}

// Call is one tool call. Name is the unit's name or the name on the wire.
type Call struct {
	Name string `json:"name"`
	// Arguments is the JSON object; a JSON string is sent as its bare text, so
	// that a script can hold arguments that are no JSON.
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// Usage as the server reports it.
type Usage struct {
	Input  int64 `json:"input"` // with what came from the cache
	Output int64 `json:"output"`
	Cached int64 `json:"cached,omitempty"` // of Input
}

// Expect is checked before the turn answers; what is empty is not checked.
type Expect struct {
	Model    string   `json:"model,omitempty"`
	LastRole string   `json:"lastRole,omitempty"` // system | user | assistant | tool
	Contains []string `json:"contains,omitempty"` // in the last messages of that role, together
	Tools    []string `json:"tools,omitempty"`    // are offered
}

// Read reads a script as JSON; an unknown field is an error.
func Read(r io.Reader) (Script, error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	var s Script
	if err := d.Decode(&s); err != nil {
		return Script{}, fmt.Errorf("script: %w", err)
	}
	return s, nil
}

// Last is the text of the newest messages that share the newest role.
func (r Request) Last() (role, text string) {
	for i := len(r.Messages) - 1; i >= 0; i-- {
		m := r.Messages[i]
		if role != "" && m.Role != role {
			break
		}
		role = m.Role
		text = string(m.Content) + "\n" + text
	}
	return role, text
}

func (e Expect) check(r Request) error {
	role, text := r.Last()
	if e.Model != "" && e.Model != r.Model {
		return fmt.Errorf("expected model %q, got %q", e.Model, r.Model)
	}
	if e.LastRole != "" && e.LastRole != role {
		return fmt.Errorf("expected a last message from %s, got one from %s", e.LastRole, role)
	}
	for _, c := range e.Contains {
		if !strings.Contains(text, c) {
			return fmt.Errorf("expected %q in the last message, got %q", c, text)
		}
	}
	for _, t := range e.Tools {
		if r.offered(t) == "" {
			return fmt.Errorf("expected tool %q to be offered", t)
		}
	}
	return nil
}

// offered is the wire name of a tool, "" if it is not offered.
func (r Request) offered(name string) string {
	spelt := strings.ReplaceAll(name, ".", "_")
	for _, t := range r.Tools {
		if n := t.Function.Name; n == name || n == spelt {
			return n
		}
	}
	return ""
}

func (t Turn) delay() time.Duration { return time.Duration(t.DelayMS) * time.Millisecond }
