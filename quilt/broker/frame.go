package broker

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Sizes of a frame's body in bytes (docs/spec/harness.md).
const (
	MaxIn  = 4 << 20
	MaxOut = 16 << 20
)

// errProtocol is in the chain of every error that means: the inside broke the
// protocol. An error without it is the transport's.
var errProtocol = errors.New("harness protocol")

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errProtocol, fmt.Sprintf(format, args...))
}

// inbound is every frame that can come from inside; which fields count depends
// on T.
type inbound struct {
	T      string          `json:"t"`
	ID     int64           `json:"id"`
	Op     string          `json:"op"`
	Args   json.RawMessage `json:"args"`
	Level  string          `json:"level"`
	Text   string          `json:"text"`
	Fields json.RawMessage `json:"fields"`
	Value  json.RawMessage `json:"value"`
	Error  *Thrown         `json:"error"`
}

func decode(body []byte) (inbound, error) {
	if !utf8.Valid(body) {
		return inbound{}, protocolError("a frame that is not UTF-8")
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return inbound{}, protocolError("a frame that is not a JSON object")
	}
	var f inbound
	if err := json.Unmarshal(body, &f); err != nil {
		return inbound{}, protocolError("a frame that is not valid: %v", err)
	}
	switch f.T {
	case "ready", "log", "call", "result", "error":
		return f, nil
	}
	return inbound{}, protocolError("a frame of unknown type %q", Clip(f.T, 40))
}

// encode makes a frame for the inside.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 4))
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	frame := b.Bytes()[:b.Len()-1] // the encoder's newline
	size := len(frame) - 4
	if size > MaxOut {
		return nil, fmt.Errorf("frame of %d bytes: %w", size, errTooLarge)
	}
	binary.BigEndian.PutUint32(frame, uint32(size))
	return frame, nil
}

var errTooLarge = errors.New("more than the harness protocol can carry")

// Clip bounds what a container wrote before it goes into a message.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
