package scheduler

import "time"

// Effect is what a call did: Granted, Queued, Refused, Raised or Revoke, in the
// order in which it happened.
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
	// RetryAfter is a guess when asking again has a chance (Full, Quota).
	RetryAfter time.Duration
}

// Raised: a session inherits the class of one that it keeps waiting, until it
// gives something back.
type Raised struct {
	Session string
	Class   Class
	By      string
}

// Revoke asks to end a preemptible session soon: a more urgent one waits for
// it. The caller closes it when it has ended; until then it holds.
type Revoke struct {
	Session string
	For     string
}

// Edge is one wait of a cycle: Session waits for Token because of HeldBy. The
// Token is "" if Session waits for HeldBy to end, which it started.
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
	Quota     Reason = "quota"     // the tenant would hold too many tokens
	Orphan    Reason = "orphan"    // its parent is not open, or is another tenant's
)

func (Granted) effect() {}
func (Queued) effect()  {}
func (Refused) effect() {}
func (Raised) effect()  {}
func (Revoke) effect()  {}
