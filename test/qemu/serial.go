package qemu

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// serial keeps what the guest prints, and where WaitLine has read to.
type serial struct {
	log io.Writer // a copy of every byte; may be nil

	mu    sync.Mutex
	text  []byte
	read  int // WaitLine begins here
	ended bool
	more  chan struct{} // closed and made anew with every write
}

func newSerial(log io.Writer) *serial { return &serial{log: log, more: make(chan struct{})} }

func (s *serial) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	if s.log != nil {
		_, _ = s.log.Write(p)
	}
	close(s.more)
	s.more = make(chan struct{})
	return len(p), nil
}

func (s *serial) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	close(s.more)
	s.more = make(chan struct{})
}

// next is the next whole line that holds what; the last line of a machine that
// is off counts without its newline.
func (s *serial) next(what string) (line string, ok, ended bool, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		rest := s.text[s.read:]
		n := bytes.IndexByte(rest, '\n')
		switch {
		case n >= 0:
			s.read += n + 1
			line = strings.TrimRight(string(rest[:n]), "\r")
		case s.ended && len(rest) > 0:
			s.read += len(rest)
			line = string(rest)
		default:
			return "", false, s.ended, s.more
		}
		if strings.Contains(line, what) {
			return line, true, s.ended, s.more
		}
	}
}

// WaitLine reads the serial line on from where it last stopped and returns the
// first whole line that contains what. The error, when ctx ends or the machine
// does, has the last lines that were read.
func (m *Machine) WaitLine(ctx context.Context, what string) (string, error) {
	for {
		line, ok, ended, more := m.serial.next(what)
		if ok {
			return line, nil
		}
		if ended {
			return "", fmt.Errorf("the machine ended before it said %q; its last words:\n%s", what, m.last(20))
		}
		select {
		case <-more:
		case <-ctx.Done():
			return "", fmt.Errorf("no line %q: %w; its last words:\n%s", what, ctx.Err(), m.last(20))
		}
	}
}

// Serial is everything the guest has printed so far.
func (m *Machine) Serial() string {
	m.serial.mu.Lock()
	defer m.serial.mu.Unlock()
	return string(m.serial.text)
}

func (m *Machine) last(lines int) string {
	all := strings.Split(strings.TrimSpace(m.Serial()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// tail keeps the last words of QEMU itself.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-4<<10):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}
