package broker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

const (
	// hostOps are the operations that the caller of the execution answers.
	hostOps = "run."
	// settle is how long a unit must have been quiet before it is taken to wait
	// for nothing but what was parked.
	settle = 200 * time.Millisecond
	// patience is how long a new answer waits for recorded ones to be asked for.
	patience = 10 * time.Second
	textMost = 400
)

// ledger numbers the calls of a durable execution. Those that were recorded are
// answered from the record, in the recorded order, and held against what was
// asked then; the others are made, recorded, and only then told.
//
// A read's record may still be on its way when the unit learns the answer: the
// next call that changes anything waits for it. So nothing outside ever rests on
// an answer that a crash could take back.
type ledger struct {
	s *session
	j *Journal

	mu      sync.Mutex
	past    map[int64]Effect
	intents map[int64]bool
	order   []int64 // ids of past, as the unit learned
	next    int     // of order
	asked   map[int64]bool
	drained chan struct{} // closed when every recorded answer is told
	seq     uint64
	told    uint64 // the last effect of this execution that the unit learned
	clock   time.Time
	open    map[int64]bool
	quiet   *time.Timer
}

// LedgerCarry is a ledger between two processes.
type LedgerCarry struct {
	Seq, Told, Acked uint64
	Clock            time.Time
	Next             int
	Asked            []int64 // recorded calls that were made and not told
	Intents          []int64 // calls that were announced and not told
}

// carry is what the next process needs. Nothing of the session may run.
func (l *ledger) carry() *LedgerCarry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.quiet != nil {
		l.quiet.Stop()
	}
	c := &LedgerCarry{Seq: l.seq, Told: l.told, Clock: l.clock, Next: l.next}
	for _, id := range l.order[l.next:] {
		if l.asked[id] {
			c.Asked = append(c.Asked, id)
		}
	}
	for id := range l.intents {
		c.Intents = append(c.Intents, id)
	}
	l.j.mu.Lock()
	c.Acked = l.j.acked
	l.j.mu.Unlock()
	return c
}

// resume goes on where another process stopped.
func (l *ledger) resume(c *LedgerCarry) {
	l.seq, l.told, l.clock, l.next = c.Seq, c.Told, c.Clock, c.Next
	for _, id := range c.Asked {
		l.asked[id] = true
	}
	for _, id := range c.Intents {
		l.intents[id] = true
	}
	l.j.Ack(c.Acked)
}

func newLedger(s *session, j *Journal, from *Carry) *ledger {
	l := &ledger{s: s, j: j, past: map[int64]Effect{}, intents: map[int64]bool{}, asked: map[int64]bool{},
		drained: make(chan struct{}), clock: j.Clock, open: map[int64]bool{}}
	for _, e := range j.Past {
		l.seq = max(l.seq, e.Seq)
		if e.Intent {
			l.intents[e.ID] = true
			continue
		}
		l.past[e.ID] = e
		l.order = append(l.order, e.ID)
	}
	if from != nil && from.Ledger != nil {
		l.resume(from.Ledger)
	}
	if l.next == len(l.order) {
		close(l.drained)
	} else if !j.Sealed {
		s.cfg.Log.mute(true) // it was said already
	}
	j.mu.Lock()
	j.notify = l.stir
	j.mu.Unlock()
	return l
}

