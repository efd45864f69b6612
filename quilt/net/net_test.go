package net

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/token"
)

// What may be made again after a crash, and what may not.
func TestNature(t *testing.T) {
	s := &service{gate: "127.0.0.1:4180", inside: func(broker.Call) http.Handler { return http.NotFoundHandler() }}
	for _, x := range []struct {
		op, args string
		want     broker.Nature
	}{
		{"net.fetch", `{"url":"https://a.example"}`, broker.Read}, // GET
		{"net.fetch", `{"method":"GET"}`, broker.Read},
		{"net.fetch", `{"method":"get"}`, broker.Read},
		{"net.fetch", `{"method":"HEAD"}`, broker.Read},
		{"net.fetch", `{"method":"OPTIONS"}`, broker.Read},
		{"net.fetch", `{"method":"PUT"}`, broker.Keyed}, // twice is as once, and what it rests on is on disk first
		{"net.fetch", `{"method":"DELETE"}`, broker.Keyed},
		{"net.fetch", `{"method":"POST"}`, broker.Once},
		{"net.fetch", `{"method":"PATCH"}`, broker.Once},
		{"net.fetch", `{"method":"FROB"}`, broker.Once}, // unknown: nobody can tell
		{"net.fetch", `{"method":"POST","headers":[["Accept","*/*"],["Idempotency-Key","k"]]}`, broker.Keyed},
		{"net.fetch", `{"method":"PATCH","headers":[["idempotency-key","k"]]}`, broker.Keyed},
		{"net.fetch", `{"method":"POST","headers":[["Idempotency","k"]]}`, broker.Once},
		{"net.fetch", `{"method":"POST","url":"http://127.0.0.1:4180/openai/v1/responses"}`, broker.Paid}, // a model
		{"net.fetch", `{"method":"POST","url":"https://127.0.0.1:4180/openai/v1/responses"}`, broker.Once},
		{"net.fetch", `{"method":7}`, broker.Read}, // refused, nothing is sent
		{"net.read", `{"stream":1}`, broker.Read},
		{"net.close", `{"stream":1}`, broker.Read},
	} {
		if got := s.nature(x.op, json.RawMessage(x.args)); got != x.want {
			t.Errorf("%s %s: %d, want %d", x.op, x.args, got, x.want)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for _, x := range []struct {
		in   string
		port uint16
		want string // "" is refused
	}{
		{"api.example.com", 443, "api.example.com:443"},
		{"API.Example.COM:8443", 443, "api.example.com:8443"},
		{"10.0.0.1:80", 80, "10.0.0.1:80"},
		{"[2001:DB8::1]", 80, "[2001:db8::1]:80"},
		{"[::ffff:10.0.0.1]:80", 80, "[::ffff:10.0.0.1]:80"},
		{"0177.0.0.1", 80, ""}, {"127.1", 80, ""}, {"2130706433", 80, ""}, {"127.0.0.1.", 80, ""}, {"10.0.0.256", 80, ""},
		{"api.example.com.", 443, ""}, {"a..b", 443, ""}, {"", 443, ""}, {"bücher.example", 443, ""}, {"a%2eb", 443, ""},
		{"[fe80::1%25lo]:80", 80, ""}, {"u@a.example", 80, ""}, {"a.example/x", 80, ""}, {"a.example:0", 80, ""}, {"a.example:65536", 80, ""},
		{"a.example:80:80", 80, ""}, {"*.example.com", 443, ""}, {"a.example?rate=1/1s", 443, ""}, {"a.example#2", 443, ""}, {"a b", 443, ""},
		{"a.example:http", 80, ""}, {"a.example:", 80, ""}, {"a.example", 0, "a.example:443"},
	} {
		got, err := ParseTarget(x.in, x.port)
		if x.want == "" {
			if fault.CodeOf(err) != fault.Denied || !strings.Contains(err.Error(), "net:") {
				t.Errorf("%q: %v, %v", x.in, got, err)
			}
			continue
		}
		if err != nil || got.String() != x.want || got.Token.String() != "net:"+x.want {
			t.Errorf("%q: %v %v, %v", x.in, got, got.Token, err)
		}
	}
}

// Every range that is not the public Internet, at its edges.
func TestClosedAddresses(t *testing.T) {
	for _, text := range []string{
		"0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255",
		"169.254.0.0", "169.254.169.254", "172.16.0.0", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.31.196.1", "192.52.193.1",
		"192.88.99.1", "192.168.0.0", "192.168.255.255", "192.175.48.1", "198.18.0.0", "198.19.255.255", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16",
		"::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "fc00::1", "fd00::1",
		"fe80::1", "fec0::1", "ff02::1", "2001::1", "2001:1ff:ffff::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "4000::1",
	} {
		if closed(netip.MustParseAddr(text)) == "" {
			t.Errorf("%s is open", text)
		}
	}
	for _, text := range []string{"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255",
		"172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:1.1.1.1", "2606:4700::1111", "2001:200::1"} {
		if why := closed(netip.MustParseAddr(text)); why != "" {
			t.Errorf("%s is %s", text, why)
		}
	}
}

// An address of this machine is closed, however public its number is, and all
// are while we do not know which those are.
func TestOwnAddresses(t *testing.T) {
	t.Cleanup(func() { interfaces = net.InterfaceAddrs })
	interfaces = func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.ParseIP("1.2.3.4"), Mask: net.CIDRMask(24, 32)}}, nil
	}
	if closed(netip.MustParseAddr("1.2.3.4")) == "" || closed(netip.MustParseAddr("1.2.3.5")) != "" {
		t.Error("1.2.3.4 is ours, and 1.2.3.5 is not")
	}
	interfaces = func() ([]net.Addr, error) { return nil, io.ErrUnexpectedEOF }
	if closed(netip.MustParseAddr("1.2.3.5")) == "" {
		t.Error("it is open although nobody knows whose it is")
	}
}

