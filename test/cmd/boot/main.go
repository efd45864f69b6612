// Command boot is what `make boot-test` runs: it boots the image in QEMU, waits
// for the ready line, uploads the example and runs a tool and an agent from
// outside, compares what the machine consists of with docs/spec/firmware.md,
// boots it again by UEFI with the line of the guide, and then runs Quilt's root
// tests inside, on cgroup v2.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

type bench struct {
	bin, boot, docs, guide, example string
	dir                             string // temporary
	disk                            string // overlay of aria.qcow2
	credential                      string // file
	ready                           time.Duration
	usedMiB                         int
	counts                          counts
	full                            bool
	match                           string
	log                             io.Writer // a copy of the guests' serial lines; nil: none
}

// The promises of docs/spec/firmware.md.
const (
	readyWithin = 6 * time.Second
	cpuWithin   = 14 * time.Second
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
	serial := flag.String("serial", "", "`file` for all that the guests say on their serial line, the stacks of a test that hangs among it")
	flag.BoolVar(&b.full, "full", false, "the slow tests of the suite too")
	only := flag.String("only", "", "one part: boot, uefi, suite")
	flag.Parse()
	if *serial != "" {
		f, err := os.Create(*serial)
		if err != nil {
			fmt.Fprintln(os.Stderr, "boot-test:", err)
			os.Exit(2)
		}
		b.log = f
	}
	if err := b.run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "boot-test:", err)
		fmt.Printf("boot: failed after %d tests on v2 passed, %d failed\n", b.counts.passed, b.counts.failed)
		os.Exit(1)
	}
	fmt.Printf("boot: ready in %.1f s, %d tests on v2 passed, 0 failed\n", b.ready.Seconds(), b.counts.passed)
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
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{{"boot", b.direct}, {"uefi", b.uefi}, {"suite", b.suite}} {
		if only != "" && only != part.name {
			continue
		}
		began := time.Now()
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		fmt.Printf("[%s: %.0f s]\n\n", part.name, time.Since(began).Seconds())
	}
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
