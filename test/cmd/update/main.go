// Update shows that a machine survives every broken firmware update, says why it
// went back, and keeps a good one: with the real image, by UEFI, in QEMU, through
// the real arc. It prints one line per update and one last line.
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

// proof is one run of the program.
type proof struct {
	bin, work string
	key       string // NAME of the key files
	box       *machine.Box
	images    map[string]string // of cases that were built, by version
}

func main() {
	bin := flag.String("bin", "bin", "folder of the built programs")
	only := flag.String("only", "", "one case by its name, such as \"kernel panic\"")
	verbose := flag.Bool("v", false, "show the serial line")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	begin := time.Now()
	good, bad, err := run(ctx, *bin, *only, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "update:", err)
		os.Exit(1)
	}
	fmt.Printf("update: %d kept, %d broken ones refused or taken back with a reason, %.0f s\n", good, bad, time.Since(begin).Seconds())
}

func run(ctx context.Context, bin, only string, verbose bool) (good, bad int, err error) {
	bin, err = filepath.Abs(bin)
	if err != nil {
		return 0, 0, err
	}
	work, err := os.MkdirTemp("", "aria-update-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(work)
	p := &proof{bin: bin, work: work, key: filepath.Join(work, "key"), images: map[string]string{}}
	if err := p.build(ctx); err != nil {
		return 0, 0, err
	}
	if p.box, err = machine.New(filepath.Join(work, "1.0.0", "aria.img"), 700<<20); err != nil {
		return 0, 0, err
	}
	defer p.box.Close()
	if verbose {
		p.box.Log = os.Stderr
	}
	if err := p.start(ctx); err != nil {
		return 0, 0, err
	}
	for _, s := range []struct {
		name string
		bad  bool
		do   func(context.Context) (string, error)
	}{
		{"bad signature", true, p.badSignature},
		{"stranger's key", true, p.stranger},
		{"cut transfer", true, p.cut},
		{"kernel panic", true, p.back("2.0.1", "kernel panicked")},
		{"init crash", true, p.back("2.0.2", "its init ended")},
		{"init crash, daemons up", true, p.back("2.0.4", "Attempted to kill init")},
		{"older than what runs", true, p.older},
		{"ariad never healthy", true, p.back("2.0.3", "not healthy within")},
		{"good update, cut and resumed", false, p.keep},
		{"full data partition", true, p.full},
	} {
		if only != "" && only != s.name {
			continue
		}
		at := time.Now()
		said, err := s.do(ctx)
		if err != nil {
			return good, bad, fmt.Errorf("%s: %w", s.name, err)
		}
		if s.bad {
			bad++
		} else {
			good++
		}
		fmt.Printf("  %-28s %5.0f s  %s\n", s.name, time.Since(at).Seconds(), said)
	}
	return good, bad, nil
}

func (p *proof) start(ctx context.Context) error {
	if err := p.box.Start(ctx); err != nil {
		return err
	}
	line, err := p.box.Ready(ctx)
	if err == nil {
		fmt.Println(" ", strings.TrimSpace(line))
	}
	return err
}
