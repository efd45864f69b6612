package scheduler

import "time"

// Restore gives a session of another process's table what it held there: tokens
// under the fence and since the time they have. Sessions come in the order of
// their opening, parents before those nested in them. It is false, with nothing
// changed, when they cannot be had: then the tables do not agree.
func (s *Scheduler) Restore(at time.Time, r Request, fence uint64, since time.Time) bool {
	before := s.fence
	effects := s.Submit(at, r)
	for _, e := range effects {
		if g, ok := e.(Granted); ok && g.Session == r.Session {
			x := s.sessions[r.Session]
			x.fence, x.since = fence, since.UnixNano()
			s.fence = max(before, fence)
			return true
		}
	}
	s.Close(at, r.Session)
	s.fence = before
	return false
}

// Rewait says since when a session's request waited in another process's table.
// Requests are submitted again, and this said of them, in the order of Waits.
func (s *Scheduler) Rewait(session string, since time.Time) {
	if x := s.sessions[session]; x != nil && x.pending != nil {
		x.pending.since = min(x.pending.since, since.UnixNano())
	}
}

// Fence is the highest that was given; SetFence lets the next be above f.
func (s *Scheduler) Fence() uint64 { return s.fence }

// SetFence: see Fence.
func (s *Scheduler) SetFence(f uint64) { s.fence = max(s.fence, f) }
