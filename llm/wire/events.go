package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
)

// maxEvent bounds one line of a stream.
const maxEvent = 4 << 20

// Events reads server-sent events (WHATWG HTML, 9.2) and calls fn with the data
// of each, in order; the name of an event stands in its data too in all dialects.
// An event that ends with the stream counts if its data is whole. fn may return
// io.EOF to end the reading. The error of a stream that breaks off is Broken.
func Events(r io.Reader, fn func(data []byte) error) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), maxEvent)
	var data []byte
	for sc.Scan() {
		line := sc.Bytes()
		if len(line) == 0 {
			if err := dispatch(&data, fn); err != nil {
				return end(err)
			}
			continue
		}
		if rest, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			// Some servers forget the empty line between events.
			if json.Valid(data) {
				if err := dispatch(&data, fn); err != nil {
					return end(err)
				}
			}
			data = append(append(data, bytes.TrimPrefix(rest, []byte(" "))...), '\n')
		}
	}
	if err := sc.Err(); err != nil {
		return Broken(err)
	}
	if json.Valid(data) || bytes.Equal(bytes.TrimSpace(data), []byte("[DONE]")) {
		return end(dispatch(&data, fn))
	}
	if len(data) > 0 {
		return Broken(io.ErrUnexpectedEOF)
	}
	return nil
}

func dispatch(data *[]byte, fn func([]byte) error) error {
	d := bytes.TrimSpace(*data)
	*data = nil
	if len(d) == 0 {
		return nil
	}
	return fn(d)
}

func end(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
