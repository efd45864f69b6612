package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// tape is one run of a session while it is played.
type tape struct {
	s    *session
	run  *task.RecordedRun
	unit registry.Unit

	mu      sync.Mutex
	want    []*expected
	resumed bool         // lines of its log may have come twice
	again   bool         // a piece of it may have had several containers
	cut     *fault.Error // what ended the run from outside, once it was reached
}

func newTape(s *session, run *task.RecordedRun, u registry.Unit) *tape {
	t := &tape{s: s, run: run, unit: u}
	t.want, t.resumed = expect(run, s.within)
	t.again = t.resumed || slices.ContainsFunc(run.Events, func(e task.RecordedEvent) bool { return e.Kind == "waiting" })
	return t
}

// Past are the answers that an attempt got.
func (t *tape) Past(scope string) []task.Effect {
	var out []task.Effect
	for _, e := range t.run.Effects {
		if e.Scope == scope && t.knew(e) {
			out = append(out, e.Effect())
		}
	}
	slices.SortFunc(out, func(a, b task.Effect) int { return int(a.Seq) - int(b.Seq) })
	t.s.mu.Lock()
	t.s.effects += uint64(len(out))
	t.s.mu.Unlock()
	return out
}

// knew: the answer came within what is played. What a run called is played whole
// or not at all.
func (t *tape) knew(e task.RecordedEffect) bool {
	return t.s.until == 0 || t.run.ID != t.s.rec.Run || e.Before(t.s.last)
}

// anew are marks that a run makes by itself: what it came to is worked out again
// and held against them. All others are answers of the world.
var anew = []string{"step/", "attempt/", "parked/", "undo/", "failed"}

func made(name string) bool {
	return slices.ContainsFunc(anew, func(p string) bool { return strings.HasPrefix(name, p) })
}

// Recall answers with what the world said then.
func (t *tape) Recall(name string) json.RawMessage {
	raw, ok := t.run.Marks[name]
	if !ok || made(name) || !t.answered(name) {
		return nil
	}
	t.s.mu.Lock()
	t.s.effects++
	t.s.mu.Unlock()
	return raw
}

// answered: the turn of a model was answered within what is played.
func (t *tape) answered(name string) bool {
	turn, ok := strings.CutPrefix(name, "turn/")
	if !ok || t.s.until == 0 {
		return true
	}
	return t.turned("model.reply", turn)
}

// turned: the recording has an event of a turn, within what is played.
func (t *tape) turned(kind, turn string) bool {
	return slices.ContainsFunc(t.run.Events, func(e task.RecordedEvent) bool {
		var at struct{ Step int }
		return e.Kind == kind && t.s.within(e.Time) && json.Unmarshal(e.Data, &at) == nil && strconv.Itoa(at.Step) == turn
	})
}

// Remember holds what a step came to against what it came to then.
func (t *tape) Remember(name string, value json.RawMessage) error {
	step, ok := strings.CutPrefix(name, "step/")
	if t.s.over() {
		return errOver
	}
	was, had := t.run.Marks[name]
	if !ok || !had || same(was, value) || !t.within("step.done", step) {
		return nil
	}
	seq, kind := t.seqOf("step.done", step)
	return t.differ(seq, kind, fmt.Sprintf("step %s: %s", step, was), fmt.Sprintf("step %s: %s", step, value))
}

func (t *tape) within(kind, step string) bool {
	seq, _ := t.seqOf(kind, step)
	return t.s.until == 0 || seq > 0 && t.s.within(t.run.Events[seq-1].Time)
}

// seqOf finds the event of a step, or of the step that a piece belongs to.
func (t *tape) seqOf(kind, step string) (uint64, string) {
	name, _, _ := strings.Cut(step, ".")
	for _, e := range t.run.Events {
		var at struct{ Step any }
		if e.Kind == kind && json.Unmarshal(e.Data, &at) == nil && fmt.Sprint(at.Step) == name {
			return e.Seq, kind
		}
	}
	return t.next()
}

// Seed is that of then.
func (t *tape) Seed(scope string) []byte {
	if s := t.run.Seeds[scope]; len(s) > 0 {
		return s
	}
	return t.s.p.tasks.Seed(t.run.Origin().Run, scope)
}

