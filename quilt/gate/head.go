package gate

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// maxHead bounds the first line and the headers of a request, in bytes.
const maxHead = 64 << 10

// listener hands out connections whose first bytes are a checked head. It takes
// no more than it has places for; the rest waits in the kernel's queue.
type listener struct {
	net.Listener
	slots chan struct{}
	addr  string
	done  <-chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &conn{Conn: c, addr: l.addr, free: sync.OnceFunc(func() { <-l.slots })}, nil
}

// conn checks the head on its first read and gives it out again.
type conn struct {
	net.Conn
	addr string
	free func()
	seen bool
	head []byte // read and not given out
}

var errHead = errors.New("refused head")

func (c *conn) Read(p []byte) (int, error) {
	if !c.seen {
		c.seen = true
		if err := c.first(); err != nil {
			return 0, err
		}
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// CloseWrite says that nothing more comes, as a tunnel's other end did.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (c *conn) Close() error {
	defer c.free()
	return c.Conn.Close()
}

// first reads up to the end of the head and checks it.
func (c *conn) first() error {
	c.Conn.SetReadDeadline(time.Now().Add(headTimeout))
	defer c.Conn.SetReadDeadline(time.Time{})
	buf := make([]byte, 0, 2048)
	part := make([]byte, 2048)
	for {
		n, err := c.Conn.Read(part)
		buf = append(buf, part[:n]...)
		if end := bytes.Index(buf, []byte("\r\n\r\n")); end >= 0 {
			if why := checkHead(string(buf[:end]), c.addr); why != "" {
				return c.refuse(why)
			}
			c.head = buf
			return nil
		}
		if len(buf) > maxHead {
			return c.refuse(fmt.Sprintf("the head of a request has at most %d KiB", maxHead>>10))
		}
		if err != nil {
			return err
		}
	}
}

// refuse answers in the place of a handler. The sentence stands in the reason
// too, which is all that clients show of a refused tunnel.
func (c *conn) refuse(why string) error {
	why = "the gate refuses this request: " + why
	fmt.Fprintf(c.Conn, "HTTP/1.1 400 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n", why, len(why)+1, why)
	return errHead
}

// checkHead says what is wrong with a head, or "". It takes one form of HTTP/1.1
// where parsers differ.
func checkHead(head, gate string) string {
	lines := strings.Split(head, "\r\n")
	for _, l := range lines {
		if strings.ContainsFunc(l, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return "a line holds a control character"
		}
	}
	first := strings.Split(lines[0], " ")
	if len(first) != 3 || first[2] != "HTTP/1.1" {
		return "its first line is not METHOD TARGET HTTP/1.1"
	}
	count := map[string]int{}
	host := ""
	for _, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return "a header line has a space before its colon, begins with one (a folded line), or has no colon"
		}
		name = strings.ToLower(name)
		count[name]++
		if name == "host" {
			host = strings.ToLower(strings.Trim(value, " \t"))
		}
		if name == "transfer-encoding" && !strings.EqualFold(strings.Trim(value, " \t"), "chunked") {
			return "a transfer encoding that is not chunked"
		}
	}
	switch {
	case count["host"] != 1:
		return "it has not one Host header but " + fmt.Sprint(count["host"])
	case count["content-length"]+count["transfer-encoding"] > 1:
		return "it says twice how long its body is"
	case count["upgrade"] > 0:
		return "the gate does not change protocols in the clear; use wss://"
	}
	return checkTarget(first[0], first[1], host, gate)
}

// checkTarget holds the target against the Host header: two names for one
// request are one too many.
func checkTarget(method, target, host, gate string) string {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`@%\`, r) }
	switch {
	case strings.ContainsFunc(host, odd):
		return "net:" + clean(host) + " is no host and port"
	case method == "CONNECT":
		if !strings.EqualFold(target, host) && !strings.EqualFold(target, host+":443") {
			return "the tunnel's target and its Host header differ; a token is for one: net:" + clean(target)
		}
	case strings.HasPrefix(target, "/"):
		if host != gate && host != "localhost:"+gate[strings.LastIndexByte(gate, ':')+1:] {
			return "it names the host " + clean(host) + " and is not in a proxy's form; net:" + clean(host) + " is reached through the proxy settings"
		}
	default:
		scheme, rest, ok := strings.Cut(target, "://")
		if !ok || !strings.EqualFold(scheme, "http") {
			return "its target is no http:// URL: net:" + clean(target) + " is not reached this way; https goes through CONNECT"
		}
		authority, _, _ := strings.Cut(rest, "/")
		authority, _, _ = strings.Cut(authority, "?")
		if strings.Contains(authority, "@") {
			return "its target holds a user name: net:" + clean(authority) + " is no host and port"
		}
		if !strings.EqualFold(authority, host) && !strings.EqualFold(authority, host+":80") && !strings.EqualFold(authority+":80", host) {
			return "its target and its Host header differ; a token is for one: net:" + clean(authority)
		}
	}
	return ""
}

// clean bounds what a container wrote and makes it fit for a status line.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	if len(s) > 120 {
		s = s[:120] + "..."
	}
	return s
}
