package pid1

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// DHCP message types and options (RFC 2131, RFC 2132).
const (
	discover, offer, request, ack, nak = 1, 2, 3, 5, 6

	optMask, optRouter, optDNS, optHost, optNTP = 1, 3, 6, 12, 42
	optRequested, optLease, optType, optServer  = 50, 51, 53, 54
	optWant, optEnd                             = 55, 255
)

// keepLease asks for an address until there is one, and renews it at half its
// time. The socket is open only while it asks.
func (n *network) keepLease(name string, cfg Config) {
	wait := 100 * time.Millisecond
	var have lease
	var ends time.Time
	for {
		l, err := ask(name, cfg.Hostname, have)
		switch {
		case err == nil:
			have, wait = l, 100*time.Millisecond
			ends = time.Now().Add(l.lasts)
			n.take(l, cfg)
			if l.lasts == 0 {
				return
			}
			time.Sleep(l.lasts / 2)
			continue
		case errors.Is(err, errNak), have.addr.IsValid() && time.Now().After(ends):
			n.log.Warn("the address is lost; asking for another", "err", err)
			have = lease{}
			_ = reversePath(name, "0")
		default:
			n.log.Warn("no answer from a DHCP server", "interface", name, "err", err)
		}
		time.Sleep(wait)
		wait = min(2*wait, 30*time.Second)
	}
}

var errNak = errors.New("the server takes the address back")

// ask is one whole exchange; with have, only its second half.
func ask(name, host string, have lease) (lease, error) {
	mac, err := hardware(name)
	if err != nil {
		return lease{}, err
	}
	fd, err := dhcpSocket(name)
	if err != nil {
		return lease{}, err
	}
	defer unix.Close(fd)
	var id [4]byte
	_, _ = rand.Read(id[:])
	c := exchange{fd: fd, id: binary.BigEndian.Uint32(id[:]), mac: mac, host: host}
	if !have.addr.IsValid() {
		if have, err = c.send(discover, offer, lease{}); err != nil {
			return lease{}, err
		}
	}
	return c.send(request, ack, have)
}

type exchange struct {
	fd   int
	id   uint32
	mac  net.HardwareAddr
	host string
}

// send asks up to four times and returns the first answer of the wanted kind.
func (c *exchange) send(kind, want byte, l lease) (lease, error) {
	to := &unix.SockaddrInet4{Port: 67, Addr: [4]byte{255, 255, 255, 255}}
	for try := range 4 {
		if err := unix.Sendto(c.fd, c.message(kind, l), 0, to); err != nil {
			return lease{}, fmt.Errorf("dhcp: %w", err)
		}
		for end := time.Now().Add(time.Second << try); time.Now().Before(end); {
			buf := make([]byte, 1500)
			size, _, err := unix.Recvfrom(c.fd, buf, 0)
			if err != nil {
				continue // the socket's own timeout
			}
			got, answer, ok := parseDHCP(buf[:size], c.id, c.mac)
			switch {
			case ok && got == want:
				return answer, nil
			case ok && got == nak && want == ack:
				return lease{}, errNak
			}
		}
	}
	return lease{}, errors.New("dhcp: no answer")
}

func (c *exchange) message(kind byte, l lease) []byte {
	b := make([]byte, 240, 300)
	b[0], b[1], b[2] = 1, 1, 6
	binary.BigEndian.PutUint32(b[4:], c.id)
	binary.BigEndian.PutUint16(b[10:], 0x8000) // answer by broadcast: we have no address
	copy(b[28:], c.mac)
	copy(b[236:], []byte{99, 130, 83, 99})
	b = append(b, optType, 1, kind, optWant, 5, optMask, optRouter, optDNS, optNTP, optLease)
	b = append(append(b, optHost, byte(len(c.host))), c.host...)
	if kind == request {
		a := l.addr.Addr().As4()
		b = append(append(b, optRequested, 4), a[:]...)
		if l.server.IsValid() {
			s := l.server.As4()
			b = append(append(b, optServer, 4), s[:]...)
		}
	}
	return append(b, optEnd)
}

// parseDHCP reads an answer to us. What it says is not trusted beyond its form.
func parseDHCP(b []byte, id uint32, mac net.HardwareAddr) (kind byte, l lease, ok bool) {
	if len(b) < 240 || b[0] != 2 || binary.BigEndian.Uint32(b[4:]) != id || !strings.EqualFold(net.HardwareAddr(b[28:34]).String(), mac.String()) {
		return 0, l, false
	}
	addr, bits := netip.AddrFrom4([4]byte(b[16:20])), 24
	for o := b[240:]; len(o) >= 2 && o[0] != optEnd; {
		if o[0] == 0 {
			o = o[1:]
			continue
		}
		size := int(o[1])
		if len(o) < 2+size {
			return 0, l, false
		}
		v := o[2 : 2+size]
		switch {
		case o[0] == optType && size == 1:
			kind = v[0]
		case o[0] == optMask && size == 4:
			bits, _ = net.IPMask(v).Size()
		case o[0] == optRouter && size >= 4:
			l.gateway = netip.AddrFrom4([4]byte(v))
		case o[0] == optDNS:
			l.dns = addresses(v)
		case o[0] == optNTP:
			l.ntp = addresses(v)
		case o[0] == optServer && size == 4:
			l.server = netip.AddrFrom4([4]byte(v))
		case o[0] == optLease && size == 4:
			if s := binary.BigEndian.Uint32(v); s != 0xffffffff {
				l.lasts = max(time.Minute, time.Duration(s)*time.Second)
			}
		}
		o = o[2+size:]
	}
	l.addr = netip.PrefixFrom(addr, bits)
	return kind, l, kind != 0
}

func addresses(v []byte) (out []netip.Addr) {
	for ; len(v) >= 4; v = v[4:] {
		out = append(out, netip.AddrFrom4([4]byte(v)))
	}
	return out
}

func hardware(name string) (net.HardwareAddr, error) {
	b, err := os.ReadFile("/sys/class/net/" + name + "/address")
	if err != nil {
		return nil, err
	}
	mac, err := net.ParseMAC(strings.TrimSpace(string(b)))
	if err == nil && len(mac) != 6 {
		err = fmt.Errorf("interface %s has the odd address %s", name, mac)
	}
	return mac, err
}

func dhcpSocket(name string) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	for _, set := range []func() error{
		func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1) },
		func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) },
		func() error { return unix.BindToDevice(fd, name) },
		func() error {
			return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000})
		},
		func() error { return unix.Bind(fd, &unix.SockaddrInet4{Port: 68}) },
	} {
		if err := set(); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("dhcp: %w", err)
		}
	}
	return fd, nil
}
