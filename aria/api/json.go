package api

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// jsonCodec reads and writes messages as JSON, as the framework's own does, and
// says in the caller's words what is wrong with a body: the framework answers
// before any of our code could.
type jsonCodec struct{ name string }

func (c jsonCodec) Name() string { return c.name }

func (c jsonCodec) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", v)
	}
	return protojson.Marshal(m)
}

func (c jsonCodec) Unmarshal(raw []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no message", v)
	}
	if len(raw) == 0 {
		return fmt.Errorf("the body is empty (hint: %s)", bodyHint(m))
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, m); err != nil {
		why := strings.TrimSpace(strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto:"))
		return fmt.Errorf("the body is not this message as JSON: %s (hint: %s)", why, bodyHint(m))
	}
	return nil
}

// bodyHint names the fields that a message has.
func bodyHint(m proto.Message) string {
	fields := m.ProtoReflect().Descriptor().Fields()
	if fields.Len() == 0 {
		return "send {}"
	}
	var names []string
	for i := range fields.Len() {
		f := fields.Get(i)
		name := f.JSONName()
		if f.Kind().String() == "bytes" {
			name += " (base64)"
		}
		names = append(names, name)
	}
	return "send one JSON object with " + strings.Join(names, ", ")
}
