package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/ariacomputecompany/firmware/test/system"
)

// escaped is what a server that nobody may reach answers.
const escaped = "ESCAPED"

// world is what lies outside: two servers that the operator opened, one that
// nobody may reach, on every local address, and a name server.
type world struct {
	plain, secure *httptest.Server
	closed        net.Listener
	dns           net.PacketConn
	hits          atomic.Int64 // requests and connections to the closed one
	ca            []byte       // PEM

	mu    sync.Mutex
	asked map[string]int
}

func newWorld() (*world, error) {
	w := &world{asked: map[string]int{}}
	ok := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if to, is := strings.CutPrefix(r.URL.String(), "/to?"); is {
			http.Redirect(rw, r, to, http.StatusFound)
			return
		}
		if r.URL.Path == "/close" { // so that the next request dials again
			rw.Header().Set("Connection", "close")
		}
		fmt.Fprint(rw, "granted")
	})
	w.plain, w.secure = httptest.NewServer(ok), httptest.NewUnstartedServer(ok)
	w.secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	cert, ca, err := system.Authority("api.test")
	if err != nil {
		return nil, err
	}
	w.ca, w.secure.TLS = ca, &tls.Config{Certificates: []tls.Certificate{cert}}
	w.secure.StartTLS()
	if w.closed, err = net.Listen("tcp", ":0"); err != nil {
		return nil, err
	}
	go http.Serve(hits{w.closed, &w.hits}, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, escaped) }))
	if w.dns, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	go w.serveNames()
	return w, nil
}

// hits counts connections.
type hits struct {
	net.Listener
	n *atomic.Int64
}

func (h hits) Accept() (net.Conn, error) {
	c, err := h.Listener.Accept()
	if err == nil {
		h.n.Add(1)
	}
	return c, err
}

func port(a net.Addr) string {
	p, _ := netip.ParseAddrPort(a.String())
	return fmt.Sprint(p.Port())
}

func (w *world) ports() *strings.Replacer {
	return strings.NewReplacer("PLAIN", port(w.plain.Listener.Addr()), "TLS", port(w.secure.Listener.Addr()), "CLOSED", port(w.closed.Addr()))
}

// names lead to the open servers, or to where no token leads.
var names = map[string][]string{
	"api.test.": {"127.0.0.1"}, "loopback.test.": {"127.0.0.1"}, "metadata.test.": {"169.254.169.254"}, "private.test.": {"10.0.0.1"},
	"carrier.test.": {"100.64.0.1"}, "six.test.": {"::1"}, "mapped.test.": {"::ffff:127.0.0.1"}, "nat64.test.": {"64:ff9b::7f00:1"},
	"multicast.test.": {"224.0.0.1"}, "zero.test.": {"0.0.0.0"}, "local.test.": {"fd00::1", "fe80::1"}, "sixtofour.test.": {"2002:7f00:1::1"},
	"broadcast.test.": {"255.255.255.255"}, "mixed.test.": {"10.0.0.1", "127.0.0.1", "::1"}, "azure.test.": {"168.63.129.16"},
}

// serveNames answers questions until the socket closes.
func (w *world) serveNames() {
	buf := make([]byte, 1500)
	for {
		n, from, err := w.dns.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.Additionals = true, nil
		m.Answers = w.answers(m.Questions[0])
		if len(m.Answers) == 0 && !w.knows(m.Questions[0].Name.String()) {
			m.RCode = dnsmessage.RCodeNameError
		}
		if out, err := m.Pack(); err == nil {
			w.dns.WriteTo(out, from)
		}
	}
}

func (w *world) knows(name string) bool { return len(w.addresses(name, false)) > 0 }

// addresses of a name. The second time rebind.test is somewhere else.
func (w *world) addresses(name string, count bool) []string {
	switch name {
	case "own.test.":
		return ownAddresses()
	case "rebind.test.":
		w.mu.Lock()
		defer w.mu.Unlock()
		if count {
			w.asked[name]++
		}
		if w.asked[name] > 1 {
			return []string{"127.0.0.2"}
		}
		return []string{"127.0.0.1"}
	}
	return names[name]
}

func (w *world) answers(q dnsmessage.Question) (out []dnsmessage.Resource) {
	for _, text := range w.addresses(q.Name.String(), q.Type == dnsmessage.TypeA) {
		a := netip.MustParseAddr(text)
		head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			out = append(out, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			out = append(out, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return out
}

// ownAddresses are those of this machine's interfaces, loopback aside.
func ownAddresses() (out []string) {
	list, _ := net.InterfaceAddrs()
	for _, i := range list {
		if n, ok := i.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			out = append(out, n.IP.String())
		}
	}
	if len(out) == 0 {
		out = []string{"127.0.0.1"}
	}
	return out
}
