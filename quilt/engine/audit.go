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
)

// Audit is the record of every grant and refusal: audit.jsonl, one JSON object
// a line, only ever added to, put aside as audit.jsonl.1 and so on when it is
// full. What cannot be written is said once in the log and counted; it stops no
// execution. A nil Audit records nothing.
type Audit struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	file    *os.File
	size    int64
	missing int64
}

// record is one line. Authority is the chain from who vouches to who acts:
// tenant, unit (its manifest names the tokens), execution.
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

// put records grants and refusals.
func (a *Audit) put(e TokenEvent) {
	if a == nil || !slices.Contains([]string{"granted", "refused", "revoke"}, e.Kind) {
		return
	}
	line, err := json.Marshal(record{e, []string{"tenant " + first(e.Tenant, "default"), "unit " + e.Unit, "execution " + e.Execution}})
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		err = a.write(append(line, '\n'))
	}
	if err != nil {
		if a.missing++; a.missing == 1 {
			a.log.Error("audit cannot be written", "file", a.path, "err", err)
		}
	}
}

func (a *Audit) write(line []byte) error {
	if a.file == nil || a.size+int64(len(line)) > auditBytes {
		if err := a.rotate(); err != nil {
			return err
		}
	}
	n, err := a.file.Write(line)
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

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
