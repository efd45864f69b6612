package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/test/qemu"
)

// packages whose tests need root, a kernel and Bun: all of Quilt that touches
// the machine.
var packages = []string{"quilt/sandbox", "quilt/image", "quilt/engine", "quilt/api", "quilt/broker", "quilt/daemon"}

// slow takes an emulated processor many minutes, and does not depend on the cgroup
// version much: each wall removed in turn, each step of a start failing, random
// system calls. With -full they run too, with fewer calls.
const (
	slow      = "^(TestWalls|TestFaults|TestSyscallFuzz)$"
	fewer     = "ARIA_FUZZ_N=2000"
	testTime  = 8 * time.Minute // one test without a verdict, on however busy a machine: after it, it hangs
	suiteTime = 40 * time.Minute
	fullTime  = 80 * time.Minute
)

// words of a package for the guest: its environment and flags.
func (b *bench) words(pkg string) string {
	switch _, pattern, one := strings.Cut(b.match, " "); {
	case one:
		return fewer + " -test.run=" + pattern
	case pkg == "quilt/sandbox" && b.full:
		return fewer
	case pkg == "quilt/sandbox":
		return "-test.skip=" + slow
	}
	return ""
}

// packages of this run.
func (b *bench) packages() []string {
	if p, _, ok := strings.Cut(b.match, " "); ok {
		return []string{p}
	}
	return packages
}

type counts struct{ passed, failed, skipped int }

// suite compiles the tests, boots with them on a second disk and reads their
// verdicts off the serial line.
func (b *bench) suite(ctx context.Context) error {
	disk, err := b.suiteDisk(ctx)
	if err != nil {
		return err
	}
	over, err := b.overlay("suite-root")
	if err != nil {
		return err
	}
	m, err := b.machine(ctx, "aria.test=/dev/vdb aria.hostname=bench", 3072, false, qemu.Disk{Path: over, Format: "qcow2"}, qemu.Disk{Path: disk, ReadOnly: true})
	if err != nil {
		return err
	}
	defer m.Kill()
	within := suiteTime
	if b.full {
		within = fullTime
	}
	limit, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	_, err = m.WaitLine(limit, "aria-test: done")
	select {
	case <-m.Done():
		if e := m.Err(); e != nil {
			err = errors.Join(err, e)
		}
	default:
	}
	b.counts = verdicts(m.Serial(), len(b.packages()))
	for _, line := range endings(m.Serial()) {
		fmt.Println(line)
	}
	fmt.Printf("%d passed, %d failed, %d skipped on v2\n", b.counts.passed, b.counts.failed, b.counts.skipped)
	switch {
	case err != nil:
		return err
	case b.counts.failed > 0 || b.counts.skipped > 0 || b.counts.passed == 0:
		return fmt.Errorf("tests failed or were skipped inside the guest:\n%s", failures(m.Serial()))
	}
	return nil
}

func (b *bench) suiteDisk(ctx context.Context) (string, error) {
	stage := filepath.Join(b.dir, "suite-files")
	var list string
	for _, p := range b.packages() {
		limit := testTime
		if b.full {
			limit = fullTime
		}
		list += fmt.Sprintf("%s %s %s\n", p, limit, b.words(p))
		out := filepath.Join(stage, p)
		c := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-s -w", "-o", filepath.Join(out, "test"), "./"+p)
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if msg, err := c.CombinedOutput(); err != nil {
			return "", fmt.Errorf("compile the tests of %s: %w: %s", p, err, msg)
		}
		if _, err := os.Stat(filepath.Join(p, "testdata")); err == nil {
			if err := os.CopyFS(filepath.Join(out, "testdata"), os.DirFS(filepath.Join(p, "testdata"))); err != nil {
				return "", err
			}
		}
	}
	chroot, err := exec.LookPath("chroot")
	if err != nil {
		return "", err
	}
	tool, err := os.ReadFile(chroot)
	err = errors.Join(err, os.MkdirAll(filepath.Join(stage, "bin"), 0o755),
		os.WriteFile(filepath.Join(stage, "bin", "chroot"), tool, 0o755),
		os.WriteFile(filepath.Join(stage, "list"), []byte(list), 0o644),
		os.CopyFS(filepath.Join(stage, "docs", "spec"), os.DirFS(filepath.Join("docs", "spec"))),
		os.CopyFS(filepath.Join(stage, "sdk", "src"), os.DirFS(filepath.Join("sdk", "src"))))
	if err != nil {
		return "", err
	}
	disk := filepath.Join(b.dir, "suite")
	if out, err := exec.CommandContext(ctx, "mksquashfs", stage, disk, "-noappend", "-quiet", "-no-progress", "-comp", "lz4").CombinedOutput(); err != nil {
		return "", fmt.Errorf("mksquashfs: %w: %s", err, out)
	}
	return disk, nil
}

var (
	verdict = regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): `)
	hung    = regexp.MustCompile(`(?m)^aria-test: hang .*`)
)

// verdicts counts top-level tests; one that hung, and a package that ended otherwise
// than by its own verdict, count as one failure.
func verdicts(serial string, want int) (c counts) {
	for _, m := range verdict.FindAllStringSubmatch(serial, -1) {
		switch m[1] {
		case "PASS":
			c.passed++
		case "FAIL":
			c.failed++
		case "SKIP":
			c.skipped++
		}
	}
	c.failed += len(hung.FindAllString(serial, -1))
	for _, e := range endings(serial) {
		if c.failed == 0 && !strings.Contains(e, " code 0 ") {
			c.failed++
		}
	}
	if n := len(endings(serial)); n != want {
		c.failed += want - n
	}
	return c
}

func endings(serial string) (out []string) {
	for line := range strings.Lines(serial) {
		if strings.HasPrefix(line, "aria-test: end ") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// failures keeps what failed tests said, with the lines before each verdict.
func failures(serial string) string {
	var out, recent []string
	for line := range strings.Lines(serial) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "=== RUN") && !strings.Contains(line, "/") {
			recent = nil
		}
		recent = append(recent, line)
		switch {
		case strings.HasPrefix(line, "--- FAIL"), strings.HasPrefix(line, "--- SKIP"):
			out = append(out, recent[max(0, len(recent)-15):]...)
		case strings.HasPrefix(line, "aria-test: hang "):
			out = append(out, line+" (where its threads stood: -serial FILE)")
		}
	}
	return strings.Join(out, "\n")
}
