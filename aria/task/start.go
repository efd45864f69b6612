package task

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Request is what somebody asks for.
type Request struct {
	Unit     string          // reference, as registry.Resolve takes it
	Input    json.RawMessage // or
	Words    string
	Deadline time.Duration // from now; 0: none but the unit's own timeout
	Key      string        // idempotency key; the same key answers with the same run
	// Origin is what triggered the run, for people: "event order.paid". Such a
	// request is not held against an earlier one with its key, and its key begins
	// with OwnKeys.
	Origin  string
	Session Session
}

// Session is the conversation that a run is a turn of; zero: none.
type Session struct {
	ID   string `json:"id,omitempty"`
	User string `json:"user,omitempty"` // whom the agent talks to
}

// OwnKeys begin the idempotency keys that nobody outside may use.
const OwnKeys = "aria:"

// asked is a fingerprint of the request, to tell a repeat from a mix-up.
func (r Request) asked() []byte {
	var compact bytes.Buffer
	if json.Compact(&compact, r.Input) != nil {
		compact.Write(r.Input)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %d", r.Unit, compact.Bytes(), r.Words, r.Deadline)
	if r.Session != (Session{}) {
		fmt.Fprintf(h, " %q %q", r.Session.ID, r.Session.User)
	}
	return h.Sum(nil)
}

// Start accepts a task; when it returns, the run is on disk. Errors: NotFound,
// Invalid (the input does not fit), Conflict (the key was used for something
// else), Unimplemented (teams, pipelines), Exhausted (disk), Unavailable.
func (t *Tasks) Start(ctx context.Context, req Request) (Run, error) {
	if len(req.Key) > 256 {
		return Run{}, fault.New(fault.Invalid, "the idempotency key has more than 256 bytes").WithHint("use a UUID")
	}
	if req.Deadline < 0 {
		return Run{}, fault.New(fault.Invalid, "the deadline lies in the past").WithHint("give milliseconds from now")
	}
	if req.Key != "" {
		if r, ok, err := t.repeated(ctx, req); ok || err != nil {
			return r, err
		}
	}
	t.mu.Lock()
	late := t.closing || t.draining
	t.mu.Unlock()
	if late {
		return Run{}, stopping()
	}
	u, err := t.reg.Resolve(req.Unit)
	if err != nil {
		return Run{}, err
	}
	l, err := t.prepare(u, req.Input, req.Words)
	if err != nil {
		return Run{}, err
	}
	if req.Deadline > 0 {
		l.deadline = l.run.Created.Add(req.Deadline)
	}
	l.root, l.origin = l.run.ID, req.Origin
	if err := l.join(req.Session); err != nil {
		return Run{}, err
	}
	err = t.accept(context.Background(), l, req.Key, req.asked())
	if errors.Is(err, errRepeated) {
		r, _, err := t.repeated(ctx, req)
		return r, err
	}
	if err != nil {
		return Run{}, err
	}
	return l.snapshot(), nil
}

// errRepeated: another Start with the same key came first.
var errRepeated = errors.New("idempotency key is in use")

func (t *Tasks) repeated(ctx context.Context, req Request) (Run, bool, error) {
	var id ID
	var asked []byte
	err := t.db.QueryRowContext(ctx, `SELECT id, asked FROM runs WHERE key = ?`, req.Key).Scan(&id, &asked)
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, false, nil
	}
	if err != nil {
		return Run{}, false, fmt.Errorf("idempotency key: %w", err)
	}
	if req.Origin == "" && !bytes.Equal(asked, req.asked()) {
		return Run{}, false, fault.New(fault.Conflict, "the idempotency key was used for another request (run %s)", id).
			WithHint("use a new key for a new request")
	}
	r, err := t.Get(ctx, id)
	return r, err == nil, err
}

