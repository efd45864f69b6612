package scheduler

import "time"

// Effect is what a call did: Granted, Queued or Refused, in the order in which
// it happened.
type Effect interface{ effect() }

// Granted: the session holds all tokens of its request from now on.
type Granted struct {
	Session string
	Fence   uint64 // higher than every fence before
	Waited  time.Duration
}

// Queued: the request waits. The lists name at most 16 each.
type Queued struct {
	Session  string
	WaitsFor []string // tokens of the request that cannot be had now
	HeldBy   []string // sessions that hold what conflicts
	Behind   []string // sessions that asked earlier for what conflicts
	Position int      // in the queue it stands in; 1 is next
}

// Refused: the request ended without a grant. The session keeps what it holds.
type Refused struct {
	Session string
	Reason  Reason
	Token   string // the one that can never be had; else ""
	Cycle   []Edge // of a deadlock, beginning with the refused session
}

// Edge is one wait of a cycle: Session waits for Token because of HeldBy.
type Edge struct {
	Session string
	Token   string
	HeldBy  string
}

// Reason of a refusal.
type Reason string

const (
	Never     Reason = "never"     // more than there is: waiting cannot help
	Deadlock  Reason = "deadlock"  // it closed, or lay on, a cycle
	Timeout   Reason = "timeout"   // its deadline passed
	Cancelled Reason = "cancelled" // Cancel
	Closed    Reason = "closed"    // Close
	Busy      Reason = "busy"      // the session has a request waiting already
	Full      Reason = "full"      // the tenant's queue is full
	TooMany   Reason = "too many"  // tokens in one request
)

func (Granted) effect() {}
func (Queued) effect()  {}
func (Refused) effect() {}
