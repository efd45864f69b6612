package net

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// special are the ranges of IPv4 that are not the public Internet, from IANA's
// registry of special-purpose addresses (RFC 6890 and later), and the metadata
// services that clouds keep on public numbers.
var special = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this host"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private network"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a carrier's shared network"},
	{netip.MustParsePrefix("127.0.0.0/8"), "the machine itself (loopback)"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local, where clouds keep metadata"},
	{netip.MustParsePrefix("172.16.0.0/12"), "a private network"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved for protocols"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation"},
	{netip.MustParsePrefix("192.31.196.0/24"), "reserved for protocols"},
	{netip.MustParsePrefix("192.52.193.0/24"), "reserved for protocols"},
	{netip.MustParsePrefix("192.88.99.0/24"), "reserved for protocols"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private network"},
	{netip.MustParsePrefix("192.175.48.0/24"), "reserved for protocols"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for benchmarks"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud's metadata service"},
	{netip.MustParsePrefix("2001::/23"), "reserved for protocols"},
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation"},
	{netip.MustParsePrefix("2002::/16"), "6to4, which can name any IPv4 address"},
	{netip.MustParsePrefix("3fff::/20"), "for documentation"},
}

// global is the only part of IPv6 that is in public use; loopback, link-local,
// unique local, multicast, NAT64 and everything mapped lie outside it.
var global = netip.MustParsePrefix("2000::/3")

// closed says why a is not to be reached, or "".
func closed(a netip.Addr) string {
	a = a.Unmap() // ::ffff:10.0.0.1 is 10.0.0.1
	if a.Zone() != "" {
		return "link-local"
	}
	if a.Is6() && !global.Contains(a) {
		return "not a public address"
	}
	for _, s := range special {
		if s.prefix.Contains(a) {
			return s.what
		}
	}
	if ours(a) {
		return "one of this machine's own"
	}
	return ""
}

// interfaces is replaced in tests: not every machine has a public address.
var interfaces = net.InterfaceAddrs

// ours: an address of this machine is private however public its number: what
// listens there trusts its neighbours.
func ours(a netip.Addr) bool {
	list, err := interfaces()
	if err != nil {
		return true // fail closed
	}
	for _, i := range list {
		if n, ok := i.(*net.IPNet); ok {
			if b, ok := netip.AddrFromSlice(n.IP); ok && b.Unmap() == a {
				return true
			}
		}
	}
	return false
}

// exception is one entry of allow_private.
type exception struct {
	prefix netip.Prefix
	port   uint16 // 0: any
}

func parseException(text string) (exception, error) {
	bad := fault.New(fault.Invalid, "net.allow_private: %q is not an address and a port", text).
		WithHint(`write "127.0.0.1:8080", "10.1.0.0/16:443" or "[fd00::1]:443"; the port may be "*"`)
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return exception{}, bad
	}
	var x exception
	if port := text[at+1:]; port != "*" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return exception{}, bad
		}
		x.port = uint16(n)
	}
	host := text[:at]
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return exception{}, bad
	}
	host = strings.NewReplacer("[", "", "]", "").Replace(host)
	if !strings.Contains(host, "/") {
		a, err := netip.ParseAddr(host)
		if err != nil {
			return exception{}, bad
		}
		x.prefix = netip.PrefixFrom(a, a.BitLen())
		return x, nil
	}
	p, err := netip.ParsePrefix(host)
	if err != nil {
		return exception{}, bad
	}
	x.prefix = p
	return x, nil
}

// check refuses a for t unless it is public or the operator listed it.
func (e *Egress) check(t Target, a netip.Addr) *fault.Error {
	why := closed(a)
	if why == "" {
		return nil
	}
	a = a.Unmap()
	for _, x := range e.open {
		if x.prefix.Contains(a) && (x.port == 0 || x.port == t.Port) {
			return nil
		}
	}
	if t.Literal() {
		return fault.New(fault.Denied, "%s is %s, which no token opens", t.Token, why).
			WithHint("an operator can list %s under allow_private in quiltd's [net]", netip.AddrPortFrom(a, t.Port))
	}
	return fault.New(fault.Denied, "%s leads to %s, which is %s; no token opens that", t.Token, a, why).
		WithHint("an operator can list %s under allow_private in quiltd's [net]", netip.AddrPortFrom(a, t.Port))
}
