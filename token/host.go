package token

import (
	"net/netip"
	"strconv"
	"strings"
)

// hostport reads "host", "host:port", "[v6]:port" or "*.suffix:port". The port
// is explicit in the canonical form and 443 if it was left out.
func (p *parser) hostport(body string, at int) (string, error) {
	host, port := splitPort(body)
	name, err := p.host(host, at)
	if err != nil {
		return "", err
	}
	rest := body[len(host):]
	if rest == "" {
		port = "443"
	} else if rest[0] != ':' {
		return "", p.fail(at+len(host), `expected ":" and a port`)
	}
	if port == "*" && p.pattern {
		return name + ":*", nil
	}
	n, ok := number(port, 5)
	if !ok || n == 0 || n > 65535 {
		return "", p.fail(at+len(host)+1, "bad port %q", port).WithHint("a port is 1 to 65535: net:%s:443", name)
	}
	return name + ":" + strconv.FormatInt(n, 10), nil
}

// splitPort cuts at the colon behind the host; an IPv6 host keeps its brackets.
func splitPort(s string) (host, port string) {
	if strings.HasPrefix(s, "[") {
		if end := strings.IndexByte(s, ']'); end > 0 {
			return s[:end+1], strings.TrimPrefix(s[end+1:], ":")
		}
	}
	host, port, _ = strings.Cut(s, ":")
	return host, port
}

func (p *parser) host(host string, at int) (string, error) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !a.Is6() || a.Zone() != "" || !strings.HasSuffix(host, "]") {
			return "", p.fail(at, "%q is not an IPv6 address in brackets", host)
		}
		return "[" + a.String() + "]", nil
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		return a.String(), nil
	}
	name := strings.ToLower(host)
	if name == "*" && p.pattern {
		return name, nil
	}
	labels := strings.Split(strings.TrimPrefix(name, "*."), ".")
	if strings.HasPrefix(name, "*.") && len(labels) < 2 {
		return "", p.fail(at, "%q is too wide", host).WithHint("name at least two labels: *.example.com")
	}
	if host == "" || len(name) > 253 {
		return "", p.fail(at, "a host name has 1 to 253 characters").WithHint("write net:api.example.com:443")
	}
	if _, isNumber := number(labels[len(labels)-1], 253); isNumber {
		return "", p.fail(at, "%q looks like an address and is none", host)
	}
	for _, l := range labels {
		if !label(l) {
			return "", p.fail(at, "%q is not a host name", host).WithHint("letters, digits, - and dots; other scripts as xn--")
		}
	}
	return name, nil
}

// label is one part of a host name (RFC 1123; "_" is common in practice).
func label(l string) bool {
	if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	for i := range len(l) {
		c := l[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
