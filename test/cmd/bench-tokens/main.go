// Command bench-tokens measures the scheduler in process, and kv writes of the
// real store side by side with plain SQLite and bbolt in one run on one disk.
// Times are the best of several rounds: what the code costs when the machine
// does nothing else.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

// row is one figure with the most it may be; 0 is no gate.
type row struct {
	name  string
	got   float64
	unit  string
	gate  float64
	noted string
}

func main() {
	writes := flag.Int("n", 1000, "kv writes of each kind")
	flag.Parse()
	rows := []row{
		{"grant + release, 1 token", grantRelease(1), "µs", 1, ""},
		{"grant + release, 4 tokens", grantRelease(4), "µs", 0, ""},
	}
	bytes, handoff := waiters(100_000)
	rows = append(rows,
		row{"100,000 waiters, memory each", bytes, "B", 500, "without their ids and texts"},
		row{"100,000 waiters, hand-off", handoff, "µs", 50, "p50 of 2,000"},
		row{"deadlock of 10", deadlock(10), "µs", 20, "found, victim named"},
		row{"deadlock of 1,000", deadlock(1000), "µs", 500, ""},
		row{"deadlock of 10,000", deadlock(10_000), "µs", 11_000, ""},
	)
	socket, err := socketRows(5000)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-tokens:", err)
		os.Exit(1)
	}
	rows = append(rows, socket...)
	kv, err := kvRows(*writes)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-tokens:", err)
		os.Exit(1)
	}
	missed, gates := 0, 0
	for _, r := range append(rows, kv...) {
		gate := ""
		if r.gate > 0 {
			gates++
			gate = fmt.Sprintf("≤ %.4g", r.gate)
			if r.got > r.gate {
				gate += "  MISSED"
				missed++
			}
		}
		fmt.Printf("%-42s %12.4g %-5s %-18s %s\n", r.name, r.got, r.unit, gate, r.noted)
	}
	fmt.Printf("bench-tokens: %d figures, %d of %d gates missed\n", len(rows)+len(kv), missed, gates)
	if missed > 0 {
		os.Exit(1)
	}
}

// best is the shortest of several rounds, in microseconds for each of n.
func best(rounds, n int, f func()) float64 {
	shortest := time.Duration(1 << 62)
	for range rounds {
		began := time.Now()
		f()
		shortest = min(shortest, time.Since(began))
	}
	return float64(shortest.Nanoseconds()) / 1000 / float64(n)
}
