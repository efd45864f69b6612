// Command cycles runs one tool many times and compares what the daemons hold of
// the machine after the first ones with what they hold at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

// warmUp is how many cycles come before the first look. Over many cycles memory is
// compared too, and what keeps the latest of something (the token events of 4000
// cycles) is full by then.
func warmUp(n int) int {
	if n >= long {
		return 4500
	}
	return 100
}

// long is from how many cycles on memory may not grow by more than a hundredth.
const long = 9000

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	n := flag.Int("n", 1000, "executions in all")
	project := flag.String("project", "test/testdata/projects/work", "project with work.inc and counter.bump")
	flag.Parse()
	leaked, err := run(*bin, *project, max(*n, 101))
	if err != nil {
		fmt.Fprintln(os.Stderr, "cycles:", err)
		os.Exit(1)
	}
	fmt.Printf("cycles: %d, leaked %d\n", max(*n, 101), leaked)
	if leaked > 0 {
		os.Exit(1)
	}
}

func run(bin, project string, n int) (int, error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "aria-cycles-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	// So that a look need not wait for long until nothing is parked.
	if err := os.WriteFile(filepath.Join(dir, "quiltd.toml"), []byte("parked_quiet = \"2s\"\n"), 0o644); err != nil {
		return 0, err
	}
	inst, err := system.Start(ctx, bin, dir)
	if err != nil {
		return 0, err
	}
	defer inst.Stop()
	if _, err := inst.Upload(ctx, project); err != nil {
		return 0, err
	}
	if err := crowd(ctx, inst); err != nil {
		return 0, err
	}
	var before state
	for i := range n {
		if i == warmUp(n) {
			if before, err = look(ctx, inst); err != nil {
				return 0, err
			}
		}
		if err := once(ctx, inst, i); err != nil {
			return 0, fmt.Errorf("execution %d: %w", i+1, err)
		}
	}
	after, err := look(ctx, inst)
	if err != nil {
		return 0, err
	}
	return compare(before, after, n), nil
}

// crowd has more containers at once than the cycles ever have: namespaces are
// pooled and there are as many of them as were once in use.
func crowd(ctx context.Context, inst *system.Instance) error {
	failed := make(chan error, 24)
	for range cap(failed) {
		go func() {
			_, err := system.Done(inst.Run(ctx, "work.inc", `{"n":41}`))
			failed <- err
		}()
	}
	var first error
	for range cap(failed) {
		if err := <-failed; first == nil {
			first = err
		}
	}
	return first
}

// once alternates a tool without tokens and one that writes under a lease.
func once(ctx context.Context, inst *system.Instance, i int) error {
	unit, input, want := "work.inc", `{"n":41}`, "42"
	if i%2 == 1 {
		unit, input, want = "counter.bump", `{"key":"cycles"}`, fmt.Sprint(i/2+1)
	}
	out, err := system.Done(inst.Run(ctx, unit, input))
	if err == nil && out != want {
		err = fmt.Errorf("%s answered %s, want %s", unit, out, want)
	}
	return err
}

type state struct {
	system.Snapshot
	goroutines int64
}

// look waits for quiet first: until nothing is parked, whose number varies from
// moment to moment and each of which has files open, and until connections have
// idled out.
func look(ctx context.Context, inst *system.Instance) (state, error) {
	for end := time.Now().Add(time.Minute); slices.ContainsFunc(inst.PIDs(), system.InContainer); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			return state{}, errors.New("containers are still there a minute after the last execution")
		}
	}
	time.Sleep(2 * time.Second)
	info, err := inst.System.Info(ctx, connect.NewRequest(&ariav1.InfoRequest{}))
	if err != nil {
		return state{}, err
	}
	s, err := inst.Snapshot()
	return state{Snapshot: s, goroutines: info.Msg.Goroutines}, err
}

// compare prints a row for each count and says how many grew.
func compare(a, b state, n int) int {
	// Of few cycles, what has not been used before is most of the growth: a tenth and
	// what a page cache of the store may take.
	memory := a.Resident>>10/10 + 8<<10
	if n >= long {
		memory = a.Resident >> 10 / 100
	}
	rows := []struct {
		what        string
		before, now int64
		allowance   int64
	}{
		{"processes", int64(a.Processes), int64(b.Processes), 0},
		{"descriptors", int64(a.Descriptors), int64(b.Descriptors), 2},
		{"goroutines of ariad", a.goroutines, b.goroutines, 4},
		{"threads", int64(a.Threads), int64(b.Threads), 4},
		{"mounts", int64(a.Mounts), int64(b.Mounts), 0},
		{"namespaces", int64(a.Namespaces), int64(b.Namespaces), 0},
		{"cgroups", int64(a.Cgroups), int64(b.Cgroups), 0},
		{"files", int64(a.Files), int64(b.Files), 0},
		{"resident KiB", a.Resident >> 10, b.Resident >> 10, memory},
	}
	leaked := 0
	fmt.Printf("%-22s %10s %10s\n", "", fmt.Sprint("after ", warmUp(n)), fmt.Sprint("after ", n))
	for _, r := range rows {
		mark := ""
		if r.now > r.before+r.allowance {
			mark, leaked = "  grew", leaked+1
		}
		fmt.Printf("%-22s %10d %10d%s\n", r.what, r.before, r.now, mark)
	}
	return leaked
}
