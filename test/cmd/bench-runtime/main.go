// Command bench-runtime measures what durability costs: a journaled step beside
// one of Restate's, in one run, turn by turn, both with their logs synced to
// disk; steps a second; and how long ariad takes from a kill -9 until every one
// of many open runs is taken up. It fails if a gate (gates.go) is missed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

const perRun = 10 // steps

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	n := flag.Int("n", 40, "rounds")
	open := flag.String("open", "1000,10000", "open runs at a restart, one figure after the other")
	folder := flag.String("rival", "test/bench-runtime", "folder of the rival")
	project := flag.String("project", "test/testdata/projects/bench-runtime", "project with the units")
	flag.Parse()
	b := &bench{n: *n, gates: usualGates()}
	line, err := b.run(*bin, *project, *folder, strings.Split(*open, ","))
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-runtime:", err)
		os.Exit(1)
	}
	fmt.Println(line)
	if len(b.gates.missed) > 0 {
		os.Exit(1)
	}
}

type bench struct {
	n     int
	inst  *system.Instance
	rival *rival
	waits int // runs that wait so far
	gates *gates
}

func (b *bench) run(bin, project, folder string, open []string) (string, error) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var err error
	if b.inst, err = system.Start(ctx, bin, ""); err != nil {
		return "", err
	}
	defer b.inst.Stop()
	if _, err := b.inst.Upload(ctx, project); err != nil {
		return "", err
	}
	if b.rival, err = startRival(ctx, folder); err != nil {
		return "", err
	}
	defer b.rival.stop()
	line, err := b.steps(ctx)
	if err != nil {
		return "", err
	}
	for _, text := range open {
		many, err := strconv.Atoi(text)
		if err != nil {
			return "", err
		}
		serving, all, err := b.recovery(ctx, many)
		if err != nil {
			return "", err
		}
		b.gates.recovery(many, all)
		line += fmt.Sprintf("; %d open runs: serving after %s, all taken up after %s", many, serving.Round(time.Millisecond), all.Round(time.Millisecond))
	}
	return "bench-runtime: " + line + "; " + b.gates.verdict(), nil
}

// steps measures one call at a time, ours and the rival's in turn, and then as
// many at once as there are eight of.
func (b *bench) steps(ctx context.Context) (string, error) {
	kinds := []struct {
		name string
		do   func(i int) error
	}{
		{"tool", func(int) error { return b.ours(ctx, "work.nothing", `{"n":1}`) }},
		{"pipeline", func(int) error { return b.ours(ctx, "ten", `{"n":1}`) }},
		{"no writes", func(i int) error { return b.ours(ctx, "work.writes", fmt.Sprintf(`{"key":"a%d","n":0}`, i)) }},
		{"writes", func(i int) error { return b.ours(ctx, "work.writes", fmt.Sprintf(`{"key":"a%d","n":%d}`, i, perRun)) }},
		{"rival alone", func(int) error { return b.rival.steps(ctx, 0) }},
		{"rival", func(int) error { return b.rival.steps(ctx, perRun) }},
	}
	took := map[string][]time.Duration{}
	for i := range b.n + 3 {
		for _, k := range kinds {
			began := time.Now()
			if err := k.do(i); err != nil {
				return "", fmt.Errorf("%s: %w", k.name, err)
			}
			if i >= 3 { // the first warm up
				took[k.name] = append(took[k.name], time.Since(began))
			}
		}
	}
	median := func(name string) time.Duration { slices.Sort(took[name]); return took[name][len(took[name])/2] }
	rate := map[string]float64{}
	for _, k := range kinds {
		if k.name == "pipeline" || k.name == "writes" || k.name == "rival" {
			r, err := b.rate(k.do)
			if err != nil {
				return "", fmt.Errorf("%s: %w", k.name, err)
			}
			rate[k.name] = r
		}
	}
	alone := median("tool")
	step := median("pipeline") / perRun
	b.gates.steps(step, rate["pipeline"])
	write := (median("writes") - median("no writes")) / perRun
	theirs := (median("rival") - median("rival alone")) / perRun
	fmt.Printf("%-46s %10s %12s\n", "", "each, p50", "a second, 8 at once")
	for _, row := range []struct {
		what string
		each time.Duration
		rate float64
	}{{"a tool through the API, its container included", alone, 0}, {"a step of a pipeline, its container included", step, rate["pipeline"]},
		{"a journaled write of a unit", write, rate["writes"]}, {"a journaled step of Restate, no container", theirs, rate["rival"]}} {
		fmt.Printf("%-46s %10s %12.0f\n", row.what, row.each.Round(10*time.Microsecond), row.rate)
	}
	return fmt.Sprintf("step %s (a tool alone %s), %.0f steps/s; journaled write %s, %.0f/s; Restate's step %s, %.0f/s",
		step.Round(10*time.Microsecond), alone.Round(10*time.Microsecond), rate["pipeline"], write.Round(10*time.Microsecond), rate["writes"],
		theirs.Round(10*time.Microsecond), rate["rival"]), nil
}

