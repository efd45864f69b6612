package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

// refill is how long the pool gets to park the next container.
const refill = 100 * time.Millisecond

// side is one pair of daemons: with parked containers, or with the code loaded
// in them too.
type side struct {
	inst  *system.Instance
	start string // how its runs should start
	whole sample
	hops  [len(hopNames)]sample
	asked int
}

// open starts a pair. Its data folder lies where the other's does.
func open(ctx context.Context, bin, project, settings, start string) (*side, error) {
	dir, err := os.MkdirTemp("", "aria-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "quiltd.toml"), []byte(settings), 0o644); err != nil {
		return nil, err
	}
	inst, err := system.Start(ctx, bin, dir)
	if err != nil {
		return nil, err
	}
	_, err = inst.Upload(ctx, project)
	return &side{inst: inst, start: start}, err
}

func (s *side) close() {
	if s != nil {
		s.inst.Stop()
		os.RemoveAll(s.inst.Dir)
	}
}

func parked(bin, project string, n int) (line string, ok bool, err error) {
	ctx := context.Background()
	plain, err := open(ctx, bin, project, "", "pooled")
	defer plain.close()
	if err != nil {
		return "", false, err
	}
	warm, err := open(ctx, bin, project, "warm = 4\n", "warm")
	defer warm.close()
	if err != nil {
		return "", false, err
	}
	quilt, err := tokenapi.Dial(filepath.Join(plain.inst.Dir, "run", "quilt.sock"))
	if err != nil {
		return "", false, err
	}
	defer quilt.Close()
	p := &probe{plain: plain, warm: warm, quilt: quilt, bun: filepath.Join(plain.inst.Bin, "bun")}
	for i := -10; i < n; i++ {
		if i == 0 { // until here it was to get used to it
			p.claim, p.direct, p.bare, p.sync = nil, nil, nil, nil
			*plain, *warm = side{inst: plain.inst, start: plain.start}, side{inst: warm.inst, start: warm.start}
		}
		if err := p.round(ctx); err != nil {
			return "", false, err
		}
	}
	short, long, err := p.idle(ctx)
	if err != nil {
		return "", false, err
	}
	p.print(short, long)
	claim, whole, loaded := p.claim.gate(), plain.whole.gate()/p.bare.gate(), warm.whole.gate()/p.bare.gate()
	ok = claim <= maxClaim && whole <= maxPath && loaded <= maxWarm && short.at(.5) <= maxIdle*plain.whole.at(.5) && long.at(0) <= maxIdle*plain.whole.at(.5)
	return fmt.Sprintf("claim p50 %.2f p10 %.2f ms, whole path p50 %.2f p10 %.2f ms = %.2f x bare bun, with the code loaded p50 %.2f p10 %.2f ms = %.2f x",
		p.claim.at(.5), p.claim.at(.1), plain.whole.at(.5), plain.whole.at(.1), whole, warm.whole.at(.5), warm.whole.at(.1), loaded), ok, nil
}

// idle takes the whole path after pauses.
func (p *probe) idle(ctx context.Context) (short, long sample, err error) {
	for i := range 24 {
		to, pause := &short, 300*time.Millisecond
		if i%8 == 7 {
			to, pause = &long, 10*time.Second
		}
		time.Sleep(pause)
		h, err := p.plain.path(ctx)
		if err != nil {
			return nil, nil, err
		}
		*to = append(*to, h.total())
	}
	return short, long, nil
}

func (p *probe) print(short, long sample) {
	fmt.Printf("\n%-60s %8s %8s %8s %8s\n", "parked, ms", "min", "p10", "p50", "p99")
	p.claim.print("grant of the tokens to first result, inside quiltd")
	p.direct.print("quiltd's socket to the last event and back")
	for _, s := range []*side{p.plain, p.warm} {
		s.whole.print("client, ariad, quiltd, container, client: " + s.start)
		for i, hop := range s.hops {
			hop.print("  " + hopNames[i])
		}
	}
	short.print("pooled, after 300 ms of idleness")
	long.print("pooled, after 10 s of idleness")
	p.bare.print("a bare bun that does nothing, for comparison")
	p.sync.print("8 KiB added to a file and synced to the disk, for comparison")
	fmt.Printf("of %d starts each %d were pooled and %d warm; %s\n", p.plain.asked, len(p.plain.whole), len(p.warm.whole),
		map[bool]string{true: "the machine has other work: the tenth percentile counts", false: "the machine is quiet: the median counts"}[loaded()])
}