// call takes one call in the order in which the inside made it.
func (l *ledger) call(ctx context.Context, f inbound) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := l.essence(f)
	if was, ok := l.past[f.ID]; ok {
		if was.Op != f.Op || !bytes.Equal(was.Args, sum) && !bytes.Equal(was.Args, digest(f.Args)) {
			l.s.diverge(fmt.Sprintf("call %d was %s %s, and now is %s %s", f.ID, was.Op, was.Text, Clip(f.Op, 40), text(f.Args)))
			<-l.s.slots
			return
		}
		if was.Fault == nil && !l.j.Sealed && l.s.cfg.Live != nil && l.s.cfg.Live(f.Op) {
			l.s.calls.Go(func() { defer func() { <-l.s.slots }(); l.relive(ctx, f) })
			return
		}
		<-l.s.slots
		l.asked[f.ID] = true
		l.advance()
		return
	}
	if l.s.stopped() != nil && !l.j.Sealed {
		l.late(ctx, f)
		return
	}
	e := Effect{ID: f.ID, Op: Clip(f.Op, 80), Args: sum, Text: text(f.Args)}
	if l.j.Sealed {
		<-l.s.slots
		l.beyond(e)
		return
	}
	l.open[f.ID] = true
	rests := l.told
	l.s.calls.Go(func() {
		defer func() { <-l.s.slots }()
		op, done := l.s.breakable(ctx)
		defer done()
		value, err := l.make(op, f, e, rests)
		if err = l.s.broken(op, err); err != nil && l.s.stopped() != nil && ctx.Err() == nil {
			l.unrecorded(f.ID, nil, err)
			return
		}
		if err == nil || context.Cause(ctx) != errMoved {
			if l.tell(ctx, e, value, err) || context.Cause(ctx) != errMoved {
				return
			}
		}
		l.s.mover.put(f) // the next process makes it, or says that it is uncertain
	})
}

// essence is the digest of what must be the same when the call is made again.
func (l *ledger) essence(f inbound) []byte {
	if of := l.s.cfg.Essence[f.Op]; of != nil {
		return digest(of(f.Op, f.Args))
	}
	return digest(f.Args)
}

func digest(args json.RawMessage) []byte {
	sum := sha256.Sum256(args)
	return sum[:16]
}

// relive makes a recorded call whose effect is the session's own, and tells the
// recorded answer.
func (l *ledger) relive(ctx context.Context, f inbound) {
	_, err := l.s.operate(ctx, f.ID, f.Op, f.Args)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && context.Cause(ctx) == errMoved:
		l.s.mover.put(f)
	case err != nil && ctx.Err() == nil:
		l.s.diverge(fmt.Sprintf("call %d, %s, cannot be made again: %s", f.ID, f.Op, l.s.face(err).Message))
	case err == nil:
		l.asked[f.ID] = true
		l.advance()
	}
}

// advance tells recorded answers as far as their turn has come. l.mu is held.
func (l *ledger) advance() {
	for l.next < len(l.order) && l.asked[l.order[l.next]] {
		e := l.past[l.order[l.next]]
		l.next++
		l.clock = e.Clock
		if l.next == len(l.order) {
			l.s.cfg.Log.mute(false)
			close(l.drained)
		}
		if e.Fault != nil {
			l.s.fail(e.ID, e.Fault, l.clock)
		} else {
			l.s.ok(e.ID, e.Value, l.clock)
		}
	}
}

// make does a call that was not recorded. rests is the last effect that it may
// rest on.
func (l *ledger) make(ctx context.Context, f inbound, e Effect, rests uint64) (json.RawMessage, error) {
	nature := l.nature(f)
	l.mu.Lock()
	before := l.intents[f.ID]
	l.mu.Unlock()
	if before && nature != Paid {
		return nil, fault.New(fault.Uncertain, "%s was under way when a daemon stopped; it may have happened", f.Op).
			WithHint("look whether it did; a call with an idempotency key would be safe to repeat")
	}
	if strings.HasPrefix(f.Op, hostOps) {
		return l.j.ask(ctx, Ask{ID: f.ID, Op: f.Op, Args: f.Args})
	}
	if nature == Once || nature == Paid {
		rests = l.announce(e)
	}
	if nature != Read {
		if err := l.j.durable(ctx, rests); err != nil {
			return nil, err
		}
	}
	v, err := l.s.operate(ctx, f.ID, f.Op, f.Args)
	if err != nil {
		return nil, err
	}
	return compact(v)
}

