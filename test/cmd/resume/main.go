// Command resume follows one run over gRPC, a WebSocket and server-sent events at
// the same time, through a relay that cuts every one of these connections again
// and again, in the middle of whatever it carries, while ariad itself is killed a
// few times. Each reader goes on behind the last event it has; it must see every
// event once, in order, and the same as the others.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

const source = `import { log, tool } from '@aria/sdk';
export class Talk {
  /** Says many lines, a few at a time. */
  @tool({ timeout: '30m' })
  async lines(n: number): Promise<number> {
    for (let i = 0; i < n; i++) {
      log.info('line ' + i, { i, text: 'x'.repeat(i % 200) });
      if (i % 4 === 3) await new Promise((done) => setTimeout(done, 10));
    }
    return n;
  }
}
`

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	cuts := flag.Int("cuts", 100, "cuts of each connection")
	kills := flag.Int("kills", 3, "times that ariad is killed meanwhile")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the instants")
	flag.Parse()
	fmt.Printf("resume: seed %d\n", *seed)
	r := &resume{cuts: *cuts, kills: *kills, random: rand.New(rand.NewPCG(*seed, 1))}
	if err := r.run(*bin); err != nil {
		fmt.Fprintln(os.Stderr, "resume:", err)
		os.Exit(1)
	}
	fmt.Printf("resume: %d events, %d cuts, %d kills, %d lost, %d twice\n", r.events, r.made, *kills, r.lost, r.twice)
	if r.lost+r.twice > 0 || r.made < 3**cuts {
		os.Exit(1)
	}
}

type resume struct {
	cuts, kills               int
	random                    *rand.Rand
	events, made, lost, twice int
}

func (r *resume) run(bin string) error {
	ctx, stop := context.WithTimeout(context.Background(), 15*time.Minute)
	defer stop()
	inst, err := system.Start(ctx, bin, "")
	if err != nil {
		return err
	}
	defer inst.Stop()
	dir, err := system.Project(map[string]string{"aria.toml": "name = \"resume\"\nversion = \"1.0.0\"\n", "src/talk.ts": source})
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := inst.Upload(ctx, dir); err != nil {
		return err
	}
	s, err := inst.Tasks.Start(ctx, connect.NewRequest(&ariav1.StartRequest{Unit: "talk.lines", Input: fmt.Appendf(nil, `{"n":%d}`, 100*r.cuts)}))
	if err != nil {
		return err
	}
	id := s.Msg.Run.Id
	readers := []*reader{{name: "gRPC", once: overGRPC}, {name: "WebSocket", once: overWebSocket}, {name: "SSE", once: overSSE}}
	errs := make([]error, len(readers))
	var all sync.WaitGroup
	for i, x := range readers {
		if x.relay, err = newRelay(inst.URL, r.cuts, r.random.Uint64()); err != nil {
			return err
		}
		defer x.relay.close()
		x.run, x.credential = id, inst.Credential
		all.Go(func() { errs[i] = x.follow(ctx) })
	}
	all.Go(func() { r.kill(ctx, inst) })
	all.Wait()
	for i, x := range readers {
		if errs[i] != nil {
			return fmt.Errorf("%s: %w", x.name, errs[i])
		}
	}
	return r.judge(ctx, inst, id, readers)
}

// kill ends ariad a few times; its supervisor starts it again, and the run goes on.
func (r *resume) kill(ctx context.Context, inst *system.Instance) {
	for range r.kills {
		time.Sleep(time.Duration(500+r.random.IntN(1500)) * time.Millisecond)
		if inst.WaitReady(ctx) != nil {
			return
		}
		if pid := inst.Find("ariad serve"); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// judge holds what each reader saw against the journal.
func (r *resume) judge(ctx context.Context, inst *system.Instance, id string, readers []*reader) error {
	stream, err := inst.Tasks.Watch(ctx, connect.NewRequest(&ariav1.WatchRequest{Run: id}))
	if err != nil {
		return err
	}
	defer stream.Close()
	var journal []event
	for stream.Receive() {
		for _, e := range stream.Msg().Events {
			journal = append(journal, event{e.Seq, e.Kind, string(e.Data)})
		}
	}
	if err := stream.Err(); err != nil {
		return err
	}
	if n := len(journal); n == 0 || journal[n-1].kind != "ended" {
		return fmt.Errorf("the journal of %s has %d events and no end", id, n)
	}
	r.events = len(journal)
	for _, x := range readers {
		made := x.relay.made()
		r.made += made
		fmt.Printf("%s: %d connections, %d cut\n", x.name, x.connections, made)
		times := map[uint64]int{}
		for i, e := range x.seen {
			times[e.seq]++
			if i > 0 && e.seq != x.seen[i-1].seq+1 {
				fmt.Printf("%s: event %d after %d\n", x.name, e.seq, x.seen[i-1].seq)
			}
			if e.seq == 0 || e.seq > uint64(len(journal)) || same(e.data) != same(journal[e.seq-1].data) || e.kind != journal[e.seq-1].kind {
				return fmt.Errorf("%s: event %d is not that of the journal: %s %s", x.name, e.seq, e.kind, e.data)
			}
		}
		for _, e := range journal {
			switch n := times[e.seq]; {
			case n == 0:
				r.lost++
			case n > 1:
				r.twice += n - 1
			}
		}
	}
	return nil
}
