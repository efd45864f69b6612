package main

import (
	"testing"
	"time"
)

// The gate must be able to fail, on an idle machine and on a busy one.
func TestInTime(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name                string
		clock, used, waited time.Duration
		ok                  bool
	}{
		{"idle and quick", 5 * s, 9 * s, s / 10, true},
		{"idle and slow", 7 * s, 9 * s, s / 10, false},
		{"busy, so the clock says nothing", 20 * s, 12 * s, 9 * s, true},
		{"busy, and too much work", 20 * s, 15 * s, 9 * s, false},
	} {
		if err := inTime(c.clock, c.used, c.waited); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
