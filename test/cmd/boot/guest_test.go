package main

import (
	"strings"
	"testing"
	"time"
)

// The gate must be able to fail, on an idle machine and on a busy one.
func TestInTime(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name                string
		threads             bool
		clock, used, waited time.Duration
		want                string
	}{
		{"idle and quick", true, 5 * s, 9 * s, s / 10, ""},
		{"idle and slow", true, 7 * s, 9 * s, s / 10, "on an idle machine"},
		{"idle, quick, and too much work", true, 5 * s, 15 * s, s / 10, "15.0 s of processor"},
		{"busy: neither figure says anything", true, 20 * s, 15 * s, 9 * s, "other work"},
		{"busy, on one thread: the clock says nothing", false, 20 * s, 12 * s, 9 * s, ""},
		{"busy, on one thread: all work is dearer", false, 20 * s, 20 * s, 9 * s, ""},
		{"busy, on one thread, and far too much work", false, 20 * s, 22 * s, 9 * s, "22.0 s of processor"},
		{"idle, on one thread, and too much work", false, 8 * s, 15 * s, s / 10, "15.0 s of processor"},
	} {
		b := bench{ready: c.clock, within: 6 * s}
		err := b.inTime(c.threads, c.used, c.waited)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