func (b *bench) ours(ctx context.Context, unit, input string) error {
	_, err := system.Done(b.inst.Run(ctx, unit, input))
	return err
}

// rate is how many steps a second go through with eight callers.
func (b *bench) rate(do func(i int) error) (float64, error) {
	const callers = 8
	var all sync.WaitGroup
	errs := make([]error, callers)
	began := time.Now()
	for c := range callers {
		all.Go(func() {
			for i := range b.n / 2 {
				if errs[c] = do(1000 + c*1000 + i); errs[c] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(callers*(b.n/2)*perRun) / time.Since(began).Seconds(), nil
}

// recovery kills ariad under so many open runs, all of which wait for a person,
// and says when it serves again and when it has taken up all of them.
func (b *bench) recovery(ctx context.Context, many int) (serving, all time.Duration, err error) {
	if err := b.open(ctx, many); err != nil {
		return 0, 0, err
	}
	pid := b.inst.Find("ariad serve")
	if pid == 0 {
		return 0, 0, fmt.Errorf("no ariad to kill")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := b.inst.WaitReady(ctx); err != nil {
		return 0, 0, err
	}
	serving = time.Since(began)
	for {
		info, err := b.inst.System.Info(ctx, connect.NewRequest(&ariav1.InfoRequest{}))
		if err == nil && info.Msg.RunsOpen >= int64(many) {
			return serving, time.Since(began), nil
		}
		if time.Since(began) > 5*time.Minute {
			return serving, 0, fmt.Errorf("not all of %d runs were taken up: %v", many, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// open starts runs until so many wait.
func (b *bench) open(ctx context.Context, many int) error {
	var all sync.WaitGroup
	room := make(chan struct{}, 32)
	errs := make(chan error, 1)
	for ; b.waits < many; b.waits++ {
		n := b.waits
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			if _, err := b.inst.Tasks.Start(ctx, connect.NewRequest(&ariav1.StartRequest{Unit: "waits", Input: fmt.Appendf(nil, `{"n":%d}`, n)})); err != nil {
				select {
				case errs <- err:
				default:
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	for end := time.Now().Add(20 * time.Minute); time.Now().Before(end); time.Sleep(250 * time.Millisecond) {
		r, err := b.inst.Tasks.List(ctx, connect.NewRequest(&ariav1.ListRunsRequest{Limit: 1, State: "running"}))
		p, perr := b.inst.Tasks.List(ctx, connect.NewRequest(&ariav1.ListRunsRequest{Limit: 1, State: "pending"}))
		if err == nil && perr == nil && len(r.Msg.Runs)+len(p.Msg.Runs) == 0 {
			return nil
		}
	}
	return fmt.Errorf("%d runs did not come to wait in 20 minutes", many)
}
