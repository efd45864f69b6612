// Command sim runs the real scheduler through seeded histories full of crashes,
// cancels, timeouts and clock jumps, and checks it after every step. It starts
// no daemon and no container. docs/design/008-tokens-proofs.md says which invariant
// is checked when.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

// roundGrants is how many grants one round makes. Rounds are independent, each
// with a seed of its own, so they run side by side and one can be run again.
const roundGrants = 20_000

func main() {
	grants := flag.Int("grants", 10_000_000, "how many grants to make at least")
	seed := flag.Uint64("seed", 1, "the run's seed")
	only := flag.Int("round", -1, "run only this round")
	flag.Parse()
	rounds := (*grants + roundGrants - 1) / roundGrants
	first := 0
	if *only >= 0 {
		first, rounds = *only, *only+1
	}
	began := time.Now()
	total := run(*seed, first, rounds)
	fmt.Printf("seed %d, %d rounds in %s: %d steps, %d queued, %d deadlock victims, %d cancels, %d timeouts, %d crashes, %d restarts, %d clock jumps, %d stale writes bounced\n",
		*seed, rounds-first, time.Since(began).Round(time.Second), total.steps, total.queued, total.victims, total.cancels, total.timeouts,
		total.crashes, total.restarts, total.jumps, total.bounced)
	faults := total.victims + total.cancels + total.timeouts + total.crashes + total.restarts + total.jumps
	fmt.Printf("sim: %d grants, %d faults, %d violations\n", total.grants, faults, total.violations)
	if total.violations > 0 || *only < 0 && total.grants < *grants {
		os.Exit(1)
	}
}

type count struct {
	grants, steps, queued, victims, cancels, timeouts, crashes, restarts, jumps, bounced, violations int
}

func (c *count) add(o count) {
	c.grants += o.grants
	c.steps += o.steps
	c.queued += o.queued
	c.victims += o.victims
	c.cancels += o.cancels
	c.timeouts += o.timeouts
	c.crashes += o.crashes
	c.restarts += o.restarts
	c.jumps += o.jumps
	c.bounced += o.bounced
	c.violations += o.violations
}

func run(seed uint64, first, end int) (total count) {
	var mu sync.Mutex
	var all sync.WaitGroup
	next := first
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				mu.Lock()
				round := next
				next++
				mu.Unlock()
				if round >= end {
					return
				}
				w := newWorld(seed, round)
				err := w.run()
				mu.Lock()
				if err != nil {
					w.violations++
					fmt.Printf("violation in step %d: %v\n  again: make sim SEED=%d ROUND=%d\n", w.steps, err, seed, round)
				}
				total.add(w.count)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return total
}
