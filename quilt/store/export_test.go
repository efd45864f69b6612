package store

import "time"

// SweepNow removes what has expired. The test's store has no other writer then.
func (s *Store) SweepNow() error { return s.writer.sweep(time.Now().Add(time.Second)) }
