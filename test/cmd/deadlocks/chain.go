package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

// upload builds a project with n locks.
func upload(ctx context.Context, inst *system.Instance, n int) error {
	dir, err := os.MkdirTemp("", "aria-ring-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Mkdir(filepath.Join(dir, "src"), 0o755); err != nil {
		return err
	}
	var fields, all strings.Builder
	for i := range n {
		fmt.Fprintf(&fields, "  l%d = lock('ring%d-%d', 'rw', { hold: 'tx' });\n", i, n, i)
		fmt.Fprintf(&all, "this.l%d, ", i)
	}
	source := fmt.Sprintf(`import { lock, tool } from '@aria/sdk';

export class Gate {
  gate = lock('ring%d-gate');
  /** Keep the gate shut. */
  @tool({ timeout: '1h' })
  async keep(): Promise<void> {
    await new Promise((open) => setTimeout(open, 3_600_000));
  }
}

export class Ring {
  gate = lock('ring%d-gate', 'r', { hold: 'tx' });
%s
  /** Hold one lock, then ask for another.
   *  @param own the one to hold
   *  @param next the one to ask for; none if below 0 */
  @tool({ timeout: '1h' })
  async step(own: number, next: number): Promise<string> {
    const all = [%s];
    return all[own]!.hold(async () => {
      await this.gate.hold(() => undefined);
      return next < 0 ? 'last' : all[next]!.hold(() => 'had both');
    });
  }
}
`, n, n, fields.String(), all.String())
	for name, text := range map[string]string{
		"aria.toml": fmt.Sprintf("name = \"ring%d\"\nversion = \"1.0.0\"\n", n), "src/ring.ts": source,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	_, err = inst.Upload(ctx, dir)
	return err
}

// outcome of one ring or line.
type outcome struct {
	victims, done, unnamed int
	up, took               time.Duration
	odd                    []string
}

// chain runs n executions that each hold their own lock; then the gate opens,
// and each asks for the lock of the next. The last one's next is the first in a
// ring, and none in a line.
func chain(ctx context.Context, inst *system.Instance, n int, ring bool) (outcome, error) {
	var o outcome
	ctx, stop := context.WithTimeout(ctx, 10*time.Minute+time.Duration(n)*time.Second)
	defer stop()
	gate, err := begin(ctx, inst, fmt.Sprintf("ring%d#gate.keep", n), "{}")
	if err != nil {
		return o, err
	}
	if err := until(ctx, inst, func(t *ariav1.TokensResponse) bool { return holds(t, fmt.Sprintf("lock:ring%d-gate:rw", n)) }); err != nil {
		return o, fmt.Errorf("the gate is not shut: %w", err)
	}
	began := time.Now()
	runs := make([]string, n)
	for i := range n {
		next := i + 1
		if next == n {
			next = -1
			if ring {
				next = 0
			}
		}
		if runs[i], err = begin(ctx, inst, fmt.Sprintf("ring%d#ring.step", n), fmt.Sprintf(`{"own":%d,"next":%d}`, i, next)); err != nil {
			return o, err
		}
	}
	if err := until(ctx, inst, func(t *ariav1.TokensResponse) bool { return len(t.Waiters) == n }); err != nil {
		return o, fmt.Errorf("not all are at the gate: %w", err)
	}
	o.up = time.Since(began)
	if _, err := inst.Tasks.Cancel(ctx, connect.NewRequest(&ariav1.CancelRequest{Run: gate})); err != nil {
		return o, err
	}
	opened := time.Now()
	for i, id := range runs {
		r, err := wait(ctx, inst, id)
		if err != nil {
			return o, err
		}
		switch {
		case r.State == "done":
			o.done++
		case r.GetError().GetCode() == "deadlock":
			o.victims++
			o.took = time.UnixMilli(r.EndedUnixMs).Sub(opened)
			if !named(r.Error.Message, runs, i) {
				o.unnamed++
				o.odd = append(o.odd, r.Error.Message)
			}
		default:
			o.odd = append(o.odd, fmt.Sprintf("%s is %s: %s", id, r.State, r.GetError().GetMessage()))
		}
	}
	return o, nil
}

// named: the error names the ring, beginning with the victim, of which it tells
// the first steps, how many there are, and the last one.
func named(message string, runs []string, victim int) bool {
	n := len(runs)
	want := []string{fmt.Sprintf("a ring of %d", n)}
	for k := range min(n, 8) {
		i := (victim + k) % n
		want = append(want, fmt.Sprintf("%s.1 waits for lock:ring%d-%d:rw, held by %s.1", runs[i], n, (i+1)%n, runs[(i+1)%n]))
	}
	last := (victim + n - 1) % n
	want = append(want, fmt.Sprintf("%s.1 waits for lock:ring%d-%d:rw, held by %s.1", runs[last], n, victim, runs[victim]))
	for _, w := range want {
		if !strings.Contains(message, w) {
			return false
		}
	}
	return true
}

func begin(ctx context.Context, inst *system.Instance, unit, input string) (string, error) {
	r, err := inst.Tasks.Start(ctx, connect.NewRequest(&ariav1.StartRequest{Unit: unit, Input: []byte(input)}))
	if err != nil {
		return "", err
	}
	return r.Msg.Run.Id, nil
}

// until looks at who holds and who waits until ok.
func until(ctx context.Context, inst *system.Instance, ok func(*ariav1.TokensResponse) bool) error {
	for {
		r, err := inst.System.Tokens(ctx, connect.NewRequest(&ariav1.TokensRequest{}))
		if err != nil && connect.CodeOf(err) != connect.CodeUnavailable { // as when many start at once
			return err
		}
		if err == nil && ok(r.Msg) {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			if err != nil {
				return err
			}
			return fmt.Errorf("%d hold, %d wait: %w", len(r.Msg.Holders), len(r.Msg.Waiters), ctx.Err())
		}
	}
}

func holds(t *ariav1.TokensResponse, token string) bool {
	for _, h := range t.Holders {
		for _, held := range h.Tokens {
			if held == token {
				return true
			}
		}
	}
	return false
}

// wait follows a run to its end.
func wait(ctx context.Context, inst *system.Instance, id string) (*ariav1.Run, error) {
	for {
		r, err := inst.Tasks.Get(ctx, connect.NewRequest(&ariav1.GetRunRequest{Run: id}))
		if err != nil {
			return nil, err
		}
		if r.Msg.Run.EndedUnixMs > 0 {
			return r.Msg.Run, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("%s has not ended: %w", id, ctx.Err())
		}
	}
}
