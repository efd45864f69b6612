// Package pid1 is the first process of the machine: it mounts, checks, hardens,
// configures the network, keeps quiltd and ariad running, and takes the machine
// down in order. There is no shell, no login and nothing else to start.
//
// What never happens: root that was not verified is entered; a disk that is not
// ours is formatted; a wall that cannot be raised is passed over in silence.
//
// The process begins in the initramfs, where it stays: after the change of root
// it goes on, so there is one init, and it belongs to the kernel it came with.
package pid1

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/boot/update"
)

// machine is what the steps of the boot hand on.
type machine struct {
	args    map[string]string // kernel command line
	cfg     Config
	log     *slog.Logger
	out     *console
	steps   timeline
	running layout.Running
	drivers *loader
	disk    disk // the one root came from
	walls   []string
	net     *network
	sup     *supervisor
	updates *update.Updater
	reboot  chan string // why, from updates
	esp     sync.Mutex  // one at a time writes to the ESP
	dog     *watchdog
	healthy bool
	// credential that ariad made at this, the first, start.
	credential string
	// lastWords of the kernel before this one, when it panicked.
	lastWords string
	problem   string // what keeps the machine from being healthy, for the screen
}

// Main is /init. It never returns.
func Main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "init: this is the first process of an Aria machine; it does nothing elsewhere")
		os.Exit(2)
	}
	debug.SetGCPercent(40)
	m := &machine{steps: newTimeline()}
	err := m.boot()
	if err == nil {
		err = m.serve()
	}
	m.fatal(err)
}

// boot takes the machine from the kernel's hands to running daemons.
func (m *machine) boot() error {
	if err := m.early(); err != nil {
		return err
	}
	m.log.Info("aria: starting", "kernel", release(), "version", m.args["aria.version"])
	for _, s := range []struct {
		name string
		do   func() error
	}{
		{"modules", m.loadModules},
		{"root", m.enterRoot},
		{"config", m.readConfig},
		{"walls", m.harden},
		{"data", m.openData},
		{"updates", m.openUpdates},
		{"daemons", m.startDaemons},
	} {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		m.steps.mark(s.name)
	}
	return nil
}

// early mounts what everything else needs and opens the console.
func (m *machine) early() error {
	m.steps.mark("kernel")
	if err := mountAll(earlyMounts); err != nil {
		return err
	}
	text, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	m.args = parseCmdline(string(text))
	m.out = openConsole()
	m.log = slog.New(slog.NewTextHandler(m.out, nil))
	// Ctrl-Alt-Del becomes a signal instead of a sudden reboot.
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF)
	return os.Setenv("PATH", "/bin:/sbin")
}

// fatal says why the machine cannot go on and restarts it: with the other
// version, where this one was only being tried.
func (m *machine) fatal(err error) {
	text := fmt.Sprintf("aria: cannot start: %v\n", err)
	if m.out != nil {
		_, _ = io.WriteString(m.out, text)
	} else {
		_, _ = os.Stderr.WriteString(text)
	}
	if m.updates != nil {
		m.updates.GiveUp(err.Error())
	}
	if m.sup != nil {
		m.sup.stop(m.log)
	}
	_, _ = fmt.Fprintln(os.Stderr, "aria: restarting in 5 s")
	time.Sleep(5 * time.Second)
	m.down(unix.LINUX_REBOOT_CMD_RESTART)
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// timeline says where the time from the kernel's start went.
type timeline struct {
	last  time.Duration
	parts []string
}

func newTimeline() timeline { return timeline{} }

// sinceKernel is the time since the kernel started.
func sinceKernel() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return time.Duration(ts.Nano())
}

func (t *timeline) mark(name string) {
	now := sinceKernel()
	t.parts = append(t.parts, fmt.Sprintf("%s %.2f", name, (now-t.last).Seconds()))
	t.last = now
}
