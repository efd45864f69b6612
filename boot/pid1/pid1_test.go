package pid1

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseCmdline(t *testing.T) {
	got := parseCmdline("quiet aria.root=ab aria.hostname=\"my host\" aria.root=cd console=ttyS0,115200\n")
	want := map[string]string{"quiet": "", "aria.root": "cd", "aria.hostname": "my host", "console": "ttyS0,115200"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestModulesByDevice(t *testing.T) {
	list := parseModules("ext4 always jbd2,mbcache \nvirtio_net device virtio virtio:d00000001v*\nshort\n")
	if len(list) != 2 || list[0].when != "always" || list[0].needs[1] != "mbcache" || list[1].when != "device" {
		t.Fatalf("%+v", list)
	}
	for alias, want := range map[string]bool{"virtio:d00000001v00001AF4": true, "virtio:d00000002v00001AF4": false} {
		if got := wanted(list[1].aliases, []string{alias}); got != want {
			t.Errorf("%s: %v", alias, got)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	whole := Config{Hostname: "aria-1", Address: "192.0.2.10/24", Gateway: "192.0.2.1", DNS: []string{"192.0.2.53"}, Credential: strings.Repeat("x", 32)}
	if err := whole.check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want   string
		change func(*Config)
	}{
		{"hostname", func(c *Config) { c.Hostname = "-no" }},
		{"hostname", func(c *Config) { c.Hostname = "a b" }},
		{"32 characters", func(c *Config) { c.Credential = "short" }},
		{"address", func(c *Config) { c.Address = "192.0.2.10" }},
		{"address", func(c *Config) { c.Address = "2001:db8::1/64" }},
		{"no IPv4", func(c *Config) { c.Gateway = "gate" }},
		{"no IPv4", func(c *Config) { c.DNS = []string{"::1"} }},
	} {
		bad := whole
		c.change(&bad)
		if err := bad.check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", bad, err, c.want)
		}
	}
}

// reply is an answer as a server sends it.
func reply(id uint32, mac net.HardwareAddr, options ...byte) []byte {
	b := make([]byte, 240)
	b[0] = 2
	binary.BigEndian.PutUint32(b[4:], id)
	copy(b[16:], []byte{192, 0, 2, 10})
	copy(b[28:], mac)
	return append(b, options...)
}

func TestParseDHCP(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	kind, l, ok := parseDHCP(reply(7, mac, optType, 1, ack, optMask, 4, 255, 255, 255, 128, optRouter, 4, 192, 0, 2, 1,
		optDNS, 8, 192, 0, 2, 53, 192, 0, 2, 54, optServer, 4, 192, 0, 2, 2, optLease, 4, 0, 0, 14, 16, 0, optEnd), 7, mac)
	if !ok || kind != ack {
		t.Fatalf("%v %v", kind, ok)
	}
	if l.addr.String() != "192.0.2.10/25" || l.gateway.String() != "192.0.2.1" || len(l.dns) != 2 || l.server.String() != "192.0.2.2" || l.lasts != time.Hour {
		t.Errorf("%+v", l)
	}
	other := net.HardwareAddr{2, 0, 0, 0, 0, 2}
	for name, b := range map[string][]byte{
		"another exchange":      reply(8, mac, optType, 1, ack, optEnd),
		"another machine":       reply(7, other, optType, 1, ack, optEnd),
		"no type":               reply(7, mac, optEnd),
		"an option cut short":   reply(7, mac, optType, 1, ack, optDNS, 200, 1),
		"shorter than its form": make([]byte, 100),
	} {
		if _, _, ok := parseDHCP(b, 7, mac); ok {
			t.Errorf("%s was accepted", name)
		}
	}
}

// What we send, a server can read: the requested address and who we are.
func TestMessage(t *testing.T) {
	c := exchange{id: 9, mac: net.HardwareAddr{2, 0, 0, 0, 0, 1}, host: "aria"}
	b := c.message(request, lease{addr: netip.MustParsePrefix("192.0.2.10/24"), server: netip.MustParseAddr("192.0.2.2")})
	for _, want := range []string{"\x35\x01\x03", "\x0c\x04aria", "\x32\x04\xc0\x00\x02\x0a", "\x36\x04\xc0\x00\x02\x02"} {
		if !strings.Contains(string(b[240:]), want) {
			t.Errorf("no %q in %q", want, b[240:])
		}
	}
	if b[0] != 1 || binary.BigEndian.Uint32(b[4:]) != 9 || b[10] != 0x80 || b[len(b)-1] != optEnd {
		t.Errorf("% x", b)
	}
}

func TestReadHealth(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP/1.1 200 OK\r\n\r\n{\"quiltReady\":true}":           "",
		"HTTP/1.1 200 OK\r\n\r\n{}":                              "quiltd is not ready",
		"HTTP/1.1 401 Unauthorized\r\n\r\n{\"quiltReady\":true}": "401",
		"": "does not answer",
	} {
		err := readHealth(strings.NewReader(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// The ring never holds more than its files, and the newest line is in the first.
func TestRing(t *testing.T) {
	dir := t.TempDir()
	r, err := openRing(dir)
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 1<<16) + "\n")
	for range 10 * ringSize / len(line) {
		r.write(line)
	}
	r.write([]byte("last\n"))
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != ringFiles+1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Size() > ringSize {
			t.Errorf("%s: %d bytes, %v", f.Name(), info.Size(), err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "aria.log")); err != nil || !strings.HasSuffix(string(b), "last\n") {
		t.Errorf("the newest line is not there: %v", err)
	}
}

func TestDiskNames(t *testing.T) {
	for d, want := range map[disk]string{"vda": "/dev/vda4", "nvme0n1": "/dev/nvme0n1p4", "mmcblk0": "/dev/mmcblk0p4"} {
		if got := d.part(4); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
}

func TestPanicLine(t *testing.T) {
	for log, want := range map[string]string{
		"<6>[ 3.1] usb 1-1: new\n<0>[    9.012] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n<4>[ 9.0] CPU: 0\n": "Attempted to kill init! exitcode=0x00000100",
		"<6>[ 3.1] usb 1-1: new\n": "",
	} {
		if got := panicLine(log); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSerialIsLocal(t *testing.T) {
	for vendor, want := range map[string]bool{"QEMU\n": true, "Amazon EC2\n": false, "Google": false, "OpenStack Foundation": false, "": false, "Dell Inc.": false} {
		if got := serialIsLocal(vendor); got != want {
			t.Errorf("%q: %v", vendor, got)
		}
	}
}
