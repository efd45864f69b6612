package broker

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// A planned restart carries a session from one quiltd to the next. The old one
// stops reading, lets the operations under way end for a moment, and hands over
// what the next needs to go on where it stopped; the container notices nothing
// but a pause.

// Carry is a session between two processes. It crosses as JSON.
type Carry struct {
	Ready   bool
	LastID  int64
	Calls   int64
	Read    int64 // bytes so far, as in Outcome
	Written int64
	Unread  []byte    // from inside, not yet a whole frame
	Unsent  []byte    // towards the inside
	Again   []Pending // calls that had no effect yet
	Ledger  *LedgerCarry
}

// Pending is a call that is to be made again.
type Pending struct {
	ID   int64
	Op   string
	Args json.RawMessage
}

// drainTime is how long operations under way may go on. Then they are cut: one
// that only waited is asked again by the next quiltd, any other fails with
// Interrupted, for nobody can say what became of it.
const drainTime = 60 * time.Millisecond

// errMoved is the cause of a context that ends because the session moves.
var errMoved = errors.New("the session moves to another quiltd")

// Moved says that ctx, an operation's, ended because its session goes on in
// another quiltd: what the execution holds is not to be given back.
func Moved(ctx context.Context) bool { return context.Cause(ctx) == errMoved }

// deadliner is what a connection must be able to do to be carried over.
type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// mover is a session's part in a move.
type mover struct {
	conn deadliner

	mu     sync.Mutex // guards the rest
	moving bool
	again  []Pending
	unsent []byte
}

// watch stops reading when freeze is closed. stop ends the watch; whether the
// move had begun is then certain.
func (m *mover) watch(ctx context.Context, freeze <-chan struct{}) (stop func()) {
	if freeze == nil || m.conn == nil {
		return func() {}
	}
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-freeze:
			m.mu.Lock()
			m.moving = true
			m.mu.Unlock()
			_ = m.conn.SetReadDeadline(time.Now())
		case <-over:
		case <-ctx.Done():
		}
	}()
	return func() { close(over); <-done }
}

// cut says that err is no end of the connection but the begin of a move.
func (m *mover) cut(err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.moving && errors.Is(err, os.ErrDeadlineExceeded)
}

// keep takes a call that did nothing yet, or says what to answer instead.
func (m *mover) keep(f inbound, repeats bool, err error) (kept bool, _ error) {
	if !errors.Is(err, errMoved) && !errors.Is(err, context.Canceled) {
		return false, err
	}
	if !repeats {
		return false, fault.New(fault.Interrupted, "quiltd was replaced in the middle of %s", f.Op).
			WithHint("what it did until then stays done; ask again if that is safe")
	}
	m.put(f)
	return true, nil
}

func (m *mover) put(f inbound) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.again = append(m.again, Pending{f.ID, f.Op, f.Args})
}

// drain waits for the calls, at first gently, and for the writes of their answers.
func (m *mover) drain(calls *sync.WaitGroup, cancel context.CancelCauseFunc) {
	done := make(chan struct{})
	go func() { calls.Wait(); close(done) }()
	gentle := time.AfterFunc(drainTime, func() {
		cancel(errMoved)
		_ = m.conn.SetWriteDeadline(time.Now().Add(drainTime / 4)) // the inside may not read
	})
	<-done
	gentle.Stop()
}
