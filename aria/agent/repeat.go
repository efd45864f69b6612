package agent

import (
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// A call that twice gave the same result is not made a third time: the model is
// told so. If it goes on, the run ends; it would only burn the budget. Polling
// a thing that changes stays possible, since then the results differ.
const (
	sameResults = 2 // identical results after which a call is refused
	maxRefusals = 2 // turns with a refusal of one call after which the run ends
)

type repeat struct {
	outcome string
	same    int // times in a row with that outcome
	refused int // turns in which it was refused
	last    int // the latest of them
}

func (l *loop) refuseRepeat(p *pending) error {
	r := l.seen[p.key]
	if r == nil || r.same < sameResults {
		return nil
	}
	if r.last != l.result.Steps {
		r.refused, r.last = r.refused+1, l.result.Steps
	}
	return fault.New(fault.Conflict, "this same call of %q gave the same result %d times and was not made again", p.name, r.same).
		WithHint("use the result you have, change the arguments, or answer")
}

func (l *loop) remember(p *pending) {
	if p.key == "" {
		p.key = "? " + p.name // unknown tools and refused arguments repeat as well
	}
	r := l.seen[p.key]
	if r == nil {
		r = &repeat{}
		l.seen[p.key] = r
	}
	outcome := string(p.output)
	if p.err != nil {
		outcome = p.err.Error()
	}
	if r.refused > 0 {
		return
	}
	if r.same > 0 && r.outcome != outcome {
		r.same = 0
	}
	r.outcome = outcome
	r.same++
}

// stuck ends a run whose model does not take no for an answer.
func (l *loop) stuck() error {
	for key, r := range l.seen {
		if r.refused < maxRefusals && !(key[0] == '?' && r.same > sameResults+maxRefusals) {
			continue
		}
		return fault.New(fault.Failed, "agent %q keeps making the same tool call with the same result; %s", l.in.Agent, l.spent()).
			WithHint("make the tool's description and result say when the work is done, or choose another model")
	}
	return nil
}
