// Command deadlocks makes rings of real executions through the public API: each
// holds one lock and asks for the next one's. Of every ring exactly one must be
// refused at once, with an error that names the ring, and all others must then
// end well; of a line that is no ring, none may be refused.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/test/system"
)

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	sizes := flag.String("sizes", "2,3,5,10,30,100,300,1000", "how many executions each ring has")
	flag.Parse()
	if err := run(*bin, *sizes); err != nil {
		fmt.Fprintln(os.Stderr, "deadlocks:", err)
		os.Exit(1)
	}
}

// tally of all rings and lines.
type tally struct {
	rings, found, falsely, unnamed, broken int
	largest                                int
	slowest                                time.Duration
}

func run(bin, list string) error {
	var sizes []int
	for _, s := range strings.Split(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 2 {
			return fmt.Errorf("a ring of %q", s)
		}
		sizes = append(sizes, n)
	}
	ctx := context.Background()
	inst, err := start(ctx, bin, slices.Max(sizes)+8)
	if err != nil {
		return err
	}
	defer inst.Stop()
	var sum tally
	for _, n := range sizes {
		if err := upload(ctx, inst, n); err != nil {
			return err
		}
		for _, ring := range []bool{true, false} {
			if !ring && n > 100 {
				continue // a long line shows nothing that a shorter one does not
			}
			out, err := chain(ctx, inst, n, ring)
			if err != nil {
				return fmt.Errorf("%d executions: %w\n%s", n, err, tail(inst.Log()))
			}
			out.report(n, ring, &sum)
		}
	}
	fmt.Printf("deadlocks: %d rings of 2 to %d executions, %d found, %d missed, %d false victims, %d without the ring's name, slowest %d ms\n",
		sum.rings, sum.largest, sum.found, sum.rings-sum.found, sum.falsely, sum.unnamed, sum.slowest.Milliseconds())
	if sum.found != sum.rings || sum.falsely+sum.unnamed+sum.broken > 0 {
		return fmt.Errorf("%d broken ends", sum.broken)
	}
	return nil
}

// start lets as many executions live as the largest ring has.
func start(ctx context.Context, bin string, most int) (*system.Instance, error) {
	dir, err := os.MkdirTemp("", "aria-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"policy.toml": fmt.Sprintf("[machine]\nexecutions = %d\n", most),
		"ariad.toml":  fmt.Sprintf("tools = %d\n", most),
	} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return system.Start(ctx, bin, dir)
}

func (o outcome) report(n int, ring bool, sum *tally) {
	what := "line"
	if ring {
		what = "ring"
		sum.rings++
		sum.largest = max(sum.largest, n)
		sum.slowest = max(sum.slowest, o.took)
		sum.found += min(o.victims, 1)
		sum.falsely += max(o.victims-1, 0)
		sum.unnamed += o.unnamed
	} else {
		sum.falsely += o.victims
	}
	sum.broken += n - o.victims - o.done
	fmt.Printf("%s of %4d: %d refused, %d done, %d otherwise; up in %.1f s, refused %d ms after the last one asked\n",
		what, n, o.victims, o.done, n-o.victims-o.done, o.up.Seconds(), o.took.Milliseconds())
	for _, e := range o.odd {
		fmt.Println("  ", e)
	}
}

func tail(log string) string {
	lines := strings.Split(log, "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
