// Package qemu runs a machine for tests: software emulation, a serial line that
// is read line by line, loopback ports into the guest, and an end as sudden as a
// pulled plug. It knows nothing of our image.
//
//	m, err := qemu.Start(ctx, qemu.Config{
//		Kernel: "out/vmlinuz", Initrd: "out/initrd", Append: "console=ttyS0",
//		Disks:  []qemu.Disk{{Path: "out/aria.img", Format: "raw"}},
//		Ports:  []int{7600},
//	})
//	line, err := m.WaitLine(ctx, "aria: ready")   // reads from where it last stopped
//	url := "http://" + m.Addr(7600)               // 127.0.0.1:<free port>
//	m.Kill()                                      // SIGKILL; m.Stop(ctx) presses the power button first
//
// Without Kernel the machine boots from its disks, by UEFI where Firmware is set.
// A machine ends with the process that started it. Machines are safe for
// concurrent use.
package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Disk is one drive: virtio-blk unless Bus says otherwise. In the guest those are
// vda, vdb … in this order.
type Disk struct {
	Bus string // "", "ahci", "nvme", "usb" (xhci), "scsi" (virtio-scsi)
	// Path of a file, or an NBD address ("nbd+unix:///disk?socket=/tmp/x").
	Path   string
	Format string // "raw" (also for NBD), "qcow2"; empty: raw
	// Cache is QEMU's cache mode; empty: writeback, which honours the guest's
	// flushes.
	Cache    string
	ReadOnly bool
	Serial   string // at most 20 characters; read in the guest as /sys/block/vda/serial
}

// Config of a machine. The zero value of each field is a sensible default.
type Config struct {
	Kernel, Initrd string // direct boot; both empty: from the disks
	Append         string // the kernel's command line, with direct boot
	Firmware       string // UEFI code, for example /usr/share/OVMF/OVMF_CODE.fd; Vars is its writable companion
	Vars           string
	Disks          []Disk
	Ports          []int  // TCP ports of the guest, each to be reached under Addr
	NIC            string // QEMU's model; empty: virtio-net-pci
	Guest          string // the address that Ports lead to; empty: what DHCP gives, 10.0.2.15
	MemoryMiB      int    // 0: 512
	CPUs           int    // 0: 1
	// Threads gives each emulated processor a thread of its own; without it they take
	// turns on one. With them QEMU 7.2 at times runs old code for ever after another
	// processor has changed it, as a kernel does when it patches itself: the guest
	// stands still.
	Threads  bool
	NoReboot bool // a reboot of the guest ends the machine
	Watchdog bool // an i6300esb that resets the machine
	Log      io.Writer
	Extra    []string // more arguments of QEMU
	Program  string   // empty: qemu-system-x86_64
	Machine  string   // of that program; empty: q35
	CPU      string   // empty: max
}

// Machine is one running QEMU.
type Machine struct {
	cmd    *exec.Cmd
	dir    string // the monitor's socket and the words of QEMU itself
	addr   map[int]string
	serial *serial
	done   chan struct{}
	err    error // of the process; readable when done is closed
}

// Start runs a machine. It ends when ctx does.
func Start(ctx context.Context, c Config) (*Machine, error) {
	dir, err := os.MkdirTemp("", "qemu-")
	if err != nil {
		return nil, err
	}
	m := &Machine{dir: dir, addr: map[int]string{}, serial: newSerial(c.Log), done: make(chan struct{})}
	for _, p := range c.Ports {
		if m.addr[p], err = freeAddr(); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	program := c.Program
	if program == "" {
		program = "qemu-system-x86_64"
	}
	words := &tail{}
	m.cmd = exec.CommandContext(ctx, program, c.args(m)...)
	m.cmd.Stdout, m.cmd.Stderr = m.serial, words
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The parent-death signal is tied to the thread that starts the child.
		runtime.LockOSThread()
		err := m.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		if err := m.cmd.Wait(); err != nil {
			m.err = fmt.Errorf("qemu: %w: %s", err, words)
		}
		m.serial.end()
		_ = os.RemoveAll(dir)
		close(m.done)
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w (Debian package qemu-system-x86, or -arm)", program, err), os.RemoveAll(dir))
	}
	return m, nil
}

