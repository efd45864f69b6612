package net

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/secret"
	"github.com/ariacomputecompany/firmware/token"
)

// guard is the one place that every request of a handle passes, the redirected
// ones too: it holds the target against the tokens, adds the credential where
// it is bound, and masks it in what comes back.
type guard struct {
	egress *Egress
	call   broker.Call
	next   http.RoundTripper
	bound  *bound // nil: no credential
}

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	t, err := targetOf(r.URL)
	if err != nil {
		return nil, err
	}
	hold, err := Hold(r.Context(), g.call, t)
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.Host = ""
	if g.bound != nil && g.bound.fits(out.URL) == nil {
		g.bound.add(out)
	}
	res, err := g.next.RoundTrip(out)
	if err != nil {
		hold.Done()
		return nil, err
	}
	res.Request = r // without the credential
	res.Body = &held{Reader: res.Body, body: res.Body, done: hold.Done}
	return g.masked(res)
}

// masked takes the credential out of an answer. Where it cannot look into the
// body, there is no answer.
func (g *guard) masked(res *http.Response) (*http.Response, error) {
	m := g.bound.mask()
	if m == nil {
		return res, nil
	}
	if enc := res.Header.Get("Content-Encoding"); enc != "" {
		res.Body.Close()
		return nil, fault.New(fault.Failed, "the answer is encoded with %s, which was not asked for, so %s could not be masked in it", broker.Clip(enc, 40), g.bound.name)
	}
	for name, values := range res.Header {
		for i, v := range values {
			res.Header[name][i] = m.String(v)
		}
	}
	res.Status = m.String(res.Status)
	if body, ok := res.Body.(*held); ok {
		body.Reader = m.Reader(body.body)
	}
	if res.ContentLength > 0 {
		res.ContentLength = -1
		res.Header.Del("Content-Length")
	}
	return res, nil
}

// held gives the token back when the body is closed.
type held struct {
	io.Reader
	body io.ReadCloser
	done func()
	once sync.Once
}

func (h *held) Close() error {
	h.once.Do(h.done)
	return h.body.Close()
}

// targetOf is where a URL leads.
func targetOf(u *url.URL) (Target, error) {
	port := uint16(443)
	if u.Scheme == "http" {
		port = 80
	} else if u.Scheme != "https" {
		return Target{}, fault.New(fault.Denied, "net tokens allow http and https, not %s (to %s)", broker.Clip(u.Scheme, 20), broker.Clip(u.Host, 120))
	}
	return ParseTarget(u.Host, port)
}

// face turns what the client says into what a unit may read: a fault as it is,
// anything else without the URL that a credential may have been added to.
func (g *guard) face(err error, u *url.URL) error {
	if f, ok := fault.As(err); ok {
		return f
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.Timeout, "%s did not answer in time", u.Host)
	}
	var where *url.Error
	if errors.As(err, &where) {
		err = where.Err
	}
	return fault.New(fault.Unavailable, "the request to %s failed: %s", u.Host, broker.Clip(g.bound.mask().String(err.Error()), 300)).
		WithHint("the server may be down, or its certificate not valid")
}

// idempotent names a request that changes something, so that a server which
// knows such keys does it once, however often a crash makes us ask.
func idempotent(r *http.Request, c broker.Call) {
	const name = "Idempotency-Key"
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return
	}
	if c.Key == "" || r.Header.Get(name) != "" {
		return
	}
	sum := sha256.Sum256([]byte("aria idempotency key\x00" + c.Grant.Tenant + "\x00" + c.Key))
	r.Header.Set(name, base64.RawURLEncoding.EncodeToString(sum[:24]))
}

// bound is a credential for one host.
type bound struct {
	token.Binding
	name  string // the token, for messages
	value string
	hides *secret.Mask
}

// bind resolves a binding. The token must be in the lease as it stands: a wider
// one does not count, because the binding is what was consented to.
func bind(ctx context.Context, secrets Secrets, c broker.Call, text string) (*bound, error) {
	t, err := token.Parse(text)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "%q is not a token of a secret", broker.Clip(text, 120))
	}
	b, ok := t.Binding()
	if !ok {
		return nil, fault.New(fault.Invalid, "%s is not a secret bound to a host", t).WithHint("use net(host, { auth: secret(name) }) of @aria/sdk")
	}
	has := false
	for _, have := range c.Grant.Tokens {
		has = has || have == t
	}
	if !has {
		return nil, fault.New(fault.Denied, "this unit holds no %s", t).WithHint("a secret is bound to its host when the bundle is built: net(host, { auth: secret(name) })")
	}
	hold, err := c.Hold(ctx, t)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	value, err := secrets.Resolve(ctx, c.Grant.Tenant, b.Name)
	if err != nil {
		return nil, err
	}
	return &bound{Binding: b, name: "secret " + b.Name, value: value, hides: secret.NewMask(b.Name, value)}, nil
}

func (b *bound) mask() *secret.Mask {
	if b == nil {
		return nil
	}
	return b.hides
}

// fits: the credential goes to its host and port, over TLS, and nowhere else.
func (b *bound) fits(u *url.URL) error {
	t, err := targetOf(u)
	if err != nil {
		return err
	}
	if t.Token != b.Host {
		return fault.New(fault.Denied, "%s is bound to %s and does not go to %s", b.name, b.Host.Path(), t).
			WithHint("secret:%s:%s would allow it", b.Name, t)
	}
	if u.Scheme != "https" {
		return fault.New(fault.Denied, "%s does not go to %s in the clear", b.name, t).WithHint("use https")
	}
	return nil
}

// add puts the credential into r, over whatever the unit put there.
func (b *bound) add(r *http.Request) {
	switch b.Form {
	case "bearer":
		r.Header.Set("Authorization", "Bearer "+b.value)
	case "basic":
		user := b.value
		if b.Field != "" {
			user = b.Field + ":" + b.value
		}
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user)))
	case "header":
		r.Header.Set(b.Field, b.value)
	case "query":
		q := r.URL.Query()
		q.Set(b.Field, b.value)
		u := *r.URL
		u.RawQuery = q.Encode()
		r.URL = &u
	}
}
