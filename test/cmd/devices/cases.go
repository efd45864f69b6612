package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/test/machine"
)

type bootCase struct {
	name string
	do   func(context.Context) (string, error)
}

func (p *proof) cases() []bootCase {
	return []bootCase{
		{"USB stick, e1000e", p.boots("usb", "e1000e")},
		{"SATA disk, e1000", p.boots("ahci", "e1000")},
		{"NVMe disk, virtio-net", p.boots("nvme", "")},
		{"virtio-scsi disk, virtio-net", p.boots("scsi", "")},
		{"virtio disk, clock at 2020", p.boots("", "", "-rtc", "base=2020-01-01T00:00:00")},
		{"hang, watchdog, address by word", p.hang},
		{"plug pulled, damage, larger disk", p.repair},
		{"altered block of root", p.altered("device corrupted", func(int64) int64 { return 40 })},
		{"altered hash tree", p.altered("no slot holds the root", func(size int64) int64 { return size + 40 })},
	}
}

// boots shows that a machine made of these parts comes up by UEFI, under the address
// of its settings, and goes down in order.
func (p *proof) boots(bus, nic string, extra ...string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		b, err := p.box()
		if err != nil {
			return "", err
		}
		defer b.Close()
		b.Bus, b.NIC, b.Extra = bus, nic, extra
		line, err := p.up(ctx, b)
		if err != nil {
			return "", err
		}
		if extra != nil && !strings.Contains(b.M.Serial(), "clock was before the image was made") {
			return "", errors.New("a clock at 2020 was believed")
		}
		_, took, _ := strings.Cut(line, "boot ")
		return "boot " + took, down(ctx, b)
	}
}

// hang lets init stop in its main loop, once: the watchdog has to reset the machine.
func (p *proof) hang(ctx context.Context) (string, error) {
	b, err := p.box()
	if err != nil {
		return "", err
	}
	defer b.Close()
	b.Guest = "10.0.2.99"
	if err := p.direct(b, "aria.hang=1 aria.address=10.0.2.99/24 aria.gateway=10.0.2.2"); err != nil {
		return "", err
	}
	if err := b.Start(ctx); err != nil {
		return "", err
	}
	limit, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if _, err := b.M.WaitLine(limit, "aria: hanging"); err != nil {
		return "", err
	}
	began := time.Now()
	if _, err := b.M.WaitLine(limit, "aria: starting"); err != nil {
		return "", fmt.Errorf("the watchdog did not reset the machine: %w", err)
	}
	took := time.Since(began)
	if _, err := b.Ready(ctx); err != nil {
		return "", err
	}
	if out, err := b.Arc(ctx, p.bin, "info").CombinedOutput(); err != nil {
		return "", fmt.Errorf("arc info: %w\n%s", err, out)
	}
	return fmt.Sprintf("started again %.0f s after the hang", took.Seconds()), down(ctx, b)
}

// repair pulls the plug, damages the data partition and makes the disk larger: the
// next start has to mend and to grow.
func (p *proof) repair(ctx context.Context) (string, error) {
	b, err := p.box()
	if err != nil {
		return "", err
	}
	defer b.Close()
	if _, err := p.up(ctx, b); err != nil {
		return "", err
	}
	if err := down(ctx, b); err != nil {
		return "", err
	}
	before, err := b.DataBlocks(ctx)
	if err != nil {
		return "", err
	}
	if _, err := p.up(ctx, b); err != nil {
		return "", err
	}
	b.M.Kill()
	if b.Clean(ctx) == nil {
		return "", errors.New("the plug was pulled, and the journal is clean: nothing is shown")
	}
	if err := errors.Join(b.Damage(), os.Truncate(b.Disk, 1400<<20)); err != nil {
		return "", err
	}
	if _, err := p.up(ctx, b); err != nil {
		return "", err
	}
	if err := down(ctx, b); err != nil {
		return "", err
	}
	after, err := b.DataBlocks(ctx)
	if err != nil {
		return "", err
	}
	if grown := (after - before) * 4096; grown < 490<<20 {
		return "", fmt.Errorf("the disk grew by 500 MiB, the data partition by %d", grown>>20)
	}
	return fmt.Sprintf("repaired, data partition from %d to %d MiB", before>>8, after>>8), nil
}

// altered changes one byte of the root partition: the machine has to refuse it and say so.
func (p *proof) altered(says string, at func(size int64) int64) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		b, err := p.box()
		if err != nil {
			return "", err
		}
		defer b.Close()
		size, err := rootSize(filepath.Join(p.boot, "cmdline.txt"))
		if err != nil {
			return "", err
		}
		if err := b.Alter(layout.RootA, at(size)); err != nil {
			return "", err
		}
		if err := b.Start(ctx); err != nil {
			return "", err
		}
		limit, cancel := context.WithTimeout(ctx, machine.ReadyTime)
		defer cancel()
		line, err := b.M.WaitLine(limit, says)
		if err != nil {
			return "", err
		}
		if _, err := b.M.WaitLine(limit, "aria: starting"); err != nil {
			return "", fmt.Errorf("it does not restart: %w", err)
		}
		if strings.Contains(b.M.Serial(), "aria: ready") {
			return "", errors.New("it was entered all the same")
		}
		return strings.TrimSpace(line), nil
	}
}

func rootSize(file string) (size int64, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), layout.ArgRootSize+"=")
	_, err = fmt.Sscan(rest, &size)
	return size, err
}
