// Command chaos kills ariad, quiltd or both, at random instants, during runs of
// a ten-step pipeline whose every step counts something up, in a store of Aria's
// and at an HTTP server that is none of it (by handle, plain fetch and node:http;
// it counts once for every idempotency key), and helps nobody: each run that was
// accepted must end as done, with every step counted once in both.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

const (
	steps    = 10
	patience = 3 * time.Minute // for one run, under all kills
)

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	runs := flag.Int("runs", 1000, "runs")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the instants")
	atOnce := flag.Int("at-once", 8, "runs that go on at the same time")
	copies := flag.Int("copies", 0, "instead of kills: so many copies of the data folder, each started and held to the same")
	project := flag.String("project", "test/testdata/projects/chaos", "project with the pipelines")
	flag.Parse()
	begin := time.Now()
	fmt.Printf("chaos: seed %d\n", *seed)
	c := &chaos{runs: *runs, atOnce: *atOnce, copies: *copies, ids: map[int]string{}, over: map[int]bool{}, random: rand.New(rand.NewPCG(*seed, 1))}
	if err := c.run(*bin, *project); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	requests, plain, again, bare := c.counter.repeats()
	fmt.Printf("the server outside had %d requests, %d of them by plain fetch and node:http, %d again with the same key, %d without one\n", requests, plain, again, bare)
	c.doubled += bare
	if plain == 0 {
		fmt.Fprintln(os.Stderr, "chaos: nothing came by plain fetch")
		os.Exit(1)
	}
	fmt.Printf("took %s\n", time.Since(begin).Round(time.Second))
	what := fmt.Sprintf("%d kills", c.kills)
	if c.copies > 0 {
		what = fmt.Sprintf("%d copies", c.copies)
	}
	fmt.Printf("chaos: %d runs, %s, %d lost, %d doubled\n", c.runs, what, c.lost, c.doubled)
	if c.lost+c.doubled > 0 {
		os.Exit(1)
	}
}

type chaos struct {
	runs, atOnce int
	copies       int
	random       *rand.Rand // of the killer
	inst         *system.Instance
	counter      *counter
	kills        int

	mu            sync.Mutex
	lost, doubled int
	ids           map[int]string // of runs that were accepted
	over          map[int]bool   // of these, those whose end was seen

	copied atomic.Bool // no more copies are to be made
}

// accepted are the runs that ariad had said yes to, and those that had ended.
func (c *chaos) accepted() (ids map[int]string, over map[int]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.ids), maps.Clone(c.over)
}

func (c *chaos) run(bin, project string) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var err error
	if c.counter, err = newCounter(); err != nil {
		return err
	}
	defer c.counter.server.Close()
	dir, err := dataFolder(c.counter)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if c.inst, err = system.Start(ctx, bin, dir); err != nil {
		return err
	}
	defer c.inst.Stop()
	source, err := withPort(project, c.counter.port)
	if err != nil {
		return err
	}
	defer os.RemoveAll(source)
	if _, err := c.inst.Upload(ctx, source); err != nil {
		return err
	}
	kills, killed := make(chan struct{}), make(chan error, 1)
	go func() {
		defer c.copied.Store(true)
		if c.copies == 0 {
			c.copied.Store(true)
			killed <- c.killer(ctx, kills)
			return
		}
		killed <- (&copier{c: c, bin: bin, random: c.random}).run(ctx, c.copies, kills)
	}()
	c.all(ctx)
	close(kills)
	if err := <-killed; err != nil {
		return fmt.Errorf("%w\n%s", err, c.inst.Log())
	}
	if err := c.inst.WaitReady(ctx); err != nil {
		return err
	}
	for n := range c.runs {
		if err := c.countIn(ctx, c.inst, n); err != nil {
			return err
		}
	}
	return nil
}

