package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

const source = `import { kv, stopSignal, tool } from '@aria/sdk';

export class Work {
  seen = kv<string, 'rw'>('rootless-seen', 'rw', { hold: 'tx' });

  /** Takes memory. @param mib how much */
  @tool()
  async take(mib: number): Promise<number> {
    const all: Uint8Array[] = [];
    for (let i = 0; i < mib; i++) {
      all.push(new Uint8Array(1 << 20).fill(1));
      if (i % 8 === 0) await new Promise((done) => setTimeout(done, 1));
    }
    return all.length;
  }

  /** Starts threads. @param count how many */
  @tool()
  async threads(count: number): Promise<string> {
    for (let i = 0; i < count; i++) new (globalThis as any).Worker('data:text/javascript,setInterval(()=>{},1e6)');
    await new Promise((done) => setTimeout(done, 2000));
    return 'started';
  }

  /** Takes too long. */
  @tool({ timeout: '500ms' })
  async late(): Promise<void> {
    const stop = stopSignal();
    await new Promise<void>((done) => {
      const timer = setTimeout(done, 60_000);
      stop.addEventListener('abort', () => {
        clearTimeout(timer);
        done();
      });
    });
    await this.seen.set('late', 'told');
  }

  /** What late has left. */
  @tool()
  async left(): Promise<string> {
    return (await this.seen.get('late')) ?? 'nothing';
  }

  /** Waits. */
  @tool()
  async wait(): Promise<string> {
    await new Promise((done) => setTimeout(done, 3_000));
    return 'waited';
  }
}
`

// tool starts the pair and uses it.
func tool(ctx context.Context, p *place) (err error) {
	if p.inst, err = system.StartAs(ctx, p.users.own, p.bin, p.data, "--allow-degraded", p.users.degraded()); err != nil {
		return err
	}
	dir, err := system.Project(map[string]string{"aria.toml": "name = \"work\"\nversion = \"1.0.0\"\n", "src/work.ts": source})
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, project := range []string{dir, "examples/orders"} {
		if _, err := p.inst.Upload(ctx, project); err != nil {
			return err
		}
	}
	out, err := p.inst.Arc(ctx, "run", "orders.add", "--input", `{"id":"A-17","buyer":"Ada","total":4200}`).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(`"open"`)) || !bytes.Contains(out, []byte("degraded: rootless without "+strings.ReplaceAll(p.users.degraded(), ",", ", ")+" (")) {
		return fmt.Errorf("arc run said %s (%v)", out, err)
	}
	return nil
}

func agent(ctx context.Context, p *place) error {
	out, err := p.inst.Arc(ctx, "task", "support", "Please look up order A-17 for me").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("A-17")) {
		return fmt.Errorf("arc task said %s (%v)", out, err)
	}
	return nil
}

// ends runs a unit and wants an error of this code.
func (p *place) ends(ctx context.Context, unit, input, code string) error {
	r, err := p.inst.Run(ctx, unit, input)
	if err != nil {
		return err
	}
	if r.State != "failed" || r.GetError().GetCode() != code {
		return fmt.Errorf("%s is %s with %v, want %s", unit, r.State, r.Error, code)
	}
	return nil
}

func memory(ctx context.Context, p *place) error {
	return p.ends(ctx, "work.take", `{"mib":1500}`, "exhausted")
}

func processes(ctx context.Context, p *place) error {
	r, err := p.inst.Run(ctx, "work.threads", `{"count":500}`)
	if err == nil && r.State != "failed" {
		err = fmt.Errorf("500 threads: %s", r.State)
	}
	return err
}

func stopped(ctx context.Context, p *place) error {
	if err := p.ends(ctx, "work.late", `{}`, "timeout"); err != nil {
		return err
	}
	out, err := system.Done(p.inst.Run(ctx, "work.left", `{}`))
	if err == nil && out != `"told"` {
		err = fmt.Errorf("what it left is %s", out)
	}
	return err
}

// waiting starts five runs and returns when three of their containers stand.
func (p *place) waiting(ctx context.Context) (runs []string, containers []int, err error) {
	for range 5 {
		s, err := p.inst.Tasks.Start(ctx, connect.NewRequest(&ariav1.StartRequest{Unit: "work.wait", Input: []byte("{}")}))
		if err != nil {
			return nil, nil, err
		}
		runs = append(runs, s.Msg.Run.Id)
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if containers = containersOf(p.users); len(containers) >= 3 {
			return runs, containers, nil
		}
	}
	return nil, nil, fmt.Errorf("%d containers", len(containers))
}

// through: all of them come to their end.
func (p *place) through(ctx context.Context, runs []string) error {
	for _, id := range runs {
		if _, err := system.Done(p.inst.Follow(ctx, id)); err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
	}
	return nil
}

// restarted replaces the engine while containers run. They go on.
func restarted(ctx context.Context, p *place) error {
	runs, before, err := p.waiting(ctx)
	if err != nil {
		return err
	}
	engine := p.find("quiltd engine")
	out, err := p.as(ctx, "quiltd", "restart", "-data", p.data).CombinedOutput()
	if err != nil || !bytes.HasPrefix(out, []byte(fmt.Sprintf("restarted: engine %d is ", engine))) {
		return fmt.Errorf("engine %d; quiltd restart said %s (%v)", engine, out, err)
	}
	for _, c := range before {
		if system.StartTime(c) == "" {
			return fmt.Errorf("container %d of %d did not outlive the restart", c, len(before))
		}
	}
	return p.through(ctx, runs)
}

// collected: what is to be cleaned up by hand after all this is nothing.
func collected(ctx context.Context, p *place) error {
	out, err := p.as(ctx, "quiltd", "gc", "-data", p.data).CombinedOutput()
	if err != nil || string(out) != "gc: 0 groups, 0 unfinished images removed\n" {
		return fmt.Errorf("quiltd gc said %s (%v)", out, err)
	}
	return nil
}

// killed ends a daemon while containers run. They end with it; the runs go on in
// others.
func killed(victim string) func(context.Context, *place) error {
	return func(ctx context.Context, p *place) error {
		runs, before, err := p.waiting(ctx)
		if err != nil {
			return err
		}
		pid := p.find(victim)
		if pid == 0 {
			return fmt.Errorf("there is no process %q", victim)
		}
		starts := map[int]string{}
		for _, c := range before {
			starts[c] = system.StartTime(c)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return err
		}
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			left := 0
			for c, start := range starts {
				if system.StartTime(c) == start && start != "" {
					left++
				}
			}
			if left == 0 {
				break
			}
			if time.Now().After(end) {
				return fmt.Errorf("%d of %d containers outlived %q", left, len(before), victim)
			}
		}
		return p.through(ctx, runs)
	}
}

// find is the process of that user whose command line begins so.
func (p *place) find(what string) int {
	for _, pid := range processesOf(p.users) {
		if strings.HasPrefix(system.CommandLine(pid), what) {
			return pid
		}
	}
	return 0
}
