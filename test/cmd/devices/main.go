// Command devices is what `make boot-devices` runs: the image boots from every kind
// of disk and network card that QEMU can play, and gets over what happens to
// machines: a hang, a clock that stands at nothing, a disk that grew, a damaged file
// system, an altered root. It prints one line per case and one last line.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/test/machine"
)

type proof struct {
	bin, boot string
	verbose   bool
}

func main() {
	p := proof{}
	flag.StringVar(&p.bin, "bin", "bin", "folder of the built programs")
	only := flag.String("only", "", "cases whose name contains this")
	flag.BoolVar(&p.verbose, "v", false, "show the serial line")
	flag.Parse()
	p.boot = filepath.Join(p.bin, "boot")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	begin := time.Now()
	done := 0
	for _, c := range p.cases() {
		if !strings.Contains(c.name, *only) {
			continue
		}
		at := time.Now()
		said, err := c.do(ctx)
		if err != nil {
			fmt.Fprintf(os.Stderr, "boot-devices: %s: %v\n", c.name, err)
			os.Exit(1)
		}
		done++
		fmt.Printf("  %-34s %5.0f s  %s\n", c.name, time.Since(at).Seconds(), said)
	}
	if done == 0 {
		fmt.Fprintf(os.Stderr, "boot-devices: no case has %q in its name\n", *only)
		os.Exit(1)
	}
	fmt.Printf("boot-devices: %d cases, 0 failed, %.0f s\n", done, time.Since(begin).Seconds())
}

// box is a fresh machine.
func (p *proof) box() (*machine.Box, error) {
	b, err := machine.New(filepath.Join(p.boot, "aria.img"), 900<<20)
	if err == nil && p.verbose {
		b.Log = os.Stderr
	}
	return b, err
}

// direct gives it the kernel from outside, and more words for it.
func (p *proof) direct(b *machine.Box, words string) error {
	line, err := os.ReadFile(filepath.Join(p.boot, "cmdline.txt"))
	b.Kernel, b.Initrd = filepath.Join(p.boot, "vmlinuz"), filepath.Join(p.boot, "initrd-test")
	b.Append = strings.TrimSpace(string(line)) + " " + words
	return err
}

// up starts a machine and talks to it.
func (p *proof) up(ctx context.Context, b *machine.Box) (string, error) {
	if err := b.Start(ctx); err != nil {
		return "", err
	}
	line, err := b.Ready(ctx)
	if err != nil {
		return "", err
	}
	if out, err := b.Arc(ctx, p.bin, "info").CombinedOutput(); err != nil {
		return "", fmt.Errorf("arc info: %w\n%s", err, out)
	}
	return line, nil
}

// down switches it off in order; its data partition must be left clean.
func down(ctx context.Context, b *machine.Box) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := b.M.Stop(ctx); err != nil {
		return fmt.Errorf("power button: %w", err)
	}
	return b.Clean(ctx)
}