func TestExceptions(t *testing.T) {
	e, err := New(Config{AllowPrivate: []string{"127.0.0.1:8080", "10.1.0.0/16:443", "[fd00::1]:443", "192.168.1.1:*"}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for text, open := range map[string]bool{
		"127.0.0.1:8080": true, "127.0.0.1:8081": false, "127.0.0.2:8080": false, "10.1.2.3:443": true, "10.1.2.3:80": false, "10.2.0.1:443": false,
		"[fd00::1]:443": true, "[fd00::2]:443": false, "192.168.1.1:1": true, "[::ffff:127.0.0.1]:8080": true, "[::1]:8080": false,
	} {
		target, err := ParseTarget(text, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.check(target, target.addr); (got == nil) != open || got != nil && !strings.Contains(got.Message, target.Token.String()) {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, bad := range []string{"", "127.0.0.1", "localhost:80", "127.0.0.1:0", "127.0.0.1:x", "::1:80", "10.0.0.0/33:80"} {
		if _, err := New(Config{AllowPrivate: []string{bad}}, nil); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range []Config{{Resolver: "dns.example:53"}, {Hosts: map[string][]string{"a.b": {"x"}}}, {Hosts: map[string][]string{"a b": {"1.1.1.1"}}}, {CA: "/nowhere"}} {
		if _, err := New(bad, nil); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// fixture is a TLS server known as api.example.com, and the service over it.
type fixture struct {
	*httptest.Server
	svc  broker.Service
	port string
	call broker.Call
}

type fixed map[string]string

func (f fixed) Resolve(_ context.Context, tenant, name string) (string, error) {
	if v, ok := f[tenant+"/"+name]; ok {
		return v, nil
	}
	return "", fault.New(fault.NotFound, "there is no secret %q", name)
}

const value = "sk_live_0123456789"

func newFixture(t *testing.T, answer http.HandlerFunc) *fixture {
	t.Helper()
	f := &fixture{Server: httptest.NewTLSServer(answer)}
	t.Cleanup(f.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	_, f.port, _ = net.SplitHostPort(f.Listener.Addr().String())
	hosts := map[string][]string{"api.example.com": {"127.0.0.1"}, "www.example.com": {"127.0.0.1"}, "inward.example.com": {"127.0.0.9"}}
	e, err := New(Config{AllowPrivate: []string{f.Listener.Addr().String()}, Hosts: hosts, CA: ca}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f.svc = e.Service(fixed{"/KEY": value, "other/KEY": "the key of another tenant"}, "", nil)
	f.grant(t, "net:api.example.com:"+f.port, "net:inward.example.com:"+f.port)
	t.Cleanup(func() { f.svc.Ended("x") })
	return f
}

func (f *fixture) grant(t *testing.T, tokens ...string) {
	set, err := token.ParseSet(tokens)
	if err != nil {
		t.Fatal(err)
	}
	f.call = broker.Call{Execution: "x", ID: 7, Grant: broker.Grant{Tokens: set}}
}

func (f *fixture) url(path string) string { return "https://api.example.com:" + f.port + path }

// fetch makes a request and reads all of the answer.
func (f *fixture) fetch(t *testing.T, a fetchArgs) (fetched, string, error) {
	t.Helper()
	c := f.call
	c.Args, _ = json.Marshal(a)
	v, err := f.svc.Ops["net.fetch"](t.Context(), c)
	if err != nil {
		return fetched{}, "", err
	}
	got := v.(fetched)
	all := part(t, got.chunk)
	for more := got.chunk; more.Stream != 0; {
		c.Args, _ = json.Marshal(streamArgs{Stream: more.Stream})
		v, err := f.svc.Ops["net.read"](t.Context(), c)
		if err != nil {
			return got, all, err
		}
		more = v.(chunk)
		all += part(t, more)
	}
	return got, all, nil
}

func part(t *testing.T, c chunk) string {
	b, err := base64.StdEncoding.DecodeString(c.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFetchIsHeldAgainstTheTokens(t *testing.T) {
	var f *fixture
	var loops atomic.Int64
	f = newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/www":
			http.Redirect(w, r, "https://www.example.com:"+f.port+"/", http.StatusFound)
		case "/loop":
			loops.Add(1)
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/plain":
			http.Redirect(w, r, "http://api.example.com/", http.StatusFound)
		}
		fmt.Fprint(w, "ok")
	})
	for _, x := range []struct{ url, want string }{
		{f.url("/"), ""},
		{"https://www.example.com:" + f.port + "/", "holds no net:www.example.com:" + f.port},
		{"https://api.example.com/", "holds no net:api.example.com:443"},
		{"http://api.example.com/", "holds no net:api.example.com:80"},
		{"https://inward.example.com:" + f.port + "/", "net:inward.example.com:" + f.port + " leads to 127.0.0.9"},
		{f.url("/www"), "holds no net:www.example.com:" + f.port},
		{f.url("/plain"), "holds no net:api.example.com:80"},
		{f.url("/loop"), "more than 10 redirects"},
		{"https://u:p@api.example.com:" + f.port + "/", "it holds a user name"},
		{"ftp://api.example.com/", "the scheme is not http or https"},
		{"https:api.example.com", "it names no host"},
		{"https://api.example.com\\@evil.example/", "a character that no URL has"},
		{"unix:///run/x.sock", "the scheme is not"},
	} {
		_, body, err := f.fetch(t, fetchArgs{URL: x.url})
		if x.want == "" && (err != nil || body != "ok") || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("%s: %q, %v", x.url, body, err)
		}
	}
	if n := loops.Load(); n > 11 {
		t.Errorf("%d redirects were followed", n)
	}
	for _, h := range []string{"Host", "connection", "Proxy-Authorization", "transfer-encoding", "Content-Length", "upgrade"} {
		if _, _, err := f.fetch(t, fetchArgs{URL: f.url("/"), Headers: [][2]string{{h, "x"}}}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("header %s: %v", h, err)
		}
	}
	if _, _, err := f.fetch(t, fetchArgs{URL: f.url("/"), Method: "CONNECT"}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("CONNECT: %v", err)
	}
}

// The certificate is checked out here, against the roots that hold here.
func TestCertificateIsChecked(t *testing.T) {
	f := newFixture(t, func(w http.ResponseWriter, _ *http.Request) {})
	e, err := New(Config{AllowPrivate: []string{"127.0.0.1:*"}, Hosts: map[string][]string{"api.example.com": {"127.0.0.1"}}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f.svc = e.Service(nil, "", nil)
	if _, _, err := f.fetch(t, fetchArgs{URL: f.url("/")}); fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
}

func TestIdempotencyKey(t *testing.T) {
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("Idempotency-Key")) })
	key := func(method, call string, headers ...[2]string) string {
		f.call.Key = call
		_, body, err := f.fetch(t, fetchArgs{URL: f.url("/"), Method: method, Headers: headers})
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	a, again, b := key("POST", "run1/1"), key("POST", "run1/1"), key("POST", "run1/2")
	if a == "" || a != again || a == b || strings.Contains(a, "run1") {
		t.Errorf("%q %q %q", a, again, b)
	}
	if got := key("GET", "run1/1") + key("POST", ""); got != "" {
		t.Errorf("%q", got)
	}
	if got := key("DELETE", "run1/1", [2]string{"idempotency-key", "mine"}); got != "mine" {
		t.Errorf("%q", got)
	}
}

func TestStreams(t *testing.T) {
	gone := make(chan struct{})
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/big" {
			io.WriteString(w, strings.Repeat("0123456789abcdef", 5<<16))
			return
		}
		fmt.Fprint(w, "first")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	})
	if _, body, err := f.fetch(t, fetchArgs{URL: f.url("/big")}); err != nil || len(body) != 5<<20 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	c := f.call
	c.Args, _ = json.Marshal(fetchArgs{URL: f.url("/events")})
	v, err := f.svc.Ops["net.fetch"](t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.(fetched); part(t, got.chunk) != "first" || got.Stream == 0 {
		t.Errorf("%+v", got)
	}
	f.svc.Ended("x") // the execution is over, and so is its request
	<-gone
}

// A token with a rate allows its host, and each request is charged under it, with
// its bounds; one without a rate is taken first.
func TestRates(t *testing.T) {
	f := newFixture(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	host := "net:api.example.com:" + f.port
	for _, x := range []struct {
		tokens []string
		want   string
	}{
		{[]string{host + "?rate=2/1s"}, host + "?rate=2/1s"},
		{[]string{"net:*.example.com:" + f.port + "?rate=9/1m"}, host + "?rate=9/1m"},
		{[]string{host, "net:*.example.com:" + f.port + "?rate=9/1m"}, host},
	} {
		f.grant(t, x.tokens...)
		var charged []string
		settled := 0
		f.call.Grant.Charge = func(_ context.Context, need token.Token, est broker.Spend) (broker.Charge, error) {
			charged = append(charged, need.String())
			return broker.Charge{Settle: func(broker.Spend) { settled++ }}, nil
		}
		if _, _, err := f.fetch(t, fetchArgs{URL: f.url("/")}); err != nil {
			t.Errorf("%v: %v", x.tokens, err)
		}
		if len(charged) != 1 || charged[0] != x.want || settled != 1 {
			t.Errorf("%v: charged %v, want %s; settled %d times", x.tokens, charged, x.want, settled)
		}
		f.call.Grant.Charge = func(context.Context, token.Token, broker.Spend) (broker.Charge, error) {
			return broker.Charge{}, fault.New(fault.Exhausted, "no more")
		}
		if _, _, err := f.fetch(t, fetchArgs{URL: f.url("/")}); fault.CodeOf(err) != fault.Exhausted {
			t.Errorf("%v, used up: %v", x.tokens, err)
		}
	}
}
