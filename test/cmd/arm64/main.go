// Command arm64 is what `make arm64-test` runs: it boots Debian's arm64 kernel in
// QEMU, with an arm64 Bun and Quilt's own tests built for arm64, and counts what
// they say. Containers start there under a real arm64 kernel; only the processor is
// emulated.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/test/qemu"
)

// suite is a room of Quilt whose tests run in the guest: all of a package's that
// match, with the files of its folder that they read.
type suite struct {
	dir   string
	files []string
	match string
}

var suites = []suite{
	{dir: "quilt/sandbox", files: []string{"testdata"},
		match: "^Test(Plan|Golden|Table|Filter|NetFilter|Tree|Apart|Profile|Files|NoJIT|Landlock|Gate|NoGate|Claim|EveryStep|Start|Limits|Hostile)"},
	{dir: "quilt/image", match: "^TestBuild"},
	{dir: "quilt/daemon", match: "^Test(Endings|RefusedBefore|LogsInOrder|Exclusive|Kill.*Leaves|Pool|Warm|WithoutJIT|FetchThroughTheGate|PlannedRestart|Stop)"},
}

// slow is what -full has besides, of quilt/sandbox.
const slow = "|^Test(Faults|Walls|SyscallFuzz)$"

// within is how long the machine may take. It is emulated: a start takes seconds.
const within = 45 * time.Minute

func main() {
	work := flag.String("work", ".build/arm64", "`folder` for what is fetched and built")
	serial := flag.String("serial", "", "`file` for all that the guest says")
	full := flag.Bool("full", false, "walls, faults and random system calls too")
	only := flag.String("run", "", "\"FOLDER REGEXP\": these tests alone")
	flag.Parse()
	if *full {
		suites[0].match += slow
	}
	if dir, match, ok := strings.Cut(*only, " "); ok {
		suites = slices.DeleteFunc(suites, func(s suite) bool { return s.dir != dir })
		for i := range suites {
			suites[i].match = match
		}
	}
	began := time.Now()
	t, err := run(*work, *serial)
	if err != nil {
		fmt.Fprintln(os.Stderr, "arm64-test:", err)
		fmt.Printf("arm64: failed after %d tests passed\n", t.passed)
		os.Exit(1)
	}
	fmt.Printf("arm64: %d tests on Linux %s passed, 0 failed%s, %.0f s\n", t.passed, t.kernel, t.hostile, time.Since(began).Seconds())
}

func run(work, serial string) (tally, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	g, err := prepare(ctx, work)
	if err != nil {
		return tally{}, err
	}
	lines, into := io.Pipe()
	log := io.Writer(into)
	if serial != "" {
		f, err := os.Create(serial)
		if err != nil {
			return tally{}, err
		}
		defer f.Close()
		log = io.MultiWriter(f, into)
	}
	m, err := qemu.Start(ctx, qemu.Config{Program: "qemu-system-aarch64", Machine: "virt", CPU: "neoverse-n1", Kernel: g.kernel, Initrd: g.initrd,
		Append: "console=ttyAMA0 quiet loglevel=3 panic=-1 oops=panic", MemoryMiB: 2048, CPUs: 2, Threads: true, NoReboot: true, Log: log})
	if err != nil {
		return tally{}, err
	}
	defer m.Kill()
	go func() { <-m.Done(); into.Close() }()
	t := tally{kernel: linux.Release}
	return t, errors.Join(t.read(lines), m.Err())
}

// tally counts what the guest says.
type tally struct {
	kernel, hostile string
	passed, ended   int
	failed          []string
}

var (
	verdict = regexp.MustCompile(`^--- (PASS|FAIL|SKIP): (\S+)`)
	ending  = regexp.MustCompile(`^arm64: end (\S+): (.*)`)
)

func (t *tally) read(lines io.Reader) error {
	for s := bufio.NewScanner(lines); s.Scan(); {
		line := strings.TrimRight(s.Text(), "\r")
		switch v := verdict.FindStringSubmatch(line); {
		case v == nil:
		case v[1] == "PASS":
			t.passed++
			fmt.Println(line)
		default: // none of these may be skipped
			t.failed = append(t.failed, v[2])
		}
		if strings.HasPrefix(line, "hostile: ") {
			t.hostile = "; " + line
		}
		if e := ending.FindStringSubmatch(line); e != nil {
			t.ended++
			if e[2] != "<nil>" {
				t.failed = append(t.failed, e[1])
			}
		}
		if len(t.failed) > 0 || strings.HasPrefix(line, "arm64: failed") || strings.Contains(line, "Kernel panic") {
			fmt.Println(line)
		}
	}
	switch {
	case len(t.failed) > 0:
		return fmt.Errorf("failed in the guest: %s", strings.Join(t.failed, ", "))
	case t.ended < len(suites):
		return fmt.Errorf("%d of %d suites came to an end (-serial FILE keeps what the guest says)", t.ended, len(suites))
	}
	return nil
}

// command runs a program of this machine.
func command(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, out)
	}
	return nil
}
