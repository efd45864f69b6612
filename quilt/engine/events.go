package engine

import (
	"encoding/json"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

// Event is one thing that happened; exactly one pointer is set, or Result.
type Event struct {
	Seq     uint64 // 1, 2, 3 … of its execution
	Time    time.Time
	Queued  *Queued
	Started *Started
	Log     *broker.Entry
	Result  json.RawMessage
	Ended   *Ended
	Effect  *broker.Effect // with a journal: to be made durable
	Ask     *broker.Ask    // with a journal: to be answered
	Spent   *broker.Spent  // on a model, through the gateway
}

// Queued says that the lease could not be had at once.
type Queued struct {
	WaitsFor []string // tokens
	HeldBy   []string // executions
	Position int
}

// Started says that the harness is up.
type Started struct {
	Start     string        // "cold", "pooled" or "warm"
	Took      time.Duration // from grant to ready
	Waited    time.Duration // for the lease
	Lease     string
	Fence     uint64
	Isolation string
	Image     string
}

// Reason is how an execution ended, from a closed list.
type Reason string

const (
	Done     Reason = "done"
	Error    Reason = "error"    // the unit threw
	Timeout  Reason = "timeout"  // wall clock, start-up, or waiting for tokens
	OOM      Reason = "oom"      // memory limit
	Pids     Reason = "pids"     // process limit
	CPU      Reason = "cpu"      // processor time limit
	Killed   Reason = "killed"   // somebody stopped it
	Denied   Reason = "denied"   // it asked for what it does not hold
	Deadlock Reason = "deadlock" // its request would have closed a cycle
	Output   Reason = "output"   // its result is too large
	Crash    Reason = "crash"    // it went away without a result
	Protocol Reason = "protocol" // it broke the harness protocol
	Internal Reason = "internal" // ours
	// Diverged and Suspended are those of executions with a journal.
	Diverged  Reason = "diverged"  // it did not do what was recorded
	Suspended Reason = "suspended" // it waits for nothing but what its caller parked
)

// Ended is the last event.
type Ended struct {
	Reason Reason
	Fault  *fault.Error   // nil when done
	Thrown *broker.Thrown // what the unit threw, if it did
	Usage  Usage
	// Stopped is how one ended that was told to: ByItself or ByForce. "": nobody told
	// it anything.
	Stopped Stopped
}

// Stopped is how a unit ended that was told to end.
type Stopped string

const (
	ByItself Stopped = "itself" // within its grace
	ByForce  Stopped = "killed" // when that was over
)

// Usage is what an execution took.
type Usage struct {
	Wall       time.Duration // from grant to end
	CPU        time.Duration
	PeakMemory int64
	Calls      int64         // to the broker
	Read       int64         // bytes that it was sent: its code and input, answers
	Written    int64         // bytes that it sent: calls, log, result, stdout and stderr
	Result     time.Duration // from grant until its last word was in; 0: it said none
}
