package pid1

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/layout"
)

// startDaemons starts quiltd and ariad side by side; each waits for the other.
func (m *machine) startDaemons() error {
	if done, err := m.instead(); done || err != nil {
		return err
	}
	if err := m.giveCredential(); err != nil {
		return err
	}
	var err error
	if m.sup, err = newSupervisor(m.log, m.out); err != nil {
		return err
	}
	go m.sup.keep(&daemon{name: "quiltd", cgroup: "quiltd", argv: []string{"/bin/quiltd",
		"-data", layout.DaemonData, "-socket", layout.QuiltSocket, "-image", layout.ImageDir}})
	go m.sup.keep(&daemon{name: "ariad", cgroup: "ariad", uid: layout.AriaUID, argv: []string{"/bin/ariad", "serve",
		"--data", layout.DaemonData, "--firmware", layout.UpdateSocket, "--socket", layout.QuiltSocket, "--listen", fmt.Sprintf("0.0.0.0:%d", layout.Port)}})
	return m.updates.Daemons()
}

const credentialFile = layout.DaemonData + "/aria/credential"

// giveCredential writes the configured one where ariad reads it.
func (m *machine) giveCredential() error {
	if m.cfg.Credential == "" {
		return nil
	}
	tmp := credentialFile + ".init"
	if err := os.WriteFile(tmp, []byte(m.cfg.Credential+"\n"), 0o600); err != nil {
		return err
	}
	if err := os.Chown(tmp, layout.AriaUID, layout.AriaUID); err != nil {
		return err
	}
	return os.Rename(tmp, credentialFile)
}

// serve watches over the running machine until it is told to go down.
func (m *machine) serve() error {
	m.dog = openWatchdog(m.log)
	power := powerButton(m.log)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGPWR)
	m.extra()
	_, err := os.Stat(credentialFile)
	fresh := errors.Is(err, os.ErrNotExist)
	ready := make(chan error, 1)
	go func() { ready <- m.waitReady() }()
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-ready:
			if err != nil {
				return err
			}
			m.announce(fresh)
		case <-tick.C:
			m.dog.pet()
			if m.healthy {
				m.screen()
			}
		case why := <-m.reboot:
			m.log.Info("aria: restarting " + why)
			m.down(unix.LINUX_REBOOT_CMD_RESTART)
		case <-power:
			m.log.Info("aria: the power button was pressed")
			m.down(unix.LINUX_REBOOT_CMD_POWER_OFF)
		case s := <-signals:
			m.log.Info("aria: going down", "signal", s.String())
			how := unix.LINUX_REBOOT_CMD_RESTART // Ctrl-Alt-Del
			if s != unix.SIGINT {
				how = unix.LINUX_REBOOT_CMD_POWER_OFF
			}
			m.down(how)
		}
	}
}

// waitReady returns when ariad answers with a quiltd behind it, and the network
// has an address or has had its time. A version on trial is ready once it was
// kept; boot/update gives it its time.
func (m *machine) waitReady() error {
	for {
		err := healthy()
		if err == nil && m.updates.OnTrial() {
			err = errors.New("this version is on trial")
		}
		if err == nil {
			break
		}
		m.problem = err.Error()
		time.Sleep(20 * time.Millisecond)
	}
	m.problem = ""
	m.steps.mark("ready")
	select {
	case <-m.net.up:
	case <-time.After(10 * time.Second):
		m.problem = "no network address"
	}
	return m.blessed()
}

// announce prints the one line that says that the machine can be used.
func (m *machine) announce(fresh bool) {
	m.healthy = true
	addr := m.net.address()
	if addr == "" {
		addr = "no-address"
	}
	m.steps.mark("network")
	fmt.Fprintf(m.out, "aria: ready %s:%d slot %s version %s boot %s took %.2f s (%s)\n", addr, layout.Port,
		m.running.Slot, m.running.Version, m.running.Boot, sinceKernel().Seconds(), strings.Join(m.steps.parts, ", "))
	fmt.Fprintln(m.out, "aria: the port has no TLS: put it behind something that has, or keep it on a network you trust")
	if fresh && m.cfg.Credential == "" {
		m.firstCredential()
	}
	m.screen()
}

// firstCredential shows what ariad has made up to whoever stands before the machine:
// on the screen until the next start, and on the serial line where that is no longer
// than a cable (docs/design/012-first-credential.md). No log has it.
func (m *machine) firstCredential() {
	b, err := os.ReadFile(credentialFile)
	if err != nil {
		m.log.Warn("the first credential cannot be read", "err", err)
		return
	}
	m.credential = strings.TrimSpace(string(b))
	vendor, _ := os.ReadFile("/sys/class/dmi/id/sys_vendor")
	if m.cfg.ShowCredential || serialIsLocal(string(vendor)) {
		m.out.secret("aria: credential (shown at the first start only): " + m.credential + "\n")
		return
	}
	fmt.Fprintln(m.out, "aria: the first credential is on the screen; set one, or show_credential, in aria.toml to have it elsewhere")
}

// serialIsLocal: plain QEMU's serial line goes to who started it. Clouds and servers
// keep what theirs say, and name themselves.
func serialIsLocal(vendor string) bool { return strings.TrimSpace(vendor) == "QEMU" }

// screen draws the local display: what this is, how it is, how to connect.
func (m *machine) screen() {
	f, err := os.OpenFile("/dev/tty1", os.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close()
	addr, health := m.net.address(), "healthy"
	if m.problem != "" {
		health = m.problem
	}
	if addr == "" {
		addr = "(no address yet)"
	}
	fmt.Fprintf(f, "\033[2J\033[H\r\n  Aria %s on %s\r\n\r\n  address   http://%s:%d\r\n  health    %s\r\n  daemons   %s\r\n  slot      %s\r\n  up        %s\r\n\r\n"+
		"  Connect:  arc info --server http://%s:%d   (credential: ARIA_CREDENTIAL)\r\n  Power button: orderly shutdown.\r\n",
		m.running.Version, m.cfg.Hostname, addr, layout.Port, health, m.sup.states(), m.running.Slot,
		(time.Duration(sinceKernel().Seconds()) * time.Second).String(), addr, layout.Port)
	if m.credential != "" {
		fmt.Fprintf(f, "\r\n  First credential, shown until the next start: %s\r\n", m.credential)
	}
}

// down takes the machine down in order: daemons, everything else, disks.
func (m *machine) down(how int) {
	if m.sup != nil {
		m.sup.stop(m.log)
	}
	if m.updates != nil {
		_ = m.updates.Close() // an open file would keep the data partition mounted
	}
	if m.out != nil {
		fmt.Fprintln(m.out, "aria: down after "+strconv.Itoa(int(sinceKernel().Seconds()))+" s")
		m.out.close()
	}
	_ = unix.Kill(-1, unix.SIGKILL)
	if err := unmountData(); err != nil {
		fmt.Fprintln(os.Stderr, "aria: the data partition is not unmounted, its journal will be replayed:", err)
	}
	unix.Sync()
	m.dog.disarm()
	_ = unix.Reboot(how)
	for {
		time.Sleep(time.Hour)
	}
}

// unmountData waits for what was killed to be gone.
func unmountData() error {
	var err error
	for range 100 {
		err = unix.Unmount(layout.DataDir, 0)
		if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
