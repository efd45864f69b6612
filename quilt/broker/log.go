package broker

import (
	"encoding/json"
	"log/slog"
	"sync"
)

// maxLine bounds one line of stdout or stderr; a longer one is cut in pieces.
const maxLine = 16 << 10

// entryCost is charged for each entry beside its bytes, so that empty lines use
// the budget up as well.
const entryCost = 64

// Entry is one line of an execution's log.
type Entry struct {
	Level  string // debug, info, warn, error, stdout, stderr
	Text   string
	Fields json.RawMessage // an object, or nil
}

// Log takes the entries of one execution up to a budget in bytes, over stdout,
// stderr and log together. What goes beyond is dropped, and one marker line
// says so.
type Log struct {
	slog *slog.Logger

	mu    sync.Mutex
	left  int64
	full  bool
	muted bool
	read  int64 // bytes from the pipes
	emit  func(Entry)
}

// NewLog makes a log of at most budget bytes. emit is called with one entry at
// a time and must not block; log gets what only an operator may read.
func NewLog(budget int64, log *slog.Logger, emit func(Entry)) *Log {
	return &Log{slog: log, left: budget, emit: emit}
}

// Add appends an entry, or drops it.
func (l *Log) Add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full || l.muted {
		return
	}
	cost := int64(len(e.Text)+len(e.Fields)) + entryCost
	if cost > l.left {
		l.full = true
		l.emit(Entry{Level: "warn", Text: "the log limit is reached; what follows is dropped"})
		return
	}
	l.left -= cost
	l.emit(e)
}

// mute drops what is said while a unit is taken up again: it was said before.
func (l *Log) mute(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.muted = on
}

// Trouble tells the operator about an error whose text users must not see.
func (l *Log) Trouble(what string, err error) { l.slog.Error(what, "err", err) }
