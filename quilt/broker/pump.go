package broker

import (
	"bytes"
	"io"
	"strings"
)

// LogCarry is a log between two processes: its budget, and the lines of stdout
// and stderr that have begun.
type LogCarry struct {
	Left  int64
	Full  bool
	Begun map[string][]byte // by level
}

// Carry is what the next process needs to go on with the log. No Pump may run.
func (l *Log) Carry(begun map[string][]byte) LogCarry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LogCarry{l.left, l.full, begun}
}

// Resume goes on with a log that was carried over.
func (l *Log) Resume(c LogCarry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.full = c.Left, c.Full
}

// Pump adds what r yields line by line until it ends or fails. It keeps reading
// when the budget is used up, so that the writer inside never blocks on a full
// pipe. begun is the beginning of the first line; the result is what was read of
// a line that has not ended, unless r did.
func (l *Log) Pump(level string, r io.Reader, begun []byte) (rest []byte) {
	buf := make([]byte, maxLine)
	n := copy(buf, begun)
	for {
		k, err := r.Read(buf[n:])
		n += k
		n = copy(buf, l.lines(level, buf[:n]))
		if n == maxLine {
			l.line(level, buf[:n])
			n = 0
		}
		if err == io.EOF && n > 0 {
			l.line(level, buf[:n])
			n = 0
		}
		if err != nil {
			return bytes.Clone(buf[:n])
		}
	}
}

// lines adds the whole lines of b and returns what is behind them.
func (l *Log) lines(level string, b []byte) []byte {
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return b
		}
		l.line(level, b[:end])
		b = b[end+1:]
	}
}

func (l *Log) line(level string, b []byte) {
	l.Add(Entry{Level: level, Text: strings.ToValidUTF8(strings.TrimSuffix(string(b), "\r"), "\uFFFD")})
}
