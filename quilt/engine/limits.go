package engine

import (
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Limits of one execution. Zero means the default.
type Limits struct {
	MemoryBytes int64
	Pids        int64
	CPUMillis   int64 // 1000 = one core
	Wall        time.Duration
	TmpBytes    int64
	LogBytes    int64
	ResultBytes int64
	Wait        time.Duration // for tokens; 0: for ever
	// Grace is how long a unit that is stopped may take to end by itself. NoGrace: it
	// is not told, and ends at once.
	Grace time.Duration
}

// NoGrace is no time at all, for 0 is the default.
const NoGrace = time.Duration(-1)

const mib = 1 << 20

// limit is one row of docs/spec/limits.md.
type limit struct {
	name              string
	of                func(*Limits) *int64
	least, usual, top int64
}

// limits are all limits with their bounds, in one place.
var limits = []limit{
	{"memory_bytes", func(l *Limits) *int64 { return &l.MemoryBytes }, 64 * mib, 256 * mib, 16 << 30},
	{"pids", func(l *Limits) *int64 { return &l.Pids }, 16, 64, 4096},
	{"cpu_millis", func(l *Limits) *int64 { return &l.CPUMillis }, 50, 1000, 64_000},
	{"wall_ms", func(l *Limits) *int64 { return (*int64)(&l.Wall) }, int64(time.Millisecond), int64(time.Minute), int64(24 * time.Hour)},
	{"tmp_bytes", func(l *Limits) *int64 { return &l.TmpBytes }, 1 * mib, 64 * mib, 4 << 30},
	{"log_bytes", func(l *Limits) *int64 { return &l.LogBytes }, 1 << 10, 1 * mib, 64 * mib},
	{"result_bytes", func(l *Limits) *int64 { return &l.ResultBytes }, 1, 4 * mib, 4 * mib},
	{"wait_ms", func(l *Limits) *int64 { return (*int64)(&l.Wait) }, 0, 0, int64(7 * 24 * time.Hour)},
	{"grace_ms", func(l *Limits) *int64 { return (*int64)(&l.Grace) }, int64(NoGrace), int64(2 * time.Second), int64(time.Minute)},
}

// withDefaults fills what is zero and refuses what is out of bounds.
func (l Limits) withDefaults() (Limits, error) {
	for _, row := range limits {
		v := row.of(&l)
		if *v == 0 {
			*v = row.usual
			continue
		}
		if *v < row.least || *v > row.top {
			unit := int64(1)
			if strings.HasSuffix(row.name, "_ms") {
				unit = int64(time.Millisecond)
			}
			return l, fault.New(fault.Invalid, "limit %s is %d; it may be %d to %d", row.name, *v/unit, row.least/unit, row.top/unit).
				WithHint("leave it out for the default of %d", row.usual/unit)
		}
	}
	return l, nil
}
