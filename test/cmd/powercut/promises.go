package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/machine"
)

// promises are what the machine has acknowledged.
type promises struct {
	box *machine.Box
	bin string
	dir string // of the project

	mu      sync.Mutex
	bundles []string          // digests that Upload answered with
	runs    []string          // ids that Start answered with
	values  map[string]string // key and value of runs that were seen to be done
	next    int
}

func (p *promises) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%d bundles, %d runs, %d values", len(p.bundles), len(p.runs), len(p.values))
}

func (p *promises) close() {
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}

const source = `import { kv, tool } from '@aria/sdk';

/** Keeps what it is told. */
export class Ledger {
  private readonly ledger = kv<string, 'rw'>('ledger', 'rw');

  /** Note a value.
   *  @param key its name
   *  @param value what to keep */
  @tool({ idempotent: true })
  async put(key: string, value: string): Promise<string> {
    await this.ledger.set(key, value);
    return value;
  }

  /** Read the values of some keys, in order; those that are missing are empty.
   *  @param keys their names */
  @tool({ idempotent: true })
  async read(keys: string[]): Promise<string[]> {
    const out: string[] = [];
    for (const k of keys) out.push((await this.ledger.get(k)) ?? '');
    return out;
  }
}
`

// bundle builds the project under a version of its own.
func (p *promises) bundle(ctx context.Context, version int) ([]byte, error) {
	if p.dir == "" {
		dir, err := os.MkdirTemp("", "aria-ledger-")
		if err != nil {
			return nil, err
		}
		p.dir = dir
		if err := os.MkdirAll(filepath.Join(dir, "src"), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, "src", "ledger.ts"), []byte(source), 0o644); err != nil {
			return nil, err
		}
	}
	conf := fmt.Sprintf("name = \"ledger\"\nversion = \"1.0.%d\"\n", version)
	if err := os.WriteFile(filepath.Join(p.dir, "aria.toml"), []byte(conf), 0o644); err != nil {
		return nil, err
	}
	out := filepath.Join(p.dir, "x.aria")
	if said, err := exec.CommandContext(ctx, filepath.Join(p.bin, "arc"), "build", p.dir, "--out", out).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("arc build: %w\n%s", err, said)
	}
	return os.ReadFile(out)
}

// upload notes a bundle once the machine has acknowledged it.
func (p *promises) upload(ctx context.Context) error {
	p.mu.Lock()
	p.next++
	version := p.next
	p.mu.Unlock()
	data, err := p.bundle(ctx, version)
	if err != nil {
		return err
	}
	r, err := p.box.Bundles.Upload(ctx, connect.NewRequest(&ariav1.UploadRequest{Bundle: data}))
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bundles = append(p.bundles, r.Msg.Bundle.Digest)
	return nil
}

// put starts a run that keeps a value; the run is acknowledged when Start
// answers, the value when the run is seen to be done.
func (p *promises) put(ctx context.Context, key string) error {
	value := "value of " + key
	input, err := json.Marshal(map[string]string{"key": key, "value": value})
	if err != nil {
		return err
	}
	r, err := p.box.Tasks.Start(ctx, connect.NewRequest(&ariav1.StartRequest{Unit: "ledger.put", Input: input, IdempotencyKey: key}))
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.runs = append(p.runs, r.Msg.Run.Id)
	p.mu.Unlock()
	run, err := p.follow(ctx, r.Msg.Run.Id)
	if err == nil && run.State == "done" {
		p.mu.Lock()
		p.values[key] = value
		p.mu.Unlock()
	}
	return err
}

func (p *promises) follow(ctx context.Context, id string) (*ariav1.Run, error) {
	for {
		r, err := p.box.Tasks.Get(ctx, connect.NewRequest(&ariav1.GetRunRequest{Run: id}))
		if err != nil {
			return nil, err
		}
		switch r.Msg.Run.State {
		case "done", "failed", "cancelled":
			return r.Msg.Run, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// firstTime is how long work waits at most for a value to be acknowledged.
const firstTime = time.Minute

// work uploads and runs until a value was acknowledged and a time after that, and
// then calls cut, while calls are under way.
func (p *promises) work(ctx context.Context, length time.Duration, cut func()) {
	ctx, cancel := context.WithCancel(ctx)
	var busy sync.WaitGroup
	first := make(chan struct{}, 1000)
	busy.Go(func() {
		for ctx.Err() == nil && p.upload(ctx) == nil {
			time.Sleep(300 * time.Millisecond)
		}
	})
	for worker := range 2 {
		busy.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if p.put(ctx, fmt.Sprintf("k%d-%d-%d", time.Now().UnixNano(), worker, n)) != nil {
					return
				}
				select {
				case first <- struct{}{}:
				default:
				}
			}
		})
	}
	select {
	case <-first:
	case <-time.After(firstTime):
	case <-ctx.Done():
	}
	select {
	case <-time.After(length):
	case <-ctx.Done():
	}
	cut()
	cancel()
	busy.Wait()
}

// check looks for everything that was acknowledged and says what is gone.
func (p *promises) check(ctx context.Context) (gone []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if p.values == nil {
		p.values = map[string]string{}
		return nil, p.upload(ctx) // so that there is something to run
	}
	held, err := p.box.Bundles.List(ctx, connect.NewRequest(&ariav1.ListBundlesRequest{}))
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, b := range held.Msg.Bundles {
		there[b.Digest] = true
	}
	for _, d := range p.bundles {
		if !there[d] {
			gone = append(gone, "bundle "+d)
		} else if _, err := p.box.Bundles.Get(ctx, connect.NewRequest(&ariav1.GetBundleRequest{Digest: d})); err != nil {
			gone = append(gone, fmt.Sprintf("bundle %s: %v", d, err))
		}
	}
	for _, id := range p.runs {
		if _, err := p.follow(ctx, id); connect.CodeOf(err) == connect.CodeNotFound {
			gone = append(gone, "run "+id)
		} else if err != nil {
			return gone, fmt.Errorf("run %s does not come to an end: %w", id, err)
		}
	}
	more, err := p.checkValues(ctx)
	return append(gone, more...), err
}

// checkValues reads every acknowledged value back through a container.
func (p *promises) checkValues(ctx context.Context) (gone []string, err error) {
	var keys []string
	for k := range p.values {
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	input, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		return nil, err
	}
	r, err := p.box.Tasks.Start(ctx, connect.NewRequest(&ariav1.StartRequest{Unit: "ledger.read", Input: input}))
	if err != nil {
		return nil, err
	}
	run, err := p.follow(ctx, r.Msg.Run.Id)
	if err != nil {
		return nil, err
	}
	if run.State != "done" {
		return nil, fmt.Errorf("reading the values back: %s: %s", run.State, run.GetError().GetMessage())
	}
	var got []string
	if err := json.Unmarshal(run.Output, &got); err != nil || len(got) != len(keys) {
		return nil, fmt.Errorf("reading the values back gave %.200s", run.Output)
	}
	for n, k := range keys {
		if got[n] != p.values[k] {
			gone = append(gone, fmt.Sprintf("value of %s: found %q", k, got[n]))
		}
	}
	return gone, nil
}