func (c Config) args(m *Machine) []string {
	accel := "tcg,thread=single"
	if c.Threads {
		accel = "tcg,thread=multi"
	}
	a := []string{"-accel", accel, "-machine", or(c.Machine, "q35"), "-cpu", or(c.CPU, "max"), "-nodefaults", "-display", "none",
		"-m", strconv.Itoa(or(c.MemoryMiB, 512)), "-smp", strconv.Itoa(or(c.CPUs, 1)),
		"-serial", "stdio", "-monitor", "none", "-qmp", "unix:" + m.monitor() + ",server=on,wait=off",
		"-object", "rng-random,id=rng0,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng0"}
	if c.Firmware != "" {
		a = append(a, "-drive", "if=pflash,format=raw,readonly=on,file="+comma(c.Firmware))
	}
	if c.Vars != "" {
		a = append(a, "-drive", "if=pflash,format=raw,file="+comma(c.Vars))
	}
	if c.Kernel != "" {
		a = append(a, "-kernel", c.Kernel, "-append", c.Append)
	}
	if c.Initrd != "" {
		a = append(a, "-initrd", c.Initrd)
	}
	for n, d := range c.Disks {
		a = append(a, d.args(n)...)
	}
	user := "user,id=net0"
	for p, addr := range m.addr {
		user += fmt.Sprintf(",hostfwd=tcp:%s-%s:%d", addr, c.Guest, p)
	}
	a = append(a, "-netdev", user, "-device", or(c.NIC, "virtio-net-pci")+",netdev=net0")
	if c.Watchdog {
		a = append(a, "-device", "i6300esb", "-action", "watchdog=reset")
	}
	if c.NoReboot {
		a = append(a, "-no-reboot")
	}
	return append(a, c.Extra...)
}

func (d Disk) args(n int) []string {
	drive := fmt.Sprintf("if=none,id=disk%d,file=%s,format=%s,cache=%s", n, comma(d.Path), or(d.Format, "raw"), or(d.Cache, "writeback"))
	if d.ReadOnly {
		drive += ",readonly=on"
	}
	var bus []string
	model := "virtio-blk-pci"
	switch d.Bus {
	case "ahci":
		model = fmt.Sprintf("ide-hd,bus=ide.%d", n)
	case "nvme":
		model = fmt.Sprintf("nvme,serial=disk%d", n)
	case "usb":
		bus, model = []string{"-device", fmt.Sprintf("qemu-xhci,id=usb%d", n)}, fmt.Sprintf("usb-storage,bus=usb%d.0", n)
	case "scsi":
		bus, model = []string{"-device", fmt.Sprintf("virtio-scsi-pci,id=scsi%d", n)}, fmt.Sprintf("scsi-hd,bus=scsi%d.0", n)
	}
	device := fmt.Sprintf("%s,drive=disk%d,bootindex=%d", model, n, n+1)
	if d.Serial != "" {
		device += ",serial=" + comma(d.Serial)
	}
	return append(bus, "-drive", drive, "-device", device)
}

// comma doubles commas, as QEMU's option lists want them.
func comma(s string) string { return strings.ReplaceAll(s, ",", ",,") }

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Addr is where a port of the guest is reached, "127.0.0.1:41234"; empty for a
// port that Config.Ports does not name.
func (m *Machine) Addr(port int) string { return m.addr[port] }

// PID of QEMU.
func (m *Machine) PID() int { return m.cmd.Process.Pid }

// Used is how long QEMU has run on a processor, all its threads together, and for
// how long the thread that waited longest stood in the queue for one (the two
// figures of /proc/PID/task/TID/schedstat).
func (m *Machine) Used() (ran, waited time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", m.PID()))
	for _, t := range threads {
		b, _ := os.ReadFile(t)
		var r, w int64
		if _, err := fmt.Sscan(string(b), &r, &w); err == nil {
			ran += time.Duration(r)
			waited = max(waited, time.Duration(w))
		}
	}
	return ran, waited
}

// Done is closed when the machine is off.
func (m *Machine) Done() <-chan struct{} { return m.done }

// Err is how QEMU ended, after Done; nil for an orderly end.
func (m *Machine) Err() error {
	<-m.done
	return m.err
}

// Kill pulls the plug and waits until the machine is gone.
func (m *Machine) Kill() {
	_ = m.cmd.Process.Kill()
	<-m.done
}

// Stop presses the power button and waits; when ctx ends first it kills, and
// says so.
func (m *Machine) Stop(ctx context.Context) error {
	err := m.Press(ctx, "system_powerdown")
	if err == nil {
		select {
		case <-m.done:
			return m.err
		case <-ctx.Done():
			err = fmt.Errorf("the guest did not power off: %w", ctx.Err())
		}
	}
	m.Kill()
	return err
}

func (m *Machine) monitor() string { return filepath.Join(m.dir, "qmp") }

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