// prepare checks everything that can be checked before a run exists.
func (t *Tasks) prepare(u registry.Unit, input json.RawMessage, words string) (*live, error) {
	runner, err := t.runner(u)
	if err != nil {
		return nil, err
	}
	if len(input) > 0 && words != "" {
		return nil, fault.New(fault.Invalid, "both input and words were given").WithHint("give one of them")
	}
	if !utf8.Valid(input) {
		return nil, fault.New(fault.Invalid, "the input is not UTF-8").WithHint("JSON is UTF-8; bytes of another kind go in as base64")
	}
	checked, err := runner.Check(u, input, words)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	l := newLive()
	l.unit, l.run = u, Run{ID: newID(now), Unit: u.Name, Kind: u.Kind, Bundle: u.Digest, State: Pending, Input: checked, Created: now}
	return l, nil
}

// accepted is the data of the first event.
type accepted struct {
	Unit     string        `json:"unit"`
	Kind     bundle.Kind   `json:"kind"`
	Bundle   bundle.Digest `json:"bundle"`
	Version  string        `json:"version"` // name@version
	Parent   ID            `json:"parent,omitempty"`
	Call     string        `json:"call,omitempty"`
	Deadline int64         `json:"deadline_unix_ms,omitempty"`
	Trigger  string        `json:"trigger,omitempty"`
	// BuiltWith is the version of this bundle that the caller's aria.lock had,
	// which is not registered here: name@version.
	BuiltWith string `json:"built_with,omitempty"`
}

// accept puts the run on disk and sets it going. With a free slot it is born
// running, which saves a second sync.
func (t *Tasks) accept(base context.Context, l *live, key string, asked []byte) error {
	l.ctx, l.cancel = context.WithCancelCause(base)
	if err := t.lanes.enter(l); err != nil {
		return err
	}
	t.mu.Lock()
	if (t.closing || t.draining) && l.parent == nil {
		t.mu.Unlock()
		t.lanes.leave(l)
		return stopping()
	}
	t.live[l.run.ID] = l
	t.running.Add(1)
	t.mu.Unlock()

	slot := t.slot(l)
	l.slot = slot
	turn := t.lanes.holds(l)
	l.hasSlot = turn && slot != nil && slot.try()
	if turn && (slot == nil || l.hasSlot) {
		l.mu.Lock()
		l.run.State = Running
		l.mu.Unlock()
	}
	data, err := json.Marshal(accepted{l.unit.Name, l.unit.Kind, l.unit.Digest, l.unit.Bundle + "@" + l.unit.Version,
		l.run.Parent, l.callID, unixMilli(l.deadline), l.origin, l.missed})
	if err != nil {
		return fmt.Errorf("event accepted: %w", err)
	}
	first := Event{Run: l.run.ID, Seq: 1, Time: l.run.Created, Kind: "accepted", Data: data}
	repeated := false
	err = t.journal.wait(func(tx *sql.Tx) error {
		if repeated = key != "" && taken(tx, key); repeated {
			return nil
		}
		if err := insertRun(tx, l, key, asked); err != nil {
			return err
		}
		if s := l.marks[sessionMark]; s != nil {
			if _, err := tx.Exec(`INSERT INTO marks VALUES (?,?,?)`, l.run.ID, sessionMark, []byte(s)); err != nil {
				return err
			}
		}
		return insertEvent(tx, first)
	})
	if err != nil || repeated {
		if l.hasSlot {
			slot.leave()
		}
		t.drop(l)
		t.lanes.leave(l)
		t.running.Done()
		if repeated {
			return errRepeated
		}
		t.log.Error("run refused", "task", l.run.ID, "err", err)
		return unwritable(err)
	}
	l.mu.Lock()
	l.next = 1
	l.keep(first)
	l.mu.Unlock()
	t.told.tell(&l.run, first)
	t.count.Add(1)
	go t.drive(l)
	return nil
}

func taken(tx *sql.Tx, key string) bool {
	var one int
	return tx.QueryRow(`SELECT 1 FROM runs WHERE key = ?`, key).Scan(&one) == nil
}

// slot is the queue a run must pass, or nil: what calls others does not wait for
// its caller's slot.
func (t *Tasks) slot(l *live) *queue {
	if l.unit.Kind != bundle.Tool && l.parent != nil {
		return nil
	}
	return t.queues[l.unit.Kind]
}

func (t *Tasks) drop(l *live) {
	t.mu.Lock()
	delete(t.live, l.run.ID)
	t.mu.Unlock()
	l.cancel(nil)
}
