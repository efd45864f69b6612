package scheduler

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ariacomputecompany/firmware/token"
)

var (
	simSeeds = flag.Int("sim.seeds", 150, "how many seeds TestSim runs")
	simSeed  = flag.Uint64("sim.seed", 0, "run this seed only")
)

// TestSim runs a busy system by seed: sessions that ask, ask for more while
// they hold, give up, time out, end and crash, against the model after every
// step. A failure prints the seed; -sim.seed=N runs it again, step by step.
func TestSim(t *testing.T) {
	list := make([]token.Token, len(someTokens))
	for i, s := range someTokens {
		list[i] = tokens(t, s)[0]
	}
	var total simCount
	first, n := uint64(1), uint64(*simSeeds)
	if *simSeed != 0 {
		first, n = *simSeed, 1
	}
	for seed := first; seed < first+n; seed++ {
		total.add(simulate(seeded{t, seed}, seed, list))
	}
	t.Logf("%d seeds: %d steps, %d grants, %d in the longest queues together, %d deadlock victims, %d timeouts", n, total.steps, total.grants, total.waits, total.victims, total.timeouts)
	if *simSeed == 0 && (total.victims == 0 || total.timeouts == 0 || total.waits == 0) {
		t.Error("the simulation no longer reaches what it is for")
	}
}

// seeded names the seed in every failure.
type seeded struct {
	t    *testing.T
	seed uint64
}

func (s seeded) Fatalf(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("seed %d: %s", s.seed, fmt.Sprintf(format, args...))
}

type simCount struct{ steps, grants, waits, victims, timeouts int }

func (c *simCount) add(o simCount) {
	c.steps += o.steps
	c.grants += o.grants
	c.waits += o.waits
	c.victims += o.victims
	c.timeouts += o.timeouts
}

func simulate(t failer, seed uint64, list []token.Token) (c simCount) {
	r := rand.New(rand.NewPCG(seed, 0))
	x := newMachine()
	sessions := 4 + r.IntN(20)
	for c.steps = 0; c.steps < 200; c.steps++ {
		id := fmt.Sprint("s", r.IntN(sessions))
		switch p := r.IntN(100); {
		case p < 60:
			want := make([]token.Token, 1+r.IntN(2))
			for i := range want {
				want[i] = list[r.IntN(len(list))]
			}
			var deadline time.Time
			if r.IntN(4) == 0 {
				deadline = x.now.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
			}
			x.submit(t, id, Class(r.IntN(classes)), r.Int64N(10), want, deadline)
		case p < 85:
			x.close(t, id)
		case p < 90:
			x.follow(t, x.s.Cancel(x.now, id))
			x.settled(t)
		case p < 94:
			x.give(t, id, r.IntN(5), r.IntN(2) == 0)
		case p < 95:
			x.tick(t, time.Duration(r.IntN(60))*time.Second)
		default:
			x.tick(t, time.Duration(r.IntN(500)-50)*time.Millisecond)
		}
		c.waits = max(c.waits, len(x.m.waiting))
	}
	c.victims, c.timeouts, c.grants = x.victims, x.timeouts, int(x.s.fence)
	x.finish(t)
	return c
}

// TestSameCallsSameEffects: no map order, no address leaks into a decision.
func TestSameCallsSameEffects(t *testing.T) {
	run := func() (out []Effect) {
		r := rand.New(rand.NewPCG(42, 0))
		s := New(Config{Pools: somePools})
		for range 3000 {
			id := fmt.Sprint("s", r.IntN(12))
			if r.IntN(3) == 0 {
				out = append(out, s.Close(t0, id)...)
				continue
			}
			want := tokens(t, someTokens[r.IntN(len(someTokens))], someTokens[r.IntN(len(someTokens))])
			out = append(out, s.Submit(t0, Request{Session: id, Class: Class(r.IntN(classes)), Tokens: want})...)
		}
		return out
	}
	first := run()
	for range 5 {
		if diff := cmp.Diff(first, run()); diff != "" {
			t.Fatalf("two runs differ:\n%s", diff)
		}
	}
}
