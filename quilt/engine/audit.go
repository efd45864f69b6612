package engine

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Bounds of the audit: one file and as many older ones.
const (
	auditBytes = 16 << 20
	auditOlder = 4
	auditKept  = 1 << 20 // bytes gathered while it cannot be written
)

// Audit is the record of every grant and refusal: audit.jsonl, one JSON object
// a line, only ever added to, put aside as audit.jsonl.1 and so on when it is
// full. Records are gathered and written at once, before anybody learns of what
// they say; when they cannot be written nothing is granted. A nil Audit records
// nothing.
type Audit struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	file    *os.File
	size    int64
	pending []byte
	failing bool
}

// record is one line. Authority is the chain from who vouches to who acts:
// tenant, policy, then bundle, unit and execution of each that called the next.
type record struct {
	TokenEvent
	Authority []string `json:"authority"`
}

// OpenAudit opens the record in dir to add to it.
func OpenAudit(dir string, log *slog.Logger) (*Audit, error) {
	a := &Audit{path: filepath.Join(dir, "audit.jsonl"), log: log}
	if err := a.open(); err != nil {
		return nil, fmt.Errorf("open audit: %w", err)
	}
	return a, nil
}

func (a *Audit) open() error {
	f, err := os.OpenFile(a.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	a.file, a.size = f, info.Size()
	return nil
}

// add gathers grants and refusals.
func (a *Audit) add(e TokenEvent, chain []string) {
	if a == nil || !slices.Contains([]string{"granted", "refused", "revoke"}, e.Kind) {
		return
	}
	line, err := json.Marshal(record{e, chain})
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.log.Error("audit record", "err", err)
		a.failing = true // it cannot be: the record is of strings and numbers
		return
	}
	a.pending = append(append(a.pending, line...), '\n')
}

// flush writes what was gathered. What cannot be written stays for the next time.
func (a *Audit) flush() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.pending) == 0 {
		return nil
	}
	err := a.write(a.pending)
	if err != nil {
		if !a.failing {
			a.log.Error("audit cannot be written; nothing is granted", "file", a.path, "err", err)
		}
		a.failing = true
		if len(a.pending) > auditKept {
			a.pending = a.pending[:0] // of refusals: grants are not made meanwhile
		}
		return err
	}
	if a.failing {
		a.log.Info("audit is written again", "file", a.path)
	}
	a.pending, a.failing = a.pending[:0], false
	return nil
}

// write adds whole lines: one that breaks off is taken back.
func (a *Audit) write(lines []byte) error {
	if a.file == nil || a.size+int64(len(lines)) > auditBytes {
		if err := a.rotate(); err != nil {
			return err
		}
	}
	n, err := a.file.Write(lines)
	if err != nil && n > 0 {
		if cut := a.file.Truncate(a.size); cut == nil {
			return err
		}
	}
	a.size += int64(n)
	return err
}

func (a *Audit) rotate() error {
	if a.file != nil {
		a.file.Close()
		a.file = nil
		for i := auditOlder; i > 1; i-- {
			_ = os.Rename(fmt.Sprintf("%s.%d", a.path, i-1), fmt.Sprintf("%s.%d", a.path, i)) // the first times there is none
		}
		if err := os.Rename(a.path, a.path+".1"); err != nil {
			return err
		}
	}
	return a.open()
}

// Close ends the record.
func (a *Audit) Close() error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}
