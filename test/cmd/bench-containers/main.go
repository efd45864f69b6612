// Command bench-containers measures what a container costs: first one alone
// beside bare Bun and every container runtime that is installed, then many at
// once, endings and idleness (both are benchmarks of quilt/sandbox, run from
// here), then a parked container: from the grant of its tokens to the first
// result, and the whole path client, ariad, quiltd, container, client. The last
// line has the figures; it exits 0 only if all gates hold.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

// The gates, as docs/spec/promises.md states them.
const (
	maxClaim = 2.0 // ms
	maxPath  = 5.0 // ms
	maxIdle  = 1.5 // times a busy one
)

// refill is how long the pool gets to park the next container.
const refill = 80 * time.Millisecond

func main() {
	bin := flag.String("bin", "bin", "folder of the programs")
	sandbox := flag.String("sandbox", "bin/sandbox.test", "test binary of quilt/sandbox")
	dir := flag.String("dir", "quilt/sandbox", "its folder")
	n := flag.Int("n", 150, "calls")
	project := flag.String("project", "test/testdata/projects/work", "project with work.inc")
	flag.Parse()
	held := true
	if *sandbox != "" {
		held = rivals(*sandbox, *dir)
	}
	line, ok, err := parked(*bin, *project, *n)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-containers:", err)
		os.Exit(1)
	}
	fmt.Printf("bench-containers: %s, gates held: %v\n", line, held && ok)
	if !held || !ok {
		os.Exit(1)
	}
}

// rivals runs the benchmarks of quilt/sandbox.
func rivals(binary, dir string) bool {
	path, err := filepath.Abs(binary)
	if err != nil {
		return false
	}
	held := true
	for _, b := range [][2]string{{"^BenchmarkRivals$", "60x"}, {"^BenchmarkLoad$", "1x"}} {
		c := exec.Command(path, "-test.run", "^$", "-test.bench", b[0], "-test.benchtime", b[1], "-test.timeout", "30m")
		c.Dir, c.Stdout, c.Stderr = dir, os.Stdout, os.Stderr
		held = c.Run() == nil && held
	}
	return held
}

// sample holds milliseconds.
type sample []float64

func (s sample) at(q float64) float64 {
	t := slices.Clone(s)
	slices.Sort(t)
	return t[int(q*float64(len(t)-1))]
}

func since(t time.Time) float64 { return time.Since(t).Seconds() * 1e3 }

// gate is what counts of a sample: the median; on a machine that others keep
// busy, what the quiet moments showed.
func (s sample) gate() float64 {
	if loaded() {
		return s.at(.1)
	}
	return s.at(.5)
}

func loaded() bool {
	text, err := os.ReadFile("/proc/loadavg")
	var one float64
	if err == nil {
		_, err = fmt.Sscanf(strings.Fields(string(text))[0], "%g", &one)
	}
	return err == nil && one > float64(runtime.NumCPU())
}

func (s sample) print(what string) {
	fmt.Printf("%-60s %8.2f %8.2f %8.2f %8.2f\n", what, s.at(0), s.at(.1), s.at(.5), s.at(.99))
}

func parked(bin, project string, n int) (line string, ok bool, err error) {
	ctx := context.Background()
	inst, err := system.Start(ctx, bin, "")
	if err != nil {
		return "", false, err
	}
	defer inst.Stop()
	if _, err := inst.Upload(ctx, project); err != nil {
		return "", false, err
	}
	quilt, err := tokenapi.Dial(filepath.Join(inst.Dir, "run", "quilt.sock"))
	if err != nil {
		return "", false, err
	}
	defer quilt.Close()
	p := &probe{inst: inst, quilt: quilt, bun: filepath.Join(inst.Bin, "bun")}
	for range 10 {
		if err := p.round(ctx); err != nil {
			return "", false, err
		}
	}
	*p = probe{inst: inst, quilt: quilt, bun: p.bun, serial: p.serial}
	for range n {
		if err := p.round(ctx); err != nil {
			return "", false, err
		}
	}
	short, long := sample{}, sample{}
	for i := range 24 {
		to, pause := &short, 300*time.Millisecond
		if i%8 == 7 {
			to, pause = &long, 10*time.Second
		}
		time.Sleep(pause)
		took, _, err := p.path(ctx)
		if err != nil {
			return "", false, err
		}
		*to = append(*to, took)
	}
	fmt.Printf("\n%-60s %8s %8s %8s %8s\n", "parked, ms", "min", "p10", "p50", "p99")
	p.claim.print("grant of the tokens to first result, inside quiltd")
	p.direct.print("quiltd's socket to the last event and back")
	p.whole.print("client, ariad, quiltd, container, client")
	for i, hop := range p.hops {
		hop.print("  " + hopNames[i])
	}
	short.print("the same after 300 ms of idleness")
	long.print("the same after 10 s of idleness")
	p.bare.print("a bare bun that does nothing, for comparison")
	fmt.Printf("%d of %d starts were pooled; %s\n", p.pooled, p.starts, map[bool]string{true: "the machine has other work: the tenth percentile counts", false: "the machine is quiet: the median counts"}[loaded()])
	claim, whole := p.claim.gate(), p.whole.gate()
	ok = claim <= maxClaim && whole <= maxPath && short.at(.5) <= maxIdle*p.whole.at(.5) && long.at(0) <= maxIdle*p.whole.at(.5)
	return fmt.Sprintf("claim p50 %.2f p10 %.2f ms, whole path p50 %.2f p10 %.2f ms, bare bun p50 %.2f ms", p.claim.at(.5), p.claim.at(.1), p.whole.at(.5), p.whole.at(.1), p.bare.at(.5)), ok, nil
}