// probe takes every measurement in turn.
type probe struct {
	plain, warm *side
	quilt       *tokenapi.Client
	bun         string
	serial      int

	claim, direct, bare, sync sample
}

func (p *probe) round(ctx context.Context) error {
	time.Sleep(refill)
	if err := p.execute(ctx); err != nil {
		return err
	}
	for _, s := range []*side{p.plain, p.warm} {
		time.Sleep(refill)
		h, err := s.path(ctx)
		if err != nil {
			return err
		}
		if s.asked++; h.start == s.start {
			s.whole = append(s.whole, h.total())
			for i, piece := range h.pieces() {
				s.hops[i] = append(s.hops[i], piece)
			}
		}
	}
	began := time.Now()
	if err := exec.CommandContext(ctx, p.bun, "-e", "0").Run(); err != nil {
		return err
	}
	p.bare = append(p.bare, since(began))
	return p.fsync()
}

// fsync is what the disk takes for the least that a journal writes.
func (p *probe) fsync() error {
	f, err := os.OpenFile(filepath.Join(p.plain.inst.Dir, "sync"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 8<<10)); err != nil {
		return err
	}
	began := time.Now()
	if err := f.Sync(); err != nil {
		return err
	}
	p.sync = append(p.sync, since(began))
	return nil
}

// execute runs a trivial unit straight through quiltd's socket.
func (p *probe) execute(ctx context.Context) error {
	p.serial++
	req := tokenapi.Request{Execution: fmt.Sprint("bench-", p.serial), Unit: "bench.one", Entry: "code/u.js", Export: "U", Method: "run", Args: []byte("[41]"),
		Files: []tokenapi.File{{Path: "code/u.js", Content: []byte("// @bun\nexport class U { async run(n) { return n + 1 } }")}}}
	how := ""
	began := time.Now()
	end, err := p.quilt.Execute(ctx, req, func(e tokenapi.Event) error {
		if s, ok := e.(tokenapi.Started); ok {
			how = s.Start
		}
		return nil
	})
	took := since(began)
	if err == nil && string(end.Result) != "42" {
		err = fmt.Errorf("the unit answered %s, %v", end.Result, end.Error)
	}
	if err == nil && how == "pooled" {
		p.claim = append(p.claim, float64(end.Usage.ResultUS)/1e3)
		p.direct = append(p.direct, took)
	}
	return err
}

// path runs work.inc through ariad and follows it to its end.
func (s *side) path(ctx context.Context) (*hops, error) {
	h := &hops{asked: time.Now()}
	r, err := s.inst.Tasks.Start(ctx, connect.NewRequest(&ariav1.StartRequest{Unit: "work.inc", Input: []byte(`{"n":41}`)}))
	if err != nil {
		return nil, err
	}
	h.answered = time.Now()
	w, err := s.inst.Tasks.Watch(ctx, connect.NewRequest(&ariav1.WatchRequest{Run: r.Msg.Run.Id}))
	if err != nil {
		return nil, err
	}
	defer w.Close()
	var last string
	for w.Receive() {
		for _, e := range w.Msg().Events {
			if err := h.read(e); err != nil {
				return nil, err
			}
			if last = string(e.Data); e.Kind == "ended" {
				h.told = time.Now()
			}
		}
	}
	if err := w.Err(); err != nil {
		return nil, err
	}
	if !strings.Contains(last, `"output":42`) {
		return nil, fmt.Errorf("work.inc ended with %s", last)
	}
	return h, nil
}
