package net

import (
	"context"
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
	Parts     []int64     `json:"parts"`    // instead of body: what net.part took
	Auth      string      `json:"auth"`     // the secret token that binds a credential to the host, or ""
	Redirect  string      `json:"redirect"` // follow, manual, error
	TimeoutMs int64       `json:"timeoutMs"`
	Name      int64       `json:"name"` // for net.close, while there is no answer yet; 0: none
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
	Again  bool   `json:"again,omitempty"` // of the first: the request may be made again
}

// Secrets gives values for use outside a container.
type Secrets interface {
	Resolve(ctx context.Context, tenant, name string) (string, error)
}

// Service is what stands behind net tokens when a unit uses the handle, and
// behind every request of a unit whose calls are recorded. inside, which may be
// nil, answers what is asked of the gate itself, at its address.
func (e *Egress) Service(secrets Secrets, gate string, inside func(broker.Call) http.Handler) broker.Service {
	s := &service{egress: e, secrets: secrets, gate: gate, inside: inside, sessions: map[string]*session{}}
	return broker.Service{
		Scheme: "net", Ended: s.ended, Leave: s.leave, Nature: s.nature, Essence: essence, Live: []string{"net.part"},
		Ops: map[string]broker.Op{"net.fetch": s.fetch, "net.part": s.part, "net.read": s.read, "net.close": s.close},
	}
}

// nature: a request of an idempotent method (RFC 9110, 9.2.2), and one for which
// the author chose an Idempotency-Key, can be made again. Of any other nobody can
// tell whether the host did it before a crash. A model that is asked again answers
// again, as with the llm handle.
func (s *service) nature(op string, args json.RawMessage) broker.Nature {
	if op != "net.fetch" {
		return broker.Read
	}
	var a fetchArgs
	if json.Unmarshal(args, &a) != nil {
		return broker.Read // refused, and nothing is sent
	}
	if u, err := parseURL(a.URL); err == nil && s.own(u) {
		if strings.EqualFold(a.Method, http.MethodPost) {
			return broker.Paid
		}
		return broker.Read
	}
	switch strings.ToUpper(a.Method) {
	case "", "GET", "HEAD", "OPTIONS":
		return broker.Read
	case "PUT", "DELETE":
		return broker.Keyed
	}
	for _, h := range a.Headers {
		if strings.EqualFold(h[0], "Idempotency-Key") {
			return broker.Keyed
		}
	}
	return broker.Once
}

// essence: the same request has the same method, URL, body and credential. Other
// headers may hold what changes with every run: a trace, a nonce.
func essence(op string, args json.RawMessage) json.RawMessage {
	var a fetchArgs
	if op != "net.fetch" || json.Unmarshal(args, &a) != nil {
		return args
	}
	text, err := json.Marshal([]any{strings.ToUpper(a.Method), a.URL, a.Body, a.Parts, a.Auth})
	if err != nil {
		return args
	}
	return text
}

// fetch makes one request and answers when its headers are there.
func (s *service) fetch(ctx context.Context, c broker.Call) (any, error) {
	var a fetchArgs
	if err := json.Unmarshal(c.Args, &a); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the arguments of net.fetch are not valid").WithHint("use the net handle of @aria/sdk")
	}
	x := s.session(c.Execution)
	// The answer's body outlives this operation, and ends with the execution.
	life, cancel := context.WithCancelCause(x.ctx)
	end := func() { cancel(nil) }
	stop := context.AfterFunc(ctx, end)
	defer stop()
	if a.Name != 0 {
		defer x.named(a.Name, cancel)()
	}
	if a.TimeoutMs > 0 {
		timer := time.AfterFunc(time.Duration(min(a.TimeoutMs, int64(24*time.Hour/time.Millisecond)))*time.Millisecond, end)
		defer timer.Stop()
	}
	g := &guard{egress: s.egress, call: c, next: x.transport}
	req, err := s.request(life, c, a, g)
	if err != nil {
		end()
		return nil, err
	}
	var way http.RoundTripper = g
	if s.own(req.URL) {
		way = inward{s.inside(c), &x.busy}
	}
	hops := 0
	client := &http.Client{Transport: way, CheckRedirect: redirects(a.Redirect, &hops)}
	res, err := client.Do(req)
	if err != nil {
		end()
		if context.Cause(life) == errGivenUp {
			return nil, errGivenUp
		}
		return nil, g.face(err, req.URL)
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 && a.Redirect == "error" {
		res.Body.Close()
		end()
		return nil, fault.New(fault.Failed, "%s answered with a redirect", req.URL.Host).WithHint(`leave redirect: "error" out to follow it`)
	}
	return x.answer(c.ID, res, g, hops > 0, s.nature("net.fetch", c.Args) != broker.Once, end)
}

// own says whether a URL leads to the gate itself.
func (s *service) own(u *url.URL) bool {
	return s.inside != nil && u.Scheme == "http" && u.Host == s.gate
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
	body, err := s.body(c.Execution, a)
	if err != nil {
		return nil, err
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
		if err := allowHeader(h, u); err != nil {
			return nil, err
		}
		req.Header.Add(h[0], h[1])
	}
	req.Header.Del("Accept-Encoding") // the transport asks for gzip and undoes it, which a mask needs
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "aria")
	}
	if !s.own(u) {
		idempotent(req, c)
	}
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

func allowHeader(h [2]string, to *url.URL) error {
	name := http.CanonicalHeaderKey(h[0])
	if name == "Host" {
		return fault.New(fault.Invalid, "the header Host belongs to the connection: the request is for %s and not for %s; a token is for one: net:%s", to.Host, broker.Clip(h[1], 120), to.Host).
			WithHint("leave the header out; it is set from the URL")
	}
	if owned[name] {
		return fault.New(fault.Invalid, "the header %s belongs to the connection", broker.Clip(name, 60)).WithHint("leave it out; it is set from the URL and the body")
	}
	return nil
}