// probe takes every measurement in turn.
type probe struct {
	inst   *system.Instance
	quilt  *tokenapi.Client
	bun    string
	serial int

	claim, direct, whole, bare sample
	hops                       [len(hopNames)]sample
	last                       []float64 // the pieces of the last path
	pooled, starts             int
}

func (p *probe) round(ctx context.Context) error {
	time.Sleep(refill)
	took, usage, how, err := p.execute(ctx)
	if err != nil {
		return err
	}
	if p.starts++; how == "pooled" {
		p.pooled++
		p.claim = append(p.claim, float64(usage.ResultUS)/1e3)
		p.direct = append(p.direct, took)
	}
	time.Sleep(refill)
	took, how, err = p.path(ctx)
	if err != nil {
		return err
	}
	if p.starts++; how == "pooled" {
		p.pooled++
		p.whole = append(p.whole, took)
		for i, piece := range p.last {
			p.hops[i] = append(p.hops[i], piece)
		}
	}
	began := time.Now()
	if err := exec.CommandContext(ctx, p.bun, "-e", "0").Run(); err != nil {
		return err
	}
	p.bare = append(p.bare, since(began))
	return nil
}

// execute runs a trivial unit straight through quiltd's socket.
func (p *probe) execute(ctx context.Context) (took float64, usage tokenapi.Usage, how string, err error) {
	p.serial++
	req := tokenapi.Request{Execution: fmt.Sprint("bench-", p.serial), Unit: "bench.one", Entry: "code/u.js", Export: "U", Method: "run", Args: []byte("[41]"),
		Files: []tokenapi.File{{Path: "code/u.js", Content: []byte("// @bun\nexport class U { async run(n) { return n + 1 } }")}}}
	began := time.Now()
	end, err := p.quilt.Execute(ctx, req, func(e tokenapi.Event) error {
		if s, ok := e.(tokenapi.Started); ok {
			how = s.Start
		}
		return nil
	})
	took = since(began)
	if err == nil && string(end.Result) != "42" {
		err = fmt.Errorf("the unit answered %s, %v", end.Result, end.Error)
	}
	return took, end.Usage, how, err
}

// path runs work.inc through ariad and follows it to its end.
func (p *probe) path(ctx context.Context) (took float64, how string, err error) {
	began := time.Now()
	h := hops{asked: began}
	r, err := p.inst.Tasks.Start(ctx, connect.NewRequest(&ariav1.StartRequest{Unit: "work.inc", Input: []byte(`{"n":41}`)}))
	if err != nil {
		return 0, "", err
	}
	h.answered = time.Now()
	s, err := p.inst.Tasks.Watch(ctx, connect.NewRequest(&ariav1.WatchRequest{Run: r.Msg.Run.Id}))
	if err != nil {
		return 0, "", err
	}
	defer s.Close()
	var last string
	for s.Receive() {
		for _, e := range s.Msg().Events {
			if err := h.read(e); err != nil {
				return 0, "", err
			}
			if last = string(e.Data); e.Kind == "ended" {
				h.told = time.Now()
			}
		}
	}
	if err := s.Err(); err != nil {
		return 0, "", err
	}
	if !strings.Contains(last, `"output":42`) {
		return 0, "", fmt.Errorf("work.inc ended with %s", last)
	}
	p.last = h.pieces()
	return h.told.Sub(h.asked).Seconds() * 1e3, h.start, nil
}
