// Powercut pulls the plug of a machine that runs the boot image, at random
// instants during uploads and runs, and looks whether everything that was
// acknowledged is there when it comes up again, with nobody repairing anything.
// The disk loses what was not flushed (test/powerdisk). One line per cut, and one
// last line; it exits 0 only if nothing was lost.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/test/machine"
	"github.com/ariacomputecompany/firmware/test/powerdisk"
)

func main() {
	bin := flag.String("bin", "bin", "folder of the built programs")
	n := flag.Int("n", 20, "cuts")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the instants and of what the disk loses")
	verbose := flag.Bool("v", false, "show the serial line")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Printf("powercut: seed %d\n", *seed)
	lost, err := run(ctx, *bin, *n, *seed, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "powercut:", err)
		os.Exit(1)
	}
	for _, l := range lost {
		fmt.Println("  lost:", l)
	}
	fmt.Printf("powercut: %d, %d lost\n", *n, len(lost))
	if len(lost) > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, bin string, n int, seed uint64, verbose bool) (lost []string, err error) {
	if bin, err = filepath.Abs(bin); err != nil {
		return nil, err
	}
	box, err := machine.New(filepath.Join(bin, "boot", "aria.img"), 1<<30)
	if err != nil {
		return nil, err
	}
	defer box.Close()
	if verbose {
		box.Log = os.Stderr
	}
	disk, err := powerdisk.Serve(box.Disk, box.Dir)
	if err != nil {
		return nil, err
	}
	defer disk.Close()
	drive := disk.Drive()
	box.Drive = &drive
	rng := rand.New(rand.NewPCG(seed, 0))
	p := &promises{box: box, bin: bin}
	defer p.close()
	for cut := 0; ; cut++ {
		begin := time.Now()
		if err := box.Start(ctx); err != nil {
			return nil, err
		}
		// One start in four is itself cut short.
		if cut > 0 && cut < n && rng.IntN(4) == 0 {
			after := time.Duration(rng.Int64N(int64(25 * time.Second)))
			select {
			case <-time.After(after):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			err = pull(box, disk, rng, fmt.Sprintf("cut %2d  %5.1f s into a start", cut+1, after.Seconds()))
		} else {
			if _, err := box.Ready(ctx); err != nil {
				return nil, fmt.Errorf("start after %d cuts: %w", cut, err)
			}
			gone, err := p.check(ctx)
			if err != nil {
				return nil, fmt.Errorf("after %d cuts: %w", cut, err)
			}
			lost = append(lost, gone...)
			if cut == n {
				fmt.Printf("  up again after %.0f s; %s acknowledged in all\n", time.Since(begin).Seconds(), p)
				break
			}
			work := time.Duration(rng.Int64N(int64(12 * time.Second)))
			p.work(ctx, work, func() {
				err = pull(box, disk, rng, fmt.Sprintf("cut %2d  %5.1f s into work", cut+1, work.Seconds()))
			})
			fmt.Printf("          %s acknowledged so far\n", p)
		}
		if err != nil {
			return nil, err
		}
	}
	off, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return lost, errors.Join(box.M.Stop(off), disk.Err())
}

// pull ends the machine and lets its disk forget. Every other time it waits for
// the worst instant: data has been written and the flush is on its way.
func pull(box *machine.Box, disk *powerdisk.Disk, rng *rand.Rand, what string) error {
	if rng.IntN(2) == 0 {
		select {
		case <-disk.NextFlush():
			what += ", at a flush"
		case <-time.After(5 * time.Second):
		}
	}
	box.M.Kill()
	stake, lost, err := disk.Cut(rng)
	fmt.Printf("  %s; of %d unflushed sectors the disk kept all but %d\n", what, stake, lost)
	if strings.Contains(box.M.Serial(), "Kernel panic") {
		err = errors.Join(err, errors.New("the kernel panicked before the cut"))
	}
	return err
}
