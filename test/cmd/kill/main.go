// Command kill ends one of the daemons with SIGKILL while twenty executions are
// under way, round after round, and checks what must hold after each: nothing
// of the containers is left a second after recovery, every accepted run ends in
// an honest state, and the next run works.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"syscall"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

const inFlight = 20

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	rounds := flag.Int("rounds", 10, "rounds")
	project := flag.String("project", "test/testdata/projects/work", "project with counter.bump")
	flag.Parse()
	left, err := run(*bin, *project, *rounds)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kill:", err)
		os.Exit(1)
	}
	fmt.Printf("kill: %d rounds, %d left behind\n", *rounds, left)
	if left > 0 {
		os.Exit(1)
	}
}

// The victims, in turn, by how their command line begins.
var victims = []string{"ariad serve", "quiltd engine", "quiltd"}

func run(bin, project string, rounds int) (int, error) {
	ctx := context.Background()
	inst, err := system.Start(ctx, bin, "")
	if err != nil {
		return 0, err
	}
	defer inst.Stop()
	if _, err := inst.Upload(ctx, project); err != nil {
		return 0, err
	}
	if _, err := system.Done(inst.Run(ctx, "counter.read", `{"key":"warm"}`)); err != nil {
		return 0, err
	}
	time.Sleep(time.Second)
	quiet, err := quietGroups(inst)
	if err != nil {
		return 0, err
	}
	left := 0
	for r := range rounds {
		n, err := round(ctx, inst, r, victims[r%len(victims)], quiet)
		if err != nil {
			return left, fmt.Errorf("round %d, %s: %w\n%s", r+1, victims[r%len(victims)], err, inst.Log())
		}
		left += n
	}
	return left, nil
}

func round(ctx context.Context, inst *system.Instance, r int, victim string, quiet int) (int, error) {
	runs, err := start(ctx, inst, r)
	if err != nil {
		return 0, err
	}
	containers, err := awaitContainers(inst)
	if err != nil {
		return 0, err
	}
	per, err := perContainer(inst, quiet, len(containers))
	if err != nil {
		return 0, err
	}
	pid := inst.Find(victim)
	if pid == 0 {
		return 0, fmt.Errorf("no process %q", victim)
	}
	t := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return 0, err
	}
	if err := awaitGone(inst, pid); err != nil {
		return 0, err
	}
	wait, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := inst.WaitReady(wait); err != nil {
		return 0, err
	}
	recovered := time.Since(t)
	time.Sleep(time.Second)
	left, err := leftProcesses(inst, containers)
	if err != nil {
		return 0, err
	}
	states, err := settle(wait, inst, runs, r) // they go on by themselves, in containers of their own
	if err != nil {
		return left, err
	}
	groups, err := leftGroups(inst, quiet, per)
	if err != nil {
		return left, err
	}
	left += groups
	fmt.Printf("round %2d  kill -9 %-14s recovered in %4d ms, %d left behind, runs: %v\n",
		r+1, victim, recovered.Milliseconds(), left, states)
	out, err := system.Done(inst.Run(ctx, "counter.bump", fmt.Sprintf(`{"key":"after-%d"}`, r)))
	if err == nil && out != "1" {
		err = fmt.Errorf("the next run answered %s", out)
	}
	return left, err
}

func key(round, n int) string { return fmt.Sprintf("r%d-%d", round, n) }

func start(ctx context.Context, inst *system.Instance, r int) ([]string, error) {
	var ids []string
	for n := range inFlight {
		in := fmt.Sprintf(`{"key":%q,"ms":3000}`, key(r, n))
		s, err := inst.Tasks.Start(ctx, connect.NewRequest(&ariav1.StartRequest{Unit: "counter.bump", Input: []byte(in)}))
		if err != nil {
			return nil, err
		}
		ids = append(ids, s.Msg.Run.Id)
	}
	return ids, nil
}

// settle waits until every run has ended and holds its story against the store:
// what is done was applied once, and nothing was applied twice.
func settle(ctx context.Context, inst *system.Instance, runs []string, r int) (map[string]int, error) {
	states := map[string]int{}
	for n, id := range runs {
		run, err := inst.Follow(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", id, err)
		}
		what := run.State
		switch {
		case run.State == "failed":
			what = run.GetError().GetCode()
			if run.GetError().GetMessage() == "" || what == "internal" {
				return nil, fmt.Errorf("run %s failed without an honest reason: %v", id, run.Error)
			}
		case run.State != "done":
			return nil, fmt.Errorf("run %s is %q after the restart", id, run.State)
		}
		states[what]++
		out, err := system.Done(inst.Run(ctx, "counter.read", fmt.Sprintf(`{"key":%q}`, key(r, n))))
		if err != nil {
			return nil, err
		}
		if out != "1" && (run.State == "done" || out != "0") {
			return nil, fmt.Errorf("run %s is %s but its write was applied %s times", id, what, out)
		}
	}
	return states, nil
}
