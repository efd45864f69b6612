package pid1

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/layout"
)

// Config is what an operator may set, in aria/aria.toml on the ESP or on the
// kernel's command line (which wins). Nothing is needed.
type Config struct {
	// Hostname of the machine.
	Hostname string `toml:"hostname"`
	// Credential of the API, at least 32 characters. Empty: ariad makes one at
	// the first start, and the screen shows it then.
	Credential string `toml:"credential"`
	// ShowCredential lets the serial line show it too.
	ShowCredential bool `toml:"show_credential"`
	// Address is "dhcp" or ADDRESS/BITS.
	Address string `toml:"address"`
	Gateway string `toml:"gateway"`
	// DNS servers, for what containers are allowed to reach by name.
	DNS []string `toml:"dns"`
	// NTP is a server to set the clock from; empty: what DHCP names, else the
	// machine's own clock.
	NTP string `toml:"ntp"`
}

// readConfig takes the ESP's file and the command line, and gives host name,
// clock and loopback their state.
func (m *machine) readConfig() error {
	m.cfg = Config{Hostname: "aria", Address: "dhcp"}
	if err := m.readESP(); err != nil {
		return err
	}
	for _, o := range []struct {
		arg string
		to  *string
	}{
		{layout.ArgHostname, &m.cfg.Hostname}, {layout.ArgCredential, &m.cfg.Credential}, {layout.ArgAddress, &m.cfg.Address},
		{layout.ArgGateway, &m.cfg.Gateway}, {layout.ArgNTP, &m.cfg.NTP},
	} {
		if v := m.args[o.arg]; v != "" {
			*o.to = v
		}
	}
	if _, ok := m.args[layout.ArgShow]; ok {
		m.cfg.ShowCredential = true
	}
	if v := m.args[layout.ArgDNS]; v != "" {
		m.cfg.DNS = strings.Split(v, ",")
	}
	if err := m.cfg.check(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(m.cfg.Hostname)); err != nil {
		return err
	}
	m.clock()
	m.net = startNetwork(m.cfg, m.log)
	return m.writeState()
}

var hostname = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (c Config) check() error {
	if !hostname.MatchString(c.Hostname) {
		return fmt.Errorf("hostname %q: use letters a to z, digits and dashes", c.Hostname)
	}
	if c.Credential != "" && len(c.Credential) < 32 {
		return errors.New("the credential has less than 32 characters: make one with `openssl rand -hex 32`")
	}
	if c.Address != "dhcp" {
		if p, err := netip.ParsePrefix(c.Address); err != nil || !p.Addr().Is4() {
			return fmt.Errorf(`address %q: write "dhcp", or an IPv4 address with its bits such as 192.0.2.10/24`, c.Address)
		}
	}
	for _, a := range append([]string{c.Gateway}, c.DNS...) {
		if a == "" {
			continue
		}
		if ip, err := netip.ParseAddr(a); err != nil || !ip.Is4() {
			return fmt.Errorf("%q is no IPv4 address (gateway, dns)", a)
		}
	}
	return nil
}

// readESP reads the configuration and which boot entry was taken. A disk
// without ESP (direct boot from a bare root) has neither.
func (m *machine) readESP() error {
	return m.withESP(false, func(dir string) error {
		if err := m.findEntry(dir); err != nil {
			return err
		}
		text, err := os.ReadFile(dir + "/" + layout.Config)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		meta, err := toml.Decode(string(text), &m.cfg)
		if err != nil {
			return fmt.Errorf("%s on the ESP: %w", layout.Config, err)
		}
		if odd := meta.Undecoded(); len(odd) > 0 {
			return fmt.Errorf("%s on the ESP: unknown setting %q", layout.Config, odd[0].String())
		}
		return nil
	})
}

// withESP mounts the ESP for as long as do runs.
func (m *machine) withESP(write bool, do func(dir string) error) error {
	for _, p := range partitionsNamed(layout.ESP) {
		if p.disk != m.disk {
			continue
		}
		const dir = "/run/esp"
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		var flags uintptr = quiet | unix.MS_RDONLY
		if write {
			flags = quiet
		}
		if err := unix.Mount(p.path(), dir, "vfat", flags, "umask=0077"); err != nil {
			return fmt.Errorf("the ESP %s cannot be mounted: %w", p.path(), err)
		}
		err := do(dir)
		if write {
			unix.Sync()
		}
		return errors.Join(err, unix.Unmount(dir, 0))
	}
	return nil
}

// clock never lies before the day the image was made: certificates and event
// times depend on it.
func (m *machine) clock() {
	made, err := time.Parse(time.RFC3339, m.args["aria.made"])
	if err != nil || !time.Now().Before(made) {
		return
	}
	tv := unix.NsecToTimeval(made.UnixNano())
	if err := unix.Settimeofday(&tv); err != nil {
		m.log.Warn("the clock could not be set", "err", err)
		return
	}
	m.log.Warn("the machine's clock was before the image was made; it is set to that day")
}
