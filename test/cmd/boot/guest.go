package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/test/qemu"
)

// shape is what differs between the machines of this bench.
type shape struct {
	words        string // of the kernel's command line
	memory, cpus int    // MiB; processors
	threads      bool   // one of the host's for each processor
}

// machine starts the test image by direct boot.
func (b *bench) machine(ctx context.Context, s shape, disks ...qemu.Disk) (*qemu.Machine, error) {
	cmdline, err := os.ReadFile(filepath.Join(b.boot, "cmdline.txt"))
	if err != nil {
		return nil, err
	}
	log, err := b.serialLog()
	if err != nil {
		return nil, err
	}
	return qemu.Start(ctx, qemu.Config{
		Kernel: filepath.Join(b.boot, "vmlinuz"), Initrd: filepath.Join(b.boot, "initrd-test"),
		Append: strings.TrimSpace(string(cmdline)) + " " + s.words,
		Disks:  disks, Ports: []int{7600}, MemoryMiB: s.memory, CPUs: s.cpus, Threads: s.threads, NoReboot: true, Log: log,
	})
}

// serialLog is a file for what the next machine says: -serial for the first, then
// with a number at its end. nil: none is wanted.
func (b *bench) serialLog() (io.Writer, error) {
	if b.serial == "" {
		return nil, nil
	}
	name := b.serial
	if n := b.machines.Add(1); n > 1 {
		name = fmt.Sprintf("%s.%d", b.serial, n)
	}
	return os.Create(name)
}

// direct boots, up to three times, and works with the last machine.
func (b *bench) direct(ctx context.Context) error {
	var m *qemu.Machine
	defer func() {
		if m != nil {
			m.Kill()
		}
	}()
	threads := true
	for try := 1; ; try++ {
		var err error
		if b.disk, err = b.overlay(fmt.Sprintf("disk%d", try)); err != nil {
			return err
		}
		if m, err = b.machine(ctx, shape{"aria.audit=1 aria.credential=" + secret, 512, 2, threads}, qemu.Disk{Path: b.disk, Format: "qcow2"}); err != nil {
			return err
		}
		if b.ready, err = waitReady(ctx, m); err != nil {
			return err
		}
		used, waited := m.Used()
		fmt.Printf("ready after %.1f s; the emulator used %.1f s of processor and stood in the queue for one for %.1f s\n", b.ready.Seconds(), used.Seconds(), waited.Seconds())
		slow := b.inTime(threads, used, waited)
		if slow == nil {
			break
		}
		if try == 3 {
			return fmt.Errorf("%w (three tries)", slow)
		}
		threads = threads && !errors.Is(slow, errBusy)
		m.Kill()
	}
	if err := b.audit(ctx, m); err != nil {
		return err
	}
	server := "http://" + m.Addr(7600)
	file := filepath.Join(b.dir, "orders.aria")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"", []string{"build", b.example, "--out", file}},
		{"", []string{"upload", file}},
		{`"id":"A-17"`, []string{"run", "orders.add", "--input", `{"id":"A-17","buyer":"Ada","total":4200}`}},
		{`"status":"paid"`, []string{"run", "orders.pay", "--input", `{"id":"A-17"}`}},
		{"A-17", []string{"task", "support", "Please look up order A-17 for me"}},
	} {
		if err := b.arc(ctx, server, c.want, c.args...); err != nil {
			return fmt.Errorf("%w\n%s", err, tail(m.Serial()))
		}
	}
	return powerOff(ctx, m)
}

var errBusy = errors.New("other work was on this machine")

// inTime holds a start to its two promises, the clock and processor time, where it had
// the machine to itself, with a thread for each emulated processor. On a busy machine the
// clock says nothing, and threads that wait for one another use processor time doing so:
// there, a start on one thread is held to half as much processor time again, for work
// beside it makes all work dearer (caches, sibling threads, a hypervisor that takes
// time away).
func (b *bench) inTime(threads bool, used, waited time.Duration) error {
	idle := waited <= idleWaits
	switch {
	case threads && !idle:
		return errBusy
	case used > cpuWithin && idle, used > cpuBusy:
		return fmt.Errorf("a start costs %.1f s of processor, at most %s are promised", used.Seconds(), cpuWithin)
	case threads && b.ready > b.within:
		return fmt.Errorf("kernel start to ready took %s on an idle machine, at most %s are allowed", b.ready, b.within)
	}
	return nil
}

// waitReady returns the time from the kernel's start that the machine reports.
func waitReady(ctx context.Context, m *qemu.Machine) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	line, err := m.WaitLine(ctx, "aria: ready")
	if err != nil {
		return 0, err
	}
	fmt.Println(strings.TrimSpace(line))
	return readyTime(line)
}

// readyTime reads "… took 4.70 s (…".
func readyTime(line string) (time.Duration, error) {
	var s float64
	_, rest, _ := strings.Cut(line, " took ")
	if _, err := fmt.Sscanf(rest, "%f s", &s); err != nil {
		return 0, fmt.Errorf("the ready line has no time: %q", line)
	}
	return time.Duration(s * float64(time.Second)).Round(10 * time.Millisecond), nil
}

// arc runs one command against the machine and checks its answer.
func (b *bench) arc(ctx context.Context, server, want string, args ...string) error {
	began := time.Now()
	c := exec.CommandContext(ctx, filepath.Join(b.bin, "arc"), args...)
	c.Env = append(os.Environ(), "ARIA_SERVER="+server, "ARIA_CREDENTIAL_FILE="+b.credential)
	out, err := c.CombinedOutput()
	squeezed := strings.NewReplacer(" ", "", "\n", "").Replace(string(out))
	if err != nil || !strings.Contains(squeezed, want) {
		return errors.Join(fmt.Errorf("arc %s did not answer with %q: %s", strings.Join(args, " "), want, out), err)
	}
	fmt.Printf("arc %s: ok, %d ms\n", args[0], time.Since(began).Milliseconds())
	return nil
}

// powerOff presses the button; the machine must end in order.
func powerOff(ctx context.Context, m *qemu.Machine) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	if err := m.Stop(ctx); err != nil {
		return fmt.Errorf("power button: %w\n%s", err, tail(m.Serial()))
	}
	if !strings.Contains(m.Serial(), "aria: down") {
		return fmt.Errorf("the machine went off without an orderly end:\n%s", tail(m.Serial()))
	}
	fmt.Println("power button: orderly end")
	return nil
}

func tail(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}
