package task

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Tape stands where a job has its journal, when the job is played again from a
// recording (aria/replay). Nothing outside is reached: what the tape does not
// hold cannot be had.
type Tape interface {
	Past(scope string) []Effect
	Recall(name string) json.RawMessage
	Remember(name string, value json.RawMessage) error
	Seed(scope string) []byte
	Clock(scope string) time.Time
	Created() time.Time
	Wait(ctx context.Context, name string) (Answer, error)
	// Beyond is the error for what is asked of the world and not on the tape.
	Beyond(what string) error
	// Diverged is told that the code of an attempt did not do what the tape holds.
	// What it returns is how the attempt ended then, where the tape says that
	// something outside ended it; nil otherwise.
	Diverged(scope, what string) *fault.Error
}

// Played says that the job is played again from a recording: it must reach
// nothing outside.
func (j Job) Played() bool { return j.Tape != nil }

// Began is from when limits of time count: when the run was accepted, or, of one
// that is played again, now.
func (j Job) Began() time.Time {
	if j.Tape != nil {
		return time.Now()
	}
	return j.Created()
}

// Beyond is the error for what a played job would ask of the world, and its tape
// does not hold.
func (j Job) Beyond(what string) error { return j.Tape.Beyond(what) }

func (j Job) tapeRemember(name string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return j.Tape.Remember(name, raw)
}