// all starts the runs and waits for their ends.
func (c *chaos) all(ctx context.Context) {
	next := make(chan int)
	var workers sync.WaitGroup
	for range c.atOnce {
		workers.Go(func() {
			for n := range next {
				if err := c.one(ctx, n); err != nil {
					fmt.Printf("run %d: %v\n", n, err)
					c.mu.Lock()
					c.lost++
					c.mu.Unlock()
				}
			}
		})
	}
	n := 0
	for ; n < c.runs || !c.copied.Load(); n++ {
		next <- n
	}
	c.runs = n
	close(next)
	workers.Wait()
}

func name(n int) string { return fmt.Sprintf("r%d", n) }

func (c *chaos) one(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req := &ariav1.StartRequest{Unit: []string{"steps", "code"}[n%2], Input: fmt.Appendf(nil, `{"run":%q}`, name(n)), IdempotencyKey: "chaos-" + name(n)}
	var id string
	for id == "" {
		s, err := c.inst.Tasks.Start(ctx, connect.NewRequest(req))
		if err == nil {
			id = s.Msg.Run.Id
			c.mu.Lock()
			c.ids[n] = id
			c.mu.Unlock()
		} else if !passing(err) {
			return err
		}
		if err := pause(ctx, 20*time.Millisecond); id == "" && err != nil {
			return fmt.Errorf("not accepted: %w", err)
		}
	}
	for {
		g, err := c.inst.Tasks.Get(ctx, connect.NewRequest(&ariav1.GetRunRequest{Run: id}))
		if err == nil && g.Msg.Run.EndedUnixMs > 0 {
			if r := g.Msg.Run; r.State != "done" || string(r.Output) != fmt.Sprintf("%q", name(n)) {
				return fmt.Errorf("%s ended as %s %s: %s (%s)", id, r.State, r.Output, r.GetError().GetMessage(), r.GetError().GetCode())
			}
			c.mu.Lock()
			c.over[n] = true
			c.mu.Unlock()
			return nil
		}
		if err != nil && !passing(err) {
			return err
		}
		if pause(ctx, 25*time.Millisecond) != nil {
			return fmt.Errorf("%s has not ended after %s", id, patience)
		}
	}
}

func passing(err error) bool {
	code := connect.CodeOf(err)
	return code == connect.CodeUnavailable || code == connect.CodeUnknown || code == connect.CodeCanceled
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The victims, by how their command lines begin.
var victims = [][]string{{"ariad serve"}, {"quiltd engine"}, {"ariad serve", "quiltd engine"}, {"quiltd"}}

// killer goes on until stop is closed. Between two kills both daemons are up for
// up to a second.
func (c *chaos) killer(ctx context.Context, stop <-chan struct{}) error {
	for {
		wait, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := c.inst.WaitReady(wait)
		cancel()
		if err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		case <-time.After(time.Duration(c.random.IntN(1000)) * time.Millisecond):
		}
		for _, who := range victims[c.random.IntN(len(victims))] {
			pid := c.inst.Find(who)
			if pid == 0 {
				continue
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
			c.kills++
		}
	}
}

// countIn holds what was counted, in the store of an instance and outside, against
// what must have been.
func (c *chaos) countIn(ctx context.Context, inst *system.Instance, n int) error {
	out, err := system.Done(inst.Run(ctx, "seen.read", fmt.Sprintf(`{"run":%q}`, name(n))))
	if err != nil {
		return err
	}
	var seen []int
	if err := json.Unmarshal([]byte(out), &seen); err != nil || len(seen) != steps {
		return fmt.Errorf("seen.read said %s", out)
	}
	for place, times := range seen {
		c.judge(n, place, times, "in the store")
		c.judge(n, place, c.counter.counted(name(n), place), "outside")
	}
	return nil
}

// judge one effect by how often it was seen.
func (c *chaos) judge(n, step, times int, where string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case times == 0:
		c.lost++
		fmt.Printf("run %d: step %d is lost %s\n", n, step, where)
	case times > 1:
		c.doubled++
		fmt.Printf("run %d: step %d was done %d times %s\n", n, step, times, where)
	}
}
