package pid1

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// network is the one interface of the machine and what it has.
type network struct {
	log *slog.Logger

	mu    sync.Mutex // guards the rest
	name  string
	lease lease
	up    chan struct{} // closed when there is an address
	once  sync.Once
}

// lease is an address and what came with it.
type lease struct {
	addr    netip.Prefix
	gateway netip.Addr
	dns     []netip.Addr
	ntp     []netip.Addr
	server  netip.Addr
	lasts   time.Duration // 0: for ever
}

// startNetwork configures loopback at once and the first other interface in the
// background.
func startNetwork(cfg Config, log *slog.Logger) *network {
	n := &network{log: log, up: make(chan struct{})}
	if err := linkUp("lo"); err != nil {
		log.Warn("no loopback", "err", err)
	}
	go n.run(cfg)
	return n
}

func (n *network) run(cfg Config) {
	name := waitInterface()
	n.mu.Lock()
	n.name = name
	n.mu.Unlock()
	if cfg.Address != "dhcp" {
		n.take(static(cfg), cfg)
		return
	}
	n.keepLease(name, cfg)
}

func static(cfg Config) lease {
	l := lease{}
	l.addr, _ = netip.ParsePrefix(cfg.Address) // checked when it was read
	l.gateway, _ = netip.ParseAddr(cfg.Gateway)
	return l
}

// take gives the interface what the lease says.
func (n *network) take(l lease, cfg Config) {
	if len(cfg.DNS) > 0 {
		l.dns = nil
		for _, s := range cfg.DNS {
			if a, err := netip.ParseAddr(s); err == nil {
				l.dns = append(l.dns, a)
			}
		}
	}
	n.mu.Lock()
	old, name := n.lease, n.name
	n.lease = l
	n.mu.Unlock()
	if old.addr != l.addr || old.gateway != l.gateway {
		if err := configure(name, l); err != nil {
			n.log.Error("the network could not be configured", "interface", name, "err", err)
			return
		}
		// From here on packets must come from where answers would go. Before there
		// is an address that would drop the DHCP server's.
		if err := reversePath(name, "1"); err != nil {
			n.log.Warn("the reverse path is not checked", "err", err)
		}
		n.log.Info("aria: network", "interface", name, "address", l.addr, "gateway", l.gateway)
	}
	writeResolver(l.dns)
	n.once.Do(func() {
		close(n.up)
		go n.setClock(l, cfg)
	})
}

// address for people; "" while there is none.
func (n *network) address() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.lease.addr.IsValid() {
		return ""
	}
	return n.lease.addr.Addr().String()
}

// waitInterface is the first interface, by name, that has a device behind it and
// a cable in it.
func waitInterface() string {
	for {
		list, _ := filepath.Glob("/sys/class/net/*/device")
		for _, dev := range list {
			name := filepath.Base(filepath.Dir(dev))
			if linkUp(name) == nil && carrier(name) {
				return name
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// carrier can only be read while the interface is up.
func carrier(name string) bool {
	b, err := os.ReadFile("/sys/class/net/" + name + "/carrier")
	return err == nil && strings.TrimSpace(string(b)) == "1"
}

func reversePath(name, value string) error {
	return os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/rp_filter", []byte(value), 0)
}

func writeResolver(dns []netip.Addr) {
	var b strings.Builder
	for _, a := range dns {
		fmt.Fprintf(&b, "nameserver %s\n", a)
	}
	_ = os.WriteFile("/run/resolv.conf", []byte(b.String()), 0o644)
}

func control(do func(fd int) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd)
}

func linkUp(name string) error {
	return control(func(fd int) error {
		r, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r); err != nil {
			return err
		}
		r.SetUint16(r.Uint16() | unix.IFF_UP | unix.IFF_RUNNING)
		return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
	})
}

func configure(name string, l lease) error {
	return control(func(fd int) error {
		var mask [4]byte
		binary.BigEndian.PutUint32(mask[:], ^uint32(0)<<(32-l.addr.Bits()))
		for _, s := range []struct {
			call uint
			ip   netip.Addr
		}{{unix.SIOCSIFADDR, l.addr.Addr()}, {unix.SIOCSIFNETMASK, netip.AddrFrom4(mask)}} {
			r, err := unix.NewIfreq(name)
			if err != nil {
				return err
			}
			b := s.ip.As4()
			if err := r.SetInet4Addr(b[:]); err != nil {
				return err
			}
			if err := unix.IoctlIfreq(fd, s.call, r); err != nil {
				return err
			}
		}
		if !l.gateway.IsValid() {
			return nil
		}
		return defaultRoute(fd, l.gateway)
	})
}

// defaultRoute sets it by the old interface, struct rtentry of linux/route.h.
func defaultRoute(fd int, gateway netip.Addr) error {
	type sockaddr struct {
		family uint16
		port   uint16
		ip     [4]byte
		_      [8]byte
	}
	type rtentry struct {
		_            uint64
		dst, gw, msk sockaddr
		flags        uint16
		_            int16
		_            uint64
		_            uint64 // tos, class
		metric       int16
		dev          unsafe.Pointer
		mtu, window  uint64
		irtt         uint16
	}
	rt := rtentry{flags: unix.RTF_UP | unix.RTF_GATEWAY}
	rt.dst.family, rt.msk.family = unix.AF_INET, unix.AF_INET
	rt.gw = sockaddr{family: unix.AF_INET, ip: gateway.As4()}
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCADDRT, uintptr(unsafe.Pointer(&rt)))
	runtime.KeepAlive(&rt)
	if e != 0 && !errors.Is(e, unix.EEXIST) {
		return fmt.Errorf("default route: %w", e)
	}
	return nil
}