// Clock is when a scope began.
func (t *tape) Clock(scope string) time.Time {
	var ms int64
	if json.Unmarshal(t.run.Marks["clock/"+scope], &ms) == nil && ms > 0 {
		return time.UnixMilli(ms)
	}
	return t.Created()
}

// Created is when the run was accepted.
func (t *tape) Created() time.Time { return time.UnixMilli(t.run.Origin().Created) }

// Wait answers as somebody did then.
func (t *tape) Wait(_ context.Context, name string) (task.Answer, error) {
	if a, ok := t.run.Answers[name]; ok && t.s.until == 0 {
		return a, nil
	}
	return task.Answer{}, t.Beyond("an answer to " + name)
}

// Beyond: the code asks the world for something that the recording does not hold.
func (t *tape) Beyond(what string) error {
	if turn, ok := strings.CutPrefix(what, "turn/"); ok {
		if t.s.until == 0 && t.run.Error != nil && (t.s.with == "" || t.turned("agent.turn", turn)) {
			return t.stopped(t.run.Error.Fault()) // the model was asked then, and failed; or nothing was left to pay it
		}
		what = "turn " + turn + " of the model"
	}
	if t.s.until > 0 {
		return t.s.deny(what)
	}
	seq, kind := t.next()
	return t.differ(seq, kind, t.wanted(seq), "asks for "+what)
}

// stopped notes that something outside ended the run here.
func (t *tape) stopped(f *fault.Error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cut == nil {
		t.cut = f
	}
	return f
}

// outside are the codes of what ends a run without its doing.
var outside = []fault.Code{fault.Cancelled, fault.Timeout, fault.Interrupted, fault.Deadlock, fault.Unavailable}

var (
	changed   = regexp.MustCompile(`(?s)(call \d+) was (.*), and now is (.*)$`)
	missing   = regexp.MustCompile(`(?s)the unit ended, and (call \d+, .*), was not made$`)
	unheardOf = regexp.MustCompile(`(?s)(call \d+, .*), is not in the record$`)
)

// Diverged takes what the broker says of a container whose calls differ.
func (t *tape) Diverged(scope, what string) *fault.Error {
	seq, kind := t.next()
	if m := unheardOf.FindStringSubmatch(what); m != nil {
		if f := t.stoppedThen(scope); f != nil {
			return f
		}
		if t.s.until > 0 {
			_ = t.s.deny(m[1])
			return nil
		}
		_ = t.differ(seq, kind, "no such call in "+scope, m[1])
		return nil
	}
	expected, got := "what is recorded of "+scope, what
	if m := changed.FindStringSubmatch(what); m != nil {
		expected, got = m[1]+" of "+scope+": "+m[2], m[1]+" of "+scope+": "+m[3]
	} else if m := missing.FindStringSubmatch(what); m != nil {
		expected, got = m[1], "the end of "+scope
	}
	_ = t.differ(seq, kind, expected, got)
	return nil
}

// stoppedThen is what stopped an attempt from outside, nil if nothing did.
func (t *tape) stoppedThen(scope string) *fault.Error {
	if t.s.until > 0 {
		return nil
	}
	n, _ := strconv.Atoi(scope[strings.LastIndexByte(scope, '.')+1:])
	for _, e := range t.run.Events {
		var r struct {
			Attempt int
			Error   fault.Code
			Message string
		}
		if e.Kind == "retry" && json.Unmarshal(e.Data, &r) == nil && r.Attempt == n+1 && slices.Contains(outside, r.Error) {
			return fault.New(r.Error, "%s", r.Message)
		}
	}
	if e := t.run.Error; e != nil && slices.Contains(outside, e.Code) {
		_ = t.stopped(e.Fault())
		return e.Fault()
	}
	return nil
}

// differ notes the first difference and ends the replay.
func (t *tape) differ(seq uint64, kind, expected, got string) error {
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.diverged == nil && s.denied == "" {
		s.diverged = &Divergence{t.run.ID, t.run.Unit, seq, kind, clip(expected), clip(got)}
		s.stop(errOver)
	}
	return errOver
}
