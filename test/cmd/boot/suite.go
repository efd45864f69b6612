package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/test/qemu"
)

// A job is tests of one package, in one guest: flags of the test program, and
// NAME=value for its environment.
type job struct {
	pkg, words string
	names      string // of the tests, if they are few
}

// guests are the machines that run the tests side by side, each on one emulated
// processor: all packages that need root, a kernel and Bun, which is all of Quilt
// that touches the machine. They are cut so that both take about as long.
var guests = [][]job{
	{{pkg: "quilt/sandbox"}, {pkg: "quilt/engine"}, {pkg: "quilt/api"}, {pkg: "quilt/broker"}, {pkg: "quilt/oci"},
		{pkg: "quilt/daemon", words: "-test.run=" + apart}},
	{{pkg: "quilt/daemon", words: "-test.skip=" + apart}, {pkg: "quilt/image"}},
}

// apart is cut off its package, which is the longest.
const apart = "^(TestConformance|TestManyAtOnce)$"

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

// jobs of this run, per guest.
func (b *bench) jobs() [][]job {
	if pkg, pattern, one := strings.Cut(b.match, " "); one {
		return [][]job{{{pkg: pkg, words: fewer + " -test.run=" + pattern}}}
	}
	var out [][]job
	for _, guest := range guests {
		guest = slices.Clone(guest)
		for i := range guest {
			switch {
			case guest[i].pkg == "quilt/sandbox" && b.full:
				guest[i].words += " " + fewer
			case guest[i].pkg == "quilt/sandbox":
				guest[i].words += " -test.skip=" + slow
			}
		}
		out = append(out, guest)
	}
	return out
}

// retried is how many failed tests are tried once more. An emulator that has a
// processor taken away for seconds fails a test now and then; a defect fails twice.
const retried = 3

// suite boots the guests with the tests on a second disk and reads their verdicts
// off the serial lines.
func (b *bench) suite(ctx context.Context) error {
	var all sync.WaitGroup
	results := make([]result, len(b.jobs()))
	for i, jobs := range b.jobs() {
		all.Go(func() { results[i] = b.guest(ctx, b.tests, i, len(jobs)) })
	}
	all.Wait()
	var errs []error
	var said []string
	var failed []job
	tellable := true
	for _, r := range results {
		b.counts.add(r.counts)
		said = append(said, r.serial)
		for _, line := range endings(r.serial) {
			fmt.Println(line)
		}
		errs = append(errs, r.err)
		jobs, ok := failedOf(r.serial)
		failed = append(failed, jobs...)
		tellable = tellable && ok
	}
	fmt.Println("the longest:", slowest(said, 12))
	fmt.Printf("%d passed, %d failed, %d skipped on v2\n", b.counts.passed, b.counts.failed, b.counts.skipped)
	err := errors.Join(errs...)
	if n := b.counts.failed; err == nil || !tellable || n == 0 || n > retried || b.counts.skipped > 0 || b.match != "" {
		return err
	}
	fmt.Printf("once more, alone, after this:\n%v\n", err)
	disk := filepath.Join(b.dir, "again")
	if err := b.testDisk(ctx, disk, [][]job{failed}); err != nil {
		return err
	}
	r := b.guest(ctx, disk, 0, len(failed))
	if r.err == nil && r.passed != b.counts.failed {
		r.err = fmt.Errorf("%d of %d were tried again", r.passed, b.counts.failed)
	}
	if r.err != nil {
		return fmt.Errorf("a second time: %w", r.err)
	}
	b.counts.passed, b.counts.failed = b.counts.passed+r.passed, 0
	for _, j := range failed {
		b.again = append(b.again, j.pkg+" "+j.names)
	}
	return nil
}

type result struct {
	counts
	serial string
	err    error
}

// guest runs one machine to its end.
func (b *bench) guest(ctx context.Context, disk string, n, jobs int) (r result) {
	over, err := b.overlay(filepath.Base(disk) + fmt.Sprint("-root", n))
	if err != nil {
		return result{err: err}
	}
	m, err := b.machine(ctx, shape{words: fmt.Sprintf("aria.test=/dev/vdb aria.list=list%d aria.hostname=bench", n), memory: 3072, cpus: 1},
		qemu.Disk{Path: over, Format: "qcow2"}, qemu.Disk{Path: disk, ReadOnly: true})
	if err != nil {
		return result{err: err}
	}
	defer m.Kill()
	within := suiteTime
	if b.full {
		within = fullTime
	}
	limit, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	_, r.err = m.WaitLine(limit, "aria-test: done")
	select {
	case <-m.Done():
		r.err = errors.Join(r.err, m.Err())
	default:
	}
	r.serial = m.Serial()
	r.counts = verdicts(r.serial, jobs)
	if r.err == nil && (r.failed > 0 || r.skipped > 0 || r.passed == 0) {
		r.err = fmt.Errorf("tests failed or were skipped inside the guest:\n%s", failures(r.serial))
	}
	return r
}
