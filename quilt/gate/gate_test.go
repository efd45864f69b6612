package gate

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	egress "github.com/ariacomputecompany/firmware/quilt/net"
	"github.com/ariacomputecompany/firmware/token"
)

// open is a gate over two servers, both known as api.example.com.
type open struct {
	addr       string // of the gate
	plain, tls string // "api.example.com:PORT"
	roots      *tls.Config

	mu  sync.Mutex
	log []string
	end func() *fault.Error
}

func newGate(t *testing.T, model func(broker.Call) http.Handler, answer http.HandlerFunc) *open {
	t.Helper()
	plain, secure := httptest.NewServer(answer), httptest.NewUnstartedServer(answer)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	secure.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := egress.New(egress.Config{
		AllowPrivate: []string{plain.Listener.Addr().String(), secure.Listener.Addr().String()}, CA: ca,
		Hosts: map[string][]string{"api.example.com": {"127.0.0.1"}, "inward.example.com": {"10.0.0.1"}},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := func(l net.Listener) string {
		_, p, _ := net.SplitHostPort(l.Addr().String())
		return "api.example.com:" + p
	}
	o := &open{addr: l.Addr().String(), plain: port(plain.Listener), tls: port(secure.Listener), roots: secure.Client().Transport.(*http.Transport).TLSClientConfig}
	tokens, err := token.ParseSet([]string{"net:" + o.plain, "net:" + o.tls, "net:inward.example.com:443"})
	if err != nil {
		t.Fatal(err)
	}
	call := broker.Call{Execution: "x", Grant: broker.Grant{Tokens: tokens}}
	log := broker.NewLog(1<<20, slog.New(slog.DiscardHandler), func(e broker.Entry) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.log = append(o.log, e.Text)
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan *fault.Error, 1)
	go func() {
		ended <- New(Config{Egress: out, Addr: o.addr, Model: model, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l, call, log)
	}()
	o.end = sync.OnceValue(func() *fault.Error { cancel(); return <-ended })
	t.Cleanup(func() { o.end() })
	return o
}

// client uses the gate as any program would.
func (o *open) client() *http.Client {
	proxy := &url.URL{Scheme: "http", Host: o.addr}
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: o.roots}}
}

// raw sends bytes and gives back what comes until the end, or for a second.
func (o *open) raw(t *testing.T, parts ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", o.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(2 * time.Second))
	var got strings.Builder
	for i, p := range parts {
		if _, err := io.WriteString(c, p); err != nil {
			break
		}
		if i < len(parts)-1 {
			buf := make([]byte, 1000)
			n, _ := c.Read(buf)
			got.Write(buf[:n])
		}
	}
	rest, _ := io.ReadAll(c)
	return got.String() + string(rest)
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s%s %s %s", r.Method, r.Host, r.URL, body, r.Header.Get("Proxy-Connection")+r.Header.Get("X-Hop"))
}

func TestGranted(t *testing.T) {
	o := newGate(t, nil, echo)
	for _, x := range []struct{ method, url, body, want string }{
		{"GET", "http://" + o.plain + "/x?y=1", "", "GET " + o.plain + "/x?y=1  "},
		{"POST", "http://" + o.plain + "/x", "hi", "POST " + o.plain + "/x hi "},
		{"GET", "https://" + o.tls + "/x", "", "GET " + o.tls + "/x  "},
		{"POST", "https://" + o.tls + "/x", "hi", "POST " + o.tls + "/x hi "},
	} {
		req, err := http.NewRequest(x.method, x.url, strings.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := o.client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(got) != x.want {
			t.Errorf("%s %s: %q, want %q", x.method, x.url, got, x.want)
		}
	}
	// What is of one connection ends with it.
	got := o.raw(t, "GET http://"+o.plain+"/ HTTP/1.1\r\nHost: "+o.plain+"\r\nProxy-Connection: keep-alive\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n")
	if !strings.HasSuffix(got, "/  ") {
		t.Errorf("%q", got)
	}
	if denied := o.end(); denied != nil || len(o.log) != 0 {
		t.Errorf("%v %q", denied, o.log)
	}
}

func TestRefused(t *testing.T) {
	o := newGate(t, nil, echo)
	connect := func(to string) string { return "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n\r\n" }
	get := func(to string) string { return "GET http://" + to + "/ HTTP/1.1\r\nHost: " + to + "\r\n\r\n" }
	ok := get(o.plain)
	for _, x := range []struct {
		name  string
		parts []string
		want  string
	}{
		{"another host", []string{get("evil.example")}, "403 Forbidden|holds no net:evil.example:80"},
		{"another port", []string{get("api.example.com:81")}, "403 Forbidden|holds no net:api.example.com:81"},
		{"an address", []string{get("10.0.0.1")}, "403 Forbidden|holds no net:10.0.0.1:80"},
		{"a tunnel elsewhere", []string{connect("evil.example:443")}, "HTTP/1.1 403 this unit holds no net:evil.example:443"},
		{"a tunnel inwards", []string{connect("inward.example.com:443")}, "HTTP/1.1 403 net:inward.example.com:443 leads to 10.0.0.1"},
		{"no TLS in a tunnel", []string{connect(o.plain), "GET / HTTP/1.1\r\n\r\n"}, "200 Connection established|\x15\x03\x03\x00\x02\x02\x31"},
		{"two hosts", []string{strings.Replace(ok, "\r\n\r\n", "\r\nHost: evil.example\r\n\r\n", 1)}, "400 the gate refuses this request: it has not one Host header but 2"},
		{"no host", []string{"GET http://" + o.plain + "/ HTTP/1.1\r\n\r\n"}, "it has not one Host header but 0"},
		{"another host header", []string{strings.Replace(ok, "Host: "+o.plain, "Host: evil.example", 1)}, "its target and its Host header differ"},
		{"another host header in CONNECT", []string{"CONNECT " + o.tls + " HTTP/1.1\r\nHost: evil.example\r\n\r\n"}, "the tunnel's target and its Host header differ"},
		{"folded", []string{strings.Replace(ok, "\r\n\r\n", "\r\nX: a\r\n b\r\n\r\n", 1)}, "a folded line"},
		{"space before the colon", []string{strings.Replace(ok, "\r\n\r\n", "\r\nX : a\r\n\r\n", 1)}, "a space before its colon"},
		{"two lengths", []string{strings.Replace(ok, "\r\n\r\n", "\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1)}, "says twice how long"},
		{"the same length twice", []string{strings.Replace(ok, "\r\n\r\n", "\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 1)}, "says twice how long"},
		{"odd encoding", []string{strings.Replace(ok, "\r\n\r\n", "\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 1)}, "not chunked"},
		{"upgrade", []string{strings.Replace(ok, "\r\n\r\n", "\r\nUpgrade: websocket\r\n\r\n", 1)}, "does not change protocols"},
		{"control character", []string{strings.Replace(ok, "\r\n\r\n", "\r\nX: a\x00b\r\n\r\n", 1)}, "control character"},
		{"bare line feed", []string{strings.Replace(ok, "\r\n\r\n", "\r\nX: a\nHost: evil.example\r\n\r\n", 1)}, "control character"},
		{"old version", []string{"GET http://" + o.plain + "/ HTTP/1.0\r\n\r\n"}, "first line"},
		{"user name", []string{"GET http://x@" + o.plain + "/ HTTP/1.1\r\nHost: " + o.plain + "\r\n\r\n"}, "holds a user name"},
		{"ftp", []string{"GET ftp://" + o.plain + "/ HTTP/1.1\r\nHost: " + o.plain + "\r\n\r\n"}, "no http:// URL"},
		{"origin form", []string{"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"}, "is not in a proxy's form"},
		{"long head", []string{strings.Replace(ok, "\r\n\r\n", "\r\nX: "+strings.Repeat("x", 70<<10)+"\r\n\r\n", 1)}, "at most 64 KiB"},
		{"nothing here", []string{"GET /openai/v1/models HTTP/1.1\r\nHost: " + o.addr + "\r\n\r\n"}, "404 Not Found|the gate has nothing at /openai"},
	} {
		got := o.raw(t, x.parts...)
		for _, want := range strings.Split(x.want, "|") {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q, want %q", x.name, got, want)
			}
		}
	}
	// One connection is one request: the second is never read.
	if got := o.raw(t, ok+get("evil.example")); strings.Count(got, "HTTP/1.1 ") != 1 || !strings.Contains(got, "Connection: close") {
		t.Errorf("pipelined: %q", got)
	}
	if denied := o.end(); denied == nil || !strings.Contains(denied.Message, "evil.example:80") {
		t.Errorf("the first denial: %v", denied)
	}
	if all := strings.Join(o.log, "\n"); !strings.Contains(all, "net:evil.example:443") || !strings.Contains(all, o.plain+" is for HTTPS") {
		t.Errorf("log: %s", all)
	}
}

// TLS in a tunnel is for the host that the tunnel is to.
func TestNameInTheTunnel(t *testing.T) {
	o := newGate(t, nil, echo)
	handshake := func(name string) error {
		c, err := net.Dial("tcp", o.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", o.tls, o.tls)
		buf := make([]byte, 200)
		if n, err := c.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 200") {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		return tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
	}
	if err := handshake("API.example.com"); err != nil {
		t.Errorf("its own name: %v", err)
	}
	for _, name := range []string{"www.example.com", "evil.example", ""} {
		if err := handshake(name); err == nil || !strings.Contains(err.Error(), "access denied") {
			t.Errorf("%q: %v", name, err)
		}
	}
	o.end()
	if all := strings.Join(o.log, "\n"); !strings.Contains(all, `asks for "evil.example"`) {
		t.Errorf("log: %s", all)
	}
}

// A client that hides the name it asks for is refused.
func TestHiddenName(t *testing.T) {
	o := newGate(t, nil, echo)
	target, err := egress.ParseTarget(o.tls, 443)
	if err != nil {
		t.Fatal(err)
	}
	hello := helloWith(t, "api.example.com")
	for _, hidden := range []bool{false, true} {
		inside, outside := net.Pipe()
		go func() {
			if hidden {
				inside.Write(addExtension(hello, encryptedHello))
			} else {
				inside.Write(hello)
			}
		}()
		_, err := readHello(outside, outside, target)
		if hidden != (err != nil) || err != nil && !strings.Contains(err.Error(), "encrypted hello") {
			t.Errorf("hidden %v: %v", hidden, err)
		}
		inside.Close()
	}
}

// helloWith is a client's first message for name.
func helloWith(t *testing.T, name string) []byte {
	t.Helper()
	a, b := net.Pipe()
	go tls.Client(a, &tls.Config{ServerName: name}).Handshake()
	buf := make([]byte, 8<<10)
	n, err := b.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	return buf[:n]
}

// addExtension puts an empty extension at the end of a ClientHello and sets the
// three lengths that count it right (RFC 8446, 4.1.2).
func addExtension(hello []byte, kind uint16) []byte {
	out := append(append([]byte{}, hello...), byte(kind>>8), byte(kind), 0, 0)
	grow := func(at int) {
		n := int(out[at])<<8 + int(out[at+1]) + 4
		out[at], out[at+1] = byte(n>>8), byte(n)
	}
	grow(3)                                    // of the record
	grow(7)                                    // low bytes of the message
	at := 9 + 2 + 32                           // version and random
	at += 1 + int(out[at])                     // session
	at += 2 + int(out[at])<<8 + int(out[at+1]) // suites
	at += 1 + int(out[at])                     // compression
	grow(at)
	return out
}

func TestModelGateway(t *testing.T) {
	model := func(c broker.Call) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s %s", c.Execution, r.Method, r.RequestURI)
		})
	}
	o := newGate(t, model, echo)
	for _, target := range []string{"/openai/v1/models?x=1", "http://" + o.addr + "/openai/v1/models?x=1"} {
		if got := o.raw(t, "GET "+target+" HTTP/1.1\r\nHost: "+o.addr+"\r\n\r\n"); !strings.HasSuffix(got, "x GET /openai/v1/models?x=1") {
			t.Errorf("%s: %q", target, got)
		}
	}
}

// When the execution is over nothing of its gate is left, whatever was open.
func TestEnd(t *testing.T) {
	began := make(chan struct{})
	o := newGate(t, nil, func(_ http.ResponseWriter, r *http.Request) { close(began); <-r.Context().Done() })
	tunnel, err := net.Dial("tcp", o.addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(tunnel, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", o.tls, o.tls)
	waits := make(chan bool, 1)
	go func() {
		res, err := o.client().Get("http://" + o.plain + "/")
		waits <- err != nil || res.StatusCode == http.StatusBadGateway
	}()
	<-began
	o.end()
	if !<-waits || len(o.log) != 0 {
		t.Errorf("a request outlived the gate; log %q", o.log)
	}
	tunnel.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(tunnel); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("a tunnel outlived the gate: %v", err)
	}
	if c, err := net.Dial("tcp", o.addr); err == nil {
		c.Close()
		t.Error("the gate still listens")
	}
}