func (l *ledger) nature(f inbound) Nature {
	if l.s.cfg.Ops[f.Op] == nil {
		return Read // nothing will happen
	}
	if of := l.s.cfg.Natures[f.Op]; of != nil {
		return of(f.Op, f.Args)
	}
	return Once
}

// unanswered is how long a unit may go on after a call that the record does not
// hold: one that it never waited for had no answer then either.
const unanswered = 500 * time.Millisecond

// beyond ends a sealed session that asks for more than is recorded, unless the
// unit ends by itself first.
func (l *ledger) beyond(e Effect) {
	time.AfterFunc(unanswered, func() {
		l.s.diverge(fmt.Sprintf("call %d, %s %s, is not in the record", e.ID, e.Op, e.Text))
	})
}

func (l *ledger) announce(e Effect) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	e.Seq, e.Intent, e.Clock = l.seq, true, l.clock
	l.intents[e.ID] = true
	l.j.Effect(e)
	return e.Seq
}

// tell records an answer and lets the unit learn it, after all recorded ones.
func (l *ledger) tell(ctx context.Context, e Effect, value json.RawMessage, err error) bool {
	if !l.turn(ctx, e) {
		return false
	}
	if err == nil && len(value) > MaxOut-1024 {
		err = fault.New(fault.Exhausted, "the answer is too large").WithHint("ask for fewer keys with limit")
	}
	var face *fault.Error
	if err != nil {
		if ctx.Err() != nil {
			return false // the session ends: nobody learns, nothing is recorded
		}
		f := *l.s.face(err)
		f.Cause = nil // it stays here
		face, value = &f, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, e.ID)
	delete(l.intents, e.ID)
	if now := time.Now(); now.After(l.clock) {
		l.clock = now.Truncate(time.Millisecond)
	}
	l.seq++
	e.Seq, e.Value, e.Fault, e.Clock = l.seq, value, face, l.clock
	l.told = e.Seq
	l.j.Effect(e)
	if face != nil {
		l.s.fail(e.ID, face, l.clock)
	} else {
		l.s.ok(e.ID, value, l.clock)
	}
	l.rest()
	return true
}

// turn waits until every recorded answer is told; false: that will not be.
func (l *ledger) turn(ctx context.Context, e Effect) bool {
	select {
	case <-l.drained:
		return true
	default:
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-l.drained:
		return true
	case <-late.C:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.s.diverge(fmt.Sprintf("%s is asked for now, and %s", e.Op, l.missing()))
	case <-ctx.Done():
	}
	return false
}

// missing says which recorded call was not made. l.mu is held.
func (l *ledger) missing() string {
	e := l.past[l.order[l.next]]
	return fmt.Sprintf("call %d, %s %s, was not made", e.ID, e.Op, e.Text)
}

// ended is called when the unit is over.
func (l *ledger) ended() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next < len(l.order) {
		l.s.diverge("the unit ended, and " + l.missing())
	}
}

// stir looks whether the unit waits for parked calls only.
func (l *ledger) stir() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest()
}

// rest ends the session a moment after the last thing that the unit did, if
// every open call is parked. l.mu is held.
func (l *ledger) rest() {
	if l.quiet != nil {
		l.quiet.Stop()
		l.quiet = nil
	}
	if l.idle() {
		l.quiet = time.AfterFunc(settle, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			switch {
			case !l.idle():
			case l.s.cfg.Alone == nil || l.s.cfg.Alone():
				l.s.suspend()
			default: // it lends what it holds to what it waits for
				l.rest()
			}
		})
	}
}

func (l *ledger) idle() bool {
	if len(l.open) == 0 {
		return false
	}
	for id := range l.open {
		if !l.j.isParked(id) {
			return false
		}
	}
	return true
}

func compact(v any) (json.RawMessage, error) {
	if raw, ok := v.(json.RawMessage); ok {
		return raw, nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func text(args json.RawMessage) string {
	return strings.ToValidUTF8(Clip(string(args), textMost), "\uFFFD")
}
