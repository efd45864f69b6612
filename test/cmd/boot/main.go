// Command boot is what `make boot-test` runs: it boots the image in QEMU, waits
// for the ready line, uploads the example and runs a tool and an agent from
// outside, compares what the machine consists of with docs/spec/firmware.md,
// boots it again by UEFI with the line of the guide, and then runs Quilt's root
// tests inside, on cgroup v2. At most three that fail there by their own verdict are
// tried once more, alone, and named in the last line.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type bench struct {
	bin, boot, docs, guide, example string
	dir                             string        // temporary
	disk                            string        // overlay of aria.qcow2
	credential                      string        // file
	within                          time.Duration // to ready, on an idle machine
	ready                           time.Duration
	usedMiB                         int
	counts                          counts
	full                            bool
	match                           string
	tests                           string       // the disk with the tests
	again                           []string     // tests that passed at a second try
	serial                          string       // file for a copy of the guests' serial lines; "": none
	machines                        atomic.Int32 // started so far
}

// The promises of docs/spec/firmware.md.
const (
	cpuWithin   = 14 * time.Second
	cpuBusy     = 21 * time.Second
	idleWaits   = time.Second // a machine on which a start waits no longer than this is idle
	usedAtMost  = 160         // MiB
	imageAtMost = 110e6
	secret      = "boot-test-credential-0123456789abcdef"
)

func main() {
	b := bench{}
	flag.StringVar(&b.bin, "bin", "bin", "folder of the programs")
	flag.StringVar(&b.boot, "boot", "bin/boot", "folder of the image")
	flag.StringVar(&b.docs, "docs", "docs/spec/firmware.md", "what the machine consists of")
	flag.StringVar(&b.guide, "guide", "README.md", "where the QEMU line stands")
	flag.StringVar(&b.example, "example", "examples/orders", "the project to upload")
	flag.StringVar(&b.match, "run", "", "of the suite: \"PACKAGE REGEXP\" alone")
	flag.StringVar(&b.serial, "serial", "", "`file` for all that a guest says on its serial line, the stacks of a test that hangs among it; FILE.2 is the second guest's")
	flag.BoolVar(&b.full, "full", false, "the slow tests of the suite too")
	flag.DurationVar(&b.within, "ready", 6*time.Second, "from the kernel's start to ready, at most, on an idle machine")
	only := flag.String("only", "", "one part: boot, uefi, suite")
	flag.Parse()
	if err := b.run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "boot-test:", err)
		fmt.Printf("boot: failed after %d tests on v2 passed, %d failed\n", b.counts.passed, b.counts.failed)
		os.Exit(1)
	}
	second := ""
	if len(b.again) > 0 {
		second = " (at a second try: " + strings.Join(b.again, ", ") + ")"
	}
	fmt.Printf("boot: ready in %.1f s, %d tests on v2 passed%s, 0 failed\n", b.ready.Seconds(), b.counts.passed, second)
}

func (b *bench) run(only string) error {
	for _, tool := range []string{"qemu-system-x86_64", "qemu-img", "mksquashfs"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not here: apt-get install qemu-system-x86 qemu-utils squashfs-tools", tool)
		}
	}
	var err error
	if b.dir, err = os.MkdirTemp("", "aria-boot-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	b.credential = filepath.Join(b.dir, "credential")
	if err := os.WriteFile(b.credential, []byte(secret+"\n"), 0o600); err != nil {
		return err
	}
	if st, err := os.Stat(filepath.Join(b.boot, "aria.qcow2")); err != nil || st.Size() > imageAtMost {
		return errors.Join(err, fmt.Errorf("the image is not there (make image), or larger than %d MB", int(imageAtMost/1e6)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), fullTime+20*time.Minute)
	defer cancel()
	// What is measured has the machine to itself; the rest goes side by side.
	if only == "" || only == "suite" {
		b.tests = filepath.Join(b.dir, "suite")
		if err := timed("disk of tests", func() error { return b.testDisk(ctx, b.tests, b.jobs()) }); err != nil {
			return err
		}
	}
	if only == "" || only == "boot" {
		if err := timed("boot", func() error { return b.direct(ctx) }); err != nil {
			return err
		}
	}
	var uefi, suite error
	var beside sync.WaitGroup
	if only == "" || only == "uefi" {
		beside.Go(func() { uefi = timed("uefi", func() error { return b.uefi(ctx) }) })
	}
	if only == "" || only == "suite" {
		beside.Go(func() { suite = timed("suite", func() error { return b.suite(ctx) }) })
	}
	beside.Wait()
	return errors.Join(uefi, suite)
}

// timed does one part and says how long it took.
func timed(name string, do func() error) error {
	began := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Printf("[%s: %.0f s]\n\n", name, time.Since(began).Seconds())
	return nil
}

// overlay is a fresh disk on top of the image.
func (b *bench) overlay(name string) (string, error) {
	base, err := filepath.Abs(filepath.Join(b.boot, "aria.qcow2"))
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.dir, name)
	out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", path).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("qemu-img: %w: %s", err, out)
	}
	return path, nil
}
