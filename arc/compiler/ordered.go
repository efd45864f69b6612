package compiler

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// object is a JSON object whose members keep their order, because people and
// models read a schema from the top.
type object []member

type member struct {
	name  string
	value any // object, []any, string, json.Number, bool, nil
}

func (o object) get(name string) any {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

const maxNested = 200

// parseOrdered reads one JSON value.
func parseOrdered(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := ordered(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

func ordered(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth > maxNested {
		return nil, errors.New("nested too deeply")
	}
	members, list := object{}, []any{}
	for d.More() {
		var name string
		if open == '{' {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			name, _ = key.(string)
		}
		v, err := ordered(d, depth+1)
		if err != nil {
			return nil, err
		}
		members, list = append(members, member{name, v}), append(list, v)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if open == '{' {
		return members, nil
	}
	return list, nil
}

func (o object) encode() rawJSON {
	var b bytes.Buffer
	writeOrdered(&b, o)
	return b.Bytes()
}

func writeOrdered(b *bytes.Buffer, v any) {
	switch x := v.(type) {
	case object:
		b.WriteByte('{')
		for i, m := range x {
			if i > 0 {
				b.WriteByte(',')
			}
			writeOrdered(b, m.name)
			b.WriteByte(':')
			writeOrdered(b, m.value)
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i := range x {
			if i > 0 {
				b.WriteByte(',')
			}
			writeOrdered(b, x[i])
		}
		b.WriteByte(']')
	default:
		e := json.NewEncoder(b)
		e.SetEscapeHTML(false)
		if e.Encode(v) != nil { // what was read can be written
			b.WriteString("null\n")
		}
		b.Truncate(b.Len() - 1)
	}
}
