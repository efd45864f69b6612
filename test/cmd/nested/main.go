// Command nested runs random nested teams and pipelines over contended tokens, in
// real containers, many at once, and asks why of every open run all the time. All
// must end well, and no wait may be without an explanation.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

// patience for one run, among all the others.
const patience = 5 * time.Minute

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	n := flag.Int("n", 1000, "runs")
	atOnce := flag.Int("at-once", 24, "runs that go on at the same time, not counting what they call")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the project and the runs")
	show := flag.Bool("show", false, "print the project and end")
	flag.Parse()
	p := newProject(rand.New(rand.NewPCG(*seed, 1)))
	if *show {
		fmt.Print(p.text.String())
		return
	}
	fmt.Printf("nested: seed %d\n", *seed)
	begin := time.Now()
	w := &nested{n: *n, atOnce: *atOnce, units: p.units(), random: rand.New(rand.NewPCG(*seed, 2))}
	if err := w.run(*bin, p.text.String()); err != nil {
		fmt.Fprintln(os.Stderr, "nested:", err)
		os.Exit(1)
	}
	fmt.Println(w.sampler)
	fmt.Printf("took %s\n", time.Since(begin).Round(time.Second))
	fmt.Printf("nested: %d ended, %d stalled, %d unexplained waits\n", w.ended, w.stalled, w.sampler.unexplained)
	if w.ended != *n || w.stalled+w.bad+w.sampler.unexplained > 0 {
		os.Exit(1)
	}
}

type nested struct {
	n, atOnce int
	units     []string
	random    *rand.Rand
	inst      *system.Instance
	sampler   *sampler

	mu                  sync.Mutex
	ended, stalled, bad int
}

func (w *nested) run(bin, text string) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var err error
	if w.inst, err = system.Start(ctx, bin, ""); err != nil {
		return err
	}
	defer w.inst.Stop()
	dir, err := system.Project(map[string]string{"aria.toml": "name = \"nested\"\nversion = \"1.0.0\"\n", "src/nested.ts": text})
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := w.inst.Upload(ctx, dir); err != nil {
		return err
	}
	w.sampler = newSampler(w.inst)
	sampling, over := context.WithCancel(ctx)
	sampled := make(chan error, 1)
	go func() { sampled <- w.sampler.run(sampling) }()
	w.all(ctx)
	over()
	return <-sampled
}

// all starts the runs and waits for their ends.
func (w *nested) all(ctx context.Context) {
	next := make(chan [2]string)
	var workers sync.WaitGroup
	for range w.atOnce {
		workers.Go(func() {
			for x := range next {
				w.one(ctx, x[0], x[1])
			}
		})
	}
	for range w.n {
		next <- [2]string{w.units[w.random.IntN(len(w.units))], fmt.Sprintf(`{"text":"touch %d"}`, w.random.IntN(100))}
	}
	close(next)
	workers.Wait()
}

func (w *nested) one(ctx context.Context, unit, input string) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := w.inst.Tasks.Start(ctx, connect.NewRequest(&ariav1.StartRequest{Unit: unit, Input: []byte(input)}))
	var run *ariav1.Run
	if err == nil {
		run, err = w.inst.Follow(ctx, r.Msg.Run.Id)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil:
		w.stalled++
		fmt.Printf("stalled: %s %s: %v\n", unit, input, err)
	case run.State != "done":
		w.ended++
		w.bad++
		fmt.Printf("ended as %s: %s %s: %s %s\n", run.State, run.Id, unit, run.GetError().GetCode(), run.GetError().GetMessage())
	default:
		w.ended++
	}
}
