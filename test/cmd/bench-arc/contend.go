package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"syscall"
	"time"
)

// sample holds milliseconds.
type sample []float64

func (s sample) at(q float64) float64 {
	t := append(sample(nil), s...)
	sort.Float64s(t)
	return t[int(q*float64(len(t)-1))]
}

func since(t time.Time) float64 { return float64(time.Since(t)) / float64(time.Millisecond) }

// contender does one build by running programs one after the other.
type contender struct {
	name     string
	dir      string
	commands [][]string
}

// contenders: arc is the first, the pair that the gates mean the second.
func contenders(bin, dir string, p project) []contender {
	modules := filepath.Join(dir, "node_modules")
	out := filepath.Join(p.dir, "dist")
	esbuild := append([]string{filepath.Join(modules, "@esbuild", "linux-x64", "bin", "esbuild")}, p.entries...)
	esbuild = append(esbuild, "--bundle", "--splitting", "--format=esm", "--platform=neutral", "--target=es2022",
		"--main-fields=module,main", "--conditions=bun,import", "--keep-names", "--sourcemap=external", "--sources-content=false",
		"--log-level=error", "--external:node:*", "--outdir="+out)
	five := []string{"node", filepath.Join(modules, "typescript", "bin", "tsc"), "--noEmit", "-p", "."}
	seven := []string{filepath.Join(modules, "@typescript", "typescript-linux-x64", "lib", "tsc"), "--noEmit", "-p", "."}
	return []contender{
		{"arc build", p.dir, [][]string{{filepath.Join(bin, "arc"), "build", "--out", filepath.Join(out, "x.aria")}}},
		{"tsc 5.9.3 + esbuild", p.dir, [][]string{five, esbuild}},
		{"tsc 7.0.2 (native) + esbuild", p.dir, [][]string{seven, esbuild}},
	}
}

// once is the wall time and the processor time in ms, and the highest peak of
// memory in MiB.
func (c contender) once(ctx context.Context) (ms, cpu, peak float64, err error) {
	start := time.Now()
	for _, argv := range c.commands {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir = c.dir
		if said, err := cmd.CombinedOutput(); err != nil {
			return 0, 0, 0, fmt.Errorf("%s: %s: %w\n%.2000s", c.name, filepath.Base(argv[0]), err, said)
		}
		if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			peak = max(peak, float64(u.Maxrss)/1024)
		}
		cpu += float64(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()) / float64(time.Millisecond)
	}
	return since(start), cpu, peak, nil
}

// result is one contender on one project.
type result struct {
	wall, cpu sample
	peak      float64
}

type table struct{}

func newTable() table {
	fmt.Printf("%-8s %-32s %9s %9s %9s %9s %9s %9s\n", "project", "", "min ms", "p50 ms", "p90 ms", "cpu p50", "peak MiB", "arc is")
	return table{}
}

// measure takes them in turn, so that a slow minute hits all.
func (table) measure(ctx context.Context, all []contender, project string, n int) ([]result, error) {
	out := make([]result, len(all))
	for i := -1; i < n; i++ {
		for k, c := range all {
			ms, cpu, peak, err := c.once(ctx)
			if err != nil {
				return nil, err
			}
			if i >= 0 {
				out[k].wall, out[k].cpu, out[k].peak = append(out[k].wall, ms), append(out[k].cpu, cpu), max(out[k].peak, peak)
			}
		}
	}
	for k, c := range all {
		ratio := ""
		if k > 0 {
			ratio = fmt.Sprintf("%.1f x", out[k].wall.at(.5)/out[0].wall.at(.5))
		}
		fmt.Printf("%-8s %-32s %9.1f %9.1f %9.1f %9.1f %9.0f %9s\n", project, c.name,
			out[k].wall.at(0), out[k].wall.at(.5), out[k].wall.at(.9), out[k].cpu.at(.5), out[k].peak, ratio)
	}
	return out, nil
}

func (table) rebuilds(project string, r result) {
	fmt.Printf("%-8s %-32s %9.1f %9.1f %9.1f %9s %9.0f\n", project, "arc dev, one file changed", r.wall.at(0), r.wall.at(.5), r.wall.at(.9), "", r.peak)
}

// peakOf is a running process's highest memory so far, in MiB.
func peakOf(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	return vmHWM(string(text))
}
