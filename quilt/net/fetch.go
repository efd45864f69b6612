package net

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
)

const (
	maxInline  = 1 << 20 // bytes of an answer in one frame
	maxBody    = 2 << 20 // bytes of a request's body: it crosses as base64 in one frame
	maxStreams = 64      // answers that one execution reads at the same time
	// settle is how long an answer may take to be whole before it becomes a
	// stream: most are by then, and a stream of events is not kept waiting.
	settle = 30 * time.Millisecond
)

// fetchArgs are the arguments of net.fetch.
type fetchArgs struct {
	URL       string      `json:"url"`
	Method    string      `json:"method"`
	Headers   [][2]string `json:"headers"`
	Body      string      `json:"body"`     // base64
	Auth      string      `json:"auth"`     // the secret token that binds a credential to the host, or ""
	Redirect  string      `json:"redirect"` // follow, manual, error
	TimeoutMs int64       `json:"timeoutMs"`
}

// fetched is the answer. Body is what has come so far; Stream, if not 0, names
// the rest for net.read.
type fetched struct {
	Status     int         `json:"status"`
	StatusText string      `json:"statusText"`
	URL        string      `json:"url"`
	Redirected bool        `json:"redirected"`
	Headers    [][2]string `json:"headers"`
	chunk
}

// chunk is a part of a body.
type chunk struct {
	Body   string `json:"body,omitempty"` // base64
	Stream int64  `json:"stream,omitempty"`
}

// Secrets gives values for use outside a container.
type Secrets interface {
	Resolve(ctx context.Context, tenant, name string) (string, error)
}

// Service is what stands behind net tokens when a unit uses the handle.
func (e *Egress) Service(secrets Secrets) broker.Service {
	s := &service{egress: e, secrets: secrets, sessions: map[string]*session{}}
	return broker.Service{
		Scheme: "net", Ended: s.ended, Nature: nature,
		Ops: map[string]broker.Op{"net.fetch": s.fetch, "net.read": s.read, "net.close": s.close},
	}
}

// nature: a request of an idempotent method (RFC 9110, 9.2.2), and one for which
// the author chose an Idempotency-Key, can be made again. Of any other nobody can
// tell whether the host did it before a crash.
func nature(op string, args json.RawMessage) broker.Nature {
	if op != "net.fetch" {
		return broker.Read
	}
	var a fetchArgs
	if json.Unmarshal(args, &a) != nil {
		return broker.Read // refused, and nothing is sent
	}
	switch strings.ToUpper(a.Method) {
	case "", "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return broker.Read
	}
	for _, h := range a.Headers {
		if strings.EqualFold(h[0], "Idempotency-Key") {
			return broker.Keyed
		}
	}
	return broker.Once
}

// fetch makes one request and answers when its headers are there.
func (s *service) fetch(ctx context.Context, c broker.Call) (any, error) {
	var a fetchArgs
	if err := json.Unmarshal(c.Args, &a); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the arguments of net.fetch are not valid").WithHint("use the net handle of @aria/sdk")
	}
	x := s.session(c.Execution)
	// The answer's body outlives this operation, and ends with the execution.
	life, cancel := context.WithCancel(x.ctx)
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	if a.TimeoutMs > 0 {
		timer := time.AfterFunc(time.Duration(min(a.TimeoutMs, int64(24*time.Hour/time.Millisecond)))*time.Millisecond, cancel)
		defer timer.Stop()
	}
	g := &guard{egress: s.egress, call: c, next: x.transport}
	req, err := s.request(life, c, a, g)
	if err != nil {
		cancel()
		return nil, err
	}
	hops := 0
	client := &http.Client{Transport: g, CheckRedirect: redirects(a.Redirect, &hops)}
	res, err := client.Do(req)
	if err != nil {
		cancel()
		return nil, g.face(err, req.URL)
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 && a.Redirect == "error" {
		res.Body.Close()
		cancel()
		return nil, fault.New(fault.Failed, "%s answered with a redirect", req.URL.Host).WithHint(`leave redirect: "error" out to follow it`)
	}
	return x.answer(res, g, hops > 0, cancel)
}

// redirects is the client's rule. Each hop goes through the guard, which holds
// it against the tokens, so only the number is counted here.
func redirects(mode string, hops *int) func(*http.Request, []*http.Request) error {
	return func(_ *http.Request, via []*http.Request) error {
		if mode == "manual" || mode == "error" {
			return http.ErrUseLastResponse
		}
		if len(via) > maxRedirects {
			return fault.New(fault.Failed, "more than %d redirects", maxRedirects)
		}
		*hops++
		return nil
	}
}

func (s *service) request(ctx context.Context, c broker.Call, a fetchArgs, g *guard) (*http.Request, error) {
	u, err := parseURL(a.URL)
	if err != nil {
		return nil, err
	}
	body, err := base64.StdEncoding.DecodeString(a.Body)
	if err != nil || len(body) > maxBody {
		return nil, fault.New(fault.Invalid, "the body of a request has at most %d MiB", maxBody>>20).WithHint("send it in parts")
	}
	method := strings.ToUpper(a.Method)
	if method == "" {
		method = http.MethodGet
	}
	if method == http.MethodConnect || method == http.MethodTrace {
		return nil, fault.New(fault.Invalid, "the method %s is not one of HTTP requests here", method)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(string(body)))
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the request is not valid: %v", err)
	}
	if len(body) == 0 {
		req.Body, req.GetBody, req.ContentLength = http.NoBody, nil, 0
	}
	for _, h := range a.Headers {
		if err := allowHeader(h[0]); err != nil {
			return nil, err
		}
		req.Header.Add(h[0], h[1])
	}
	req.Header.Del("Accept-Encoding") // the transport asks for gzip and undoes it, which a mask needs
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "aria")
	}
	idempotent(req, c)
	if a.Auth != "" {
		if g.bound, err = bind(ctx, s.secrets, c, a.Auth); err != nil {
			return nil, err
		}
		if err := g.bound.fits(u); err != nil {
			return nil, err
		}
	}
	return req, nil
}

// parseURL takes what has one reading only.
func parseURL(raw string) (*url.URL, error) {
	bad := func(why string) error {
		return fault.New(fault.Denied, "%q is no URL for a net handle: %s", broker.Clip(raw, 120), why).
			WithHint("net tokens allow http:// and https:// to a host and a port")
	}
	if len(raw) > 64<<10 || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return nil, bad("it holds a character that no URL has, or is too long")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, bad("it cannot be read")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, bad("the scheme is not http or https")
	case u.Opaque != "" || u.Host == "":
		return nil, bad("it names no host")
	case u.User != nil:
		return nil, bad("it holds a user name; put it into a header, or bind a secret with auth")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// owned are headers of the connection, which is not the unit's.
var owned = map[string]bool{
	"Host": true, "Connection": true, "Proxy-Connection": true, "Proxy-Authorization": true, "Keep-Alive": true, "Te": true,
	"Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Expect": true, "Content-Length": true,
}

func allowHeader(name string) error {
	if owned[http.CanonicalHeaderKey(name)] {
		return fault.New(fault.Invalid, "the header %s belongs to the connection", broker.Clip(name, 60)).WithHint("leave it out; it is set from the URL and the body")
	}
	return nil
}
