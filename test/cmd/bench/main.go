// Command bench measures what a caller pays: a trivial tool through the public
// API in a cold container each time, beside a bare Bun that runs the same code,
// turn by turn in one run; then what the idle daemons keep in memory, and what
// `arc build` costs. The last line has the figures; it exits 0 only if the
// promises of docs/spec/promises.md hold.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/ariacomputecompany/firmware/test/system"
)

// The gates, as docs/spec/promises.md states them.
const (
	maxRatio   = 3.0
	maxIdleMiB = 85 // 81 to 82.4 were reached; the aim is 80
	maxBuildMS = 80
)

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	n := flag.Int("n", 300, "calls")
	project := flag.String("project", "test/testdata/projects/work", "project with work.inc")
	example := flag.String("example", "examples/orders", "project that arc build is timed on")
	flag.Parse()
	if err := run(*bin, *project, *example, *n); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(bin, project, example string, n int) error {
	ctx := context.Background()
	inst, err := system.Start(ctx, bin, "")
	if err != nil {
		return err
	}
	defer inst.Stop()
	if _, err := inst.Upload(ctx, project); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	fresh, err := inst.Snapshot()
	if err != nil {
		return err
	}
	bare, err := newBare(ctx, inst, project)
	if err != nil {
		return err
	}
	defer bare.close()
	cold, plain, err := interleave(ctx, inst, bare, n)
	if err != nil {
		return err
	}
	idle, err := quiet(inst)
	if err != nil {
		return err
	}
	wall, cpu, err := timeBuild(ctx, inst, example, 15)
	if err != nil {
		return err
	}
	return report(cold, plain, wall, cpu, fresh, idle)
}

// quiet waits until no container is parked any more, and 3 s.
func quiet(inst *system.Instance) (system.Snapshot, error) {
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		if !slices.ContainsFunc(inst.PIDs(), system.InContainer) {
			break
		}
	}
	time.Sleep(3 * time.Second)
	return inst.Snapshot()
}

func report(cold, plain, wall, cpu sample, fresh, idle system.Snapshot) error {
	fmt.Printf("%-34s %8s %8s %8s %8s\n", "", "min", "p50", "p90", "p99")
	cold.print("call through the API, ms")
	plain.print("bare bun, same code, ms")
	wall.print("arc build of the example, wall ms")
	cpu.print("arc build of the example, cpu ms")
	mib := func(s system.Snapshot) float64 { return float64(s.Resident) / (1 << 20) }
	fmt.Printf("resident, %d processes: %.1f MiB fresh, %.1f MiB after the calls\n", idle.Processes, mib(fresh), mib(idle))
	ratio := cold.at(.5) / plain.at(.5)
	fmt.Printf("bench: call p50 %.1f ms = %.2f x bare bun, idle %.0f MiB\n", cold.at(.5), ratio, mib(idle))
	switch {
	case ratio > maxRatio:
		return fmt.Errorf("a call costs %.2f x bare bun, promised %.1f", ratio, maxRatio)
	case mib(idle) > maxIdleMiB:
		return fmt.Errorf("idle daemons keep %.0f MiB, promised %d", mib(idle), maxIdleMiB)
	case cpu.at(.5) > maxBuildMS:
		return fmt.Errorf("arc build takes %.0f ms of process time, promised %d", cpu.at(.5), maxBuildMS)
	}
	return nil
}
