package task

import (
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// retryAfter is when who was refused while draining may ask again.
const retryAfter = 5 * time.Second

// Drain refuses new runs from here on, or takes them again. What goes on goes on.
func (t *Tasks) Drain(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = on
}

// Draining says whether new runs are refused, and how many go on and wait.
func (t *Tasks) Draining() (on bool, running, waiting int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.live {
		switch r := l.snapshot(); {
		case r.State.Ended() || r.Parent != "":
		case r.State == Waiting:
			waiting++
		default:
			running++
		}
	}
	return t.draining, running, waiting
}

// stopping is what who comes too late reads.
func stopping() error {
	return fault.New(fault.Unavailable, "ariad is stopping and takes no new runs").WithHint("try again in %d s", int(retryAfter.Seconds()))
}

// States counts the runs that have not ended.
func (t *Tasks) States() map[State]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[State]int{Pending: 0, Running: 0, Waiting: 0}
	for _, l := range t.live {
		if s := l.snapshot().State; !s.Ended() {
			out[s]++
		}
	}
	return out
}
